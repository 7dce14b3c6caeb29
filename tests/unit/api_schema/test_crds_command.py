"""`sluice crds`: what it prints, what it writes, and that the repository is in step."""

import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from sluice.api.crds import RESOURCES, Resource
from sluice.cli.crds import crds, manifests, pages

ROOT = Path(__file__).parents[3]
KINDS = {
    "ServiceLevelObjective",
    "ErrorBudgetPolicy",
    "GateOverride",
    "BudgetCorrection",
    "MetricSource",
}

app = typer.Typer()
app.command()(crds)


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    return result.exit_code, result.output


def test_without_a_directory_all_kinds_are_printed() -> None:
    code, output = run()
    documents = list(yaml.safe_load_all(output))
    assert code == 0
    assert {document["spec"]["names"]["kind"] for document in documents} == KINDS


@pytest.mark.parametrize(
    ("arguments"),
    [
        pytest.param(("--output-dir", ROOT / "crds"), id="manifests"),
        pytest.param(("--output-dir", ROOT / "deploy/helm/sluice/crds"), id="chart"),
        pytest.param(("--docs-dir", ROOT / "docs/reference"), id="reference"),
    ],
)
def test_the_repository_is_in_step_with_the_models(arguments: tuple[str | Path, ...]) -> None:
    code, output = run("--check", *arguments)
    assert code == 0, output


def test_what_was_written_passes_the_check(tmp_path: Path) -> None:
    arguments = ("--output-dir", tmp_path / "a", "--output-dir", tmp_path / "b")
    arguments += ("--docs-dir", tmp_path / "docs")
    assert run(*arguments)[0] == 0
    assert {path.name for path in (tmp_path / "b").iterdir()} == set(manifests())
    assert {path.name for path in (tmp_path / "docs").iterdir()} == set(pages())
    assert run(*arguments, "--check") == (0, "")


def test_an_edited_file_fails_the_check_with_a_diff_and_is_left_alone(tmp_path: Path) -> None:
    run("--output-dir", tmp_path)
    edited = tmp_path / "sluice.dev_gateoverrides.yaml"
    text = edited.read_text().replace("maxLength: 1024", "maxLength: 9")
    edited.write_text(text)
    code, output = run("--output-dir", tmp_path, "--check")
    assert code == 1
    assert re.search(r"^- +maxLength: 9\n\+ +maxLength: 1024$", output, re.MULTILINE)
    assert "write them again without --check" in output
    assert edited.read_text() == text


def test_a_missing_file_fails_the_check(tmp_path: Path) -> None:
    code, output = run("--docs-dir", tmp_path, "--check")
    assert code == 1
    assert "+# GateOverride" in output


def test_a_file_of_a_kind_that_is_gone_fails_the_check(tmp_path: Path) -> None:
    run("--output-dir", tmp_path)
    (tmp_path / "sluice.dev_relics.yaml").touch()
    code, output = run("--output-dir", tmp_path, "--check")
    assert code == 1
    assert "sluice.dev_relics.yaml: no kind is called so any more: delete the file" in output


def test_a_check_of_nothing_says_what_to_name() -> None:
    code, output = run("--check")
    assert code == 2
    assert "--output-dir" in output


def test_the_yaml_holds_no_anchors() -> None:
    assert not [text for text in manifests().values() if "&id0" in text or "*id0" in text]


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.kind)
def test_every_field_of_the_crd_is_in_the_reference(resource: Resource) -> None:
    documents = {
        crd["spec"]["names"]["kind"]: crd for crd in map(yaml.safe_load, manifests().values())
    }
    kind = resource.kind
    schema = documents[kind]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    text = pages()[f"{kind.lower()}.md"]

    def check(node: dict[str, Any], path: str) -> int:
        count = 0
        for name, field in node["properties"].items():
            assert f"| `{path}.{name}` |" in text
            inner = field.get("items", field)
            if "properties" in inner:
                count += check(inner, f"{path}.{name}{'[]' if 'items' in field else ''}")
            count += 1
        return count

    parts = schema["properties"]
    counted = check(parts["spec"], "spec") + check(parts["status"], "status")
    assert counted == sum(line.startswith(("| `spec.", "| `status.")) for line in text.splitlines())


@pytest.mark.parametrize("more", [("--check",), ("--output-dir", "x"), ("--docs-dir", "x")])
def test_what_is_applied_is_not_written_as_well(more: tuple[str, ...]) -> None:
    code, output = run("--apply", *more)
    assert code == 2
    assert "--apply" in output
