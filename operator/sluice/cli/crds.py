"""`sluice crds`: the CustomResourceDefinitions, printed, written, checked or applied."""

import difflib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from sluice.api import GROUP
from sluice.api.crds import RESOURCES, crd
from sluice.api.reference import page


class _Dumper(yaml.SafeDumper):
    """YAML without anchors: a CRD that repeats itself is easier to read than one that refers."""

    def ignore_aliases(self, _data: Any) -> bool:
        return True


def manifests() -> dict[str, str]:
    """The CRDs as YAML, by file name; the same text for the same models, always."""
    return {
        f"{GROUP}_{resource.plural}.yaml": yaml.dump(
            crd(resource), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=100
        )
        for resource in RESOURCES
    }


def pages() -> dict[str, str]:
    """The reference pages as Markdown, by file name."""
    return {f"{resource.kind.lower()}.md": page(resource) for resource in RESOURCES}


def crds(
    output_dir: Annotated[
        list[Path] | None,
        typer.Option(help="Write one YAML file a kind into this directory; may be repeated."),
    ] = None,
    docs_dir: Annotated[
        Path | None,
        typer.Option(help="Write one Markdown reference page a kind into this directory."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing; show what differs and exit 1 if anything."),
    ] = False,
    apply: Annotated[
        bool,
        typer.Option("--apply", help="Bring those of the cluster up to date; Helm does not."),
    ] = False,
    kubeconfig: Annotated[
        Path | None, typer.Option(help="Kubeconfig to use with --apply, as with kubectl.")
    ] = None,
    context: Annotated[
        str | None, typer.Option(help="The kubeconfig's context; its current one if left out.")
    ] = None,
) -> None:
    """Print the CustomResourceDefinitions, write them into directories, or apply them."""
    if apply:
        if check or output_dir or docs_dir:
            raise typer.BadParameter("--apply writes no files: leave the other options out")
        # Whoever prints needs no cluster, and none of what it takes to reach one.
        from sluice.cli.crds_apply import apply_all  # noqa: PLC0415

        apply_all(kubeconfig=kubeconfig, context=context)
        return
    wanted = _wanted(output_dir or [], docs_dir)
    if check:
        _check(wanted, output_dir or [])
    elif wanted:
        for path, text in wanted.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            typer.echo(f"wrote {path}")
    else:
        typer.echo("---\n".join(manifests().values()), nl=False)


def _wanted(output_dirs: list[Path], docs_dir: Path | None) -> dict[Path, str]:
    wanted = {
        directory / name: text for directory in output_dirs for name, text in manifests().items()
    }
    if docs_dir:
        wanted |= {docs_dir / name: text for name, text in pages().items()}
    return wanted


def _check(wanted: dict[Path, str], output_dirs: list[Path]) -> None:
    if not wanted:
        raise typer.BadParameter("name what to compare with by --output-dir or --docs-dir")
    drift = [line for path, text in wanted.items() for line in _difference(path, text)]
    drift += [
        f"{path}: no kind is called so any more: delete the file\n"
        for directory in output_dirs
        for path in sorted(directory.glob(f"{GROUP}_*.yaml"))
        if path not in wanted
    ]
    if drift:
        typer.echo("".join(drift), nl=False)
        typer.echo("The files differ from the models: write them again without --check.", err=True)
        raise typer.Exit(1)


def _difference(path: Path, text: str) -> Iterator[str]:
    written = path.read_text(encoding="utf-8") if path.exists() else ""
    return difflib.unified_diff(
        written.splitlines(keepends=True),
        text.splitlines(keepends=True),
        fromfile=str(path),
        tofile=f"{path} (from the models)",
    )
