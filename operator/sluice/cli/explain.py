"""`kubectl sluice explain`: would a deployment pass now, why, and what would."""

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer
import yaml

from sluice.cli import completion
from sluice.cli.check_files import Finding, read_all
from sluice.cli.cluster import Context, Kubeconfig, Namespace, SystemNamespace, with_api
from sluice.cli.explain_change import UnusableChangeError, Wanted, images_of
from sluice.cli.explain_facts import CannotTellError, Explained, Question, find_out
from sluice.cli.explain_model import ExplainAnswer
from sluice.cli.explain_summary import explanation
from sluice.cli.explain_text import print_explanation
from sluice.cli.verdict import Exit
from sluice.cli.workload_name import WorkloadName, workload_named
from sluice.kube.api_server import ApiServer
from sluice.kube.connection import current_namespace


class Output(StrEnum):
    """How it is printed."""

    TEXT = "text"
    JSON = "json"
    YAML = "yaml"


def explain(
    workload: Annotated[
        str,
        typer.Argument(
            help="The workload, as `web` (a Deployment) or `statefulset/db`.",
            autocompletion=completion.workloads,
        ),
    ],
    filename: Annotated[
        str | None,
        typer.Option("--filename", "-f", help="Its new manifest: a file, or - for standard input."),
    ] = None,
    image: Annotated[
        list[str] | None,
        typer.Option("--image", help="A new image, as CONTAINER=IMAGE; may be repeated."),
    ] = None,
    server: Annotated[
        bool,
        typer.Option("--server", help="Also have the API server try it out (a dry-run)."),
    ] = False,
    user: Annotated[
        str, typer.Option("--user", help="Who deploys, if it is not you: a pipeline's account.")
    ] = "",
    namespace: Namespace = None,
    output: Annotated[
        Output, typer.Option("--output", "-o", help="For people or for programs.")
    ] = Output.TEXT,
    system_namespace: SystemNamespace = "sluice-system",
    kubeconfig: Kubeconfig = None,
    context: Context = None,
) -> None:
    """Explain whether a deployment would pass now, why, and what would.

    Without a change it is about any change of the pod template. It reads with your rights only, and
    needs neither the controller nor the gate; the rules are those of the gates.

    Exit status 0: it would pass. 3: it would be denied. 4: that is not known. With --server what
    the API server says counts.
    """
    if filename is not None and image:
        raise typer.BadParameter("give a manifest or images, not both", param_hint="--image")
    where = namespace or current_namespace(kubeconfig=kubeconfig, context=context)
    try:
        subject = workload_named(workload, where)
        wanted = Wanted(images_of(image or []), _manifest(filename, subject))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    question = Question(subject, wanted, user, system_namespace, server)

    async def ask(api: ApiServer) -> Explained:
        return await find_out(api, question)

    try:
        found = explanation(with_api(ask, kubeconfig=kubeconfig, context=context))
    except CannotTellError as error:
        typer.echo(f"sluice explain: {error}", err=True)
        raise typer.Exit(Exit.UNKNOWN) from error
    except UnusableChangeError as error:
        typer.echo(f"sluice explain: {subject}: {error}", err=True)
        raise typer.Exit(1) from error
    _print(found, output)
    raise typer.Exit(exit_status(found))


def exit_status(found: ExplainAnswer) -> Exit:
    """What it comes to: what the API server says, if it was asked and can tell."""
    if found.server is not None:
        outcomes = {"Allowed": Exit.ALLOWED, "Denied": Exit.DENIED, "Unknown": Exit.UNKNOWN}
        return outcomes[found.server.outcome]
    if not found.verdict.known:
        return Exit.UNKNOWN
    return Exit.ALLOWED if found.verdict.allowed else Exit.DENIED


def _manifest(filename: str | None, subject: WorkloadName) -> dict[str, Any] | None:
    """The workload's manifest among the documents of a file.

    Raises:
        ValueError: a document cannot be read, or none is the workload's.
    """
    if filename is None:
        return None
    seen = []
    for found in read_all([filename], sys.stdin.buffer.read):
        if isinstance(found, Finding):
            raise ValueError(str(found))  # noqa: TRY004 - of what the user wrote
        body = found.body if isinstance(found.body, dict) else {}
        metadata = body.get("metadata") if isinstance(body.get("metadata"), dict) else {}
        assert isinstance(metadata, dict)
        called = (body.get("kind"), metadata.get("name"))
        here = metadata.get("namespace") in {None, subject.namespace}
        if called == (subject.resource.kind, subject.name) and here:
            return body
        seen.append(f"{called[0]} {called[1]}")
    raise ValueError(f"{filename}: there is no {subject} in it, but {', '.join(seen) or 'nothing'}")


def _print(found: ExplainAnswer, output: Output) -> None:
    body = found.model_dump(mode="json", by_alias=True)
    match output:
        case Output.JSON:
            sys.stdout.write(f"{json.dumps(body, indent=2)}\n")
        case Output.YAML:
            sys.stdout.write(yaml.safe_dump(body, sort_keys=False, allow_unicode=True))
        case Output.TEXT:
            print_explanation(found, sys.stdout)
