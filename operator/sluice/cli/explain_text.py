"""What `kubectl sluice explain` prints for people."""

from collections.abc import Iterator
from typing import TextIO

from rich.text import Text

from sluice.api.policy import Admission
from sluice.cli.explain_model import ExplainAnswer, ServerAnswer, Way, WayAnswer
from sluice.cli.tables import console
from sluice.gate.answers import VerdictAnswer
from sluice.policy.explanation import minute

_SHOWN = 3
"""Revisions that are shown; JSON has them all."""
_WIDTH = 10
_CALLED = {Way.EXEMPT_USER: "user"}
"""Ways whose names are longer than a word."""


def print_explanation(found: ExplainAnswer, out: TextIO) -> None:
    """Print the verdict, where it comes from, and what would pass."""
    lines, verdict = console(out), found.verdict
    head, style = _headline(found)
    lines.print(Text(head, style=style), soft_wrap=True)
    lines.print(Text(verdict.message), soft_wrap=True)
    lines.print()
    for name, text in _facts(found):
        lines.print(Text(f"{name:<{_WIDTH}} {text}"), soft_wrap=True)
    if found.ways:
        lines.print(Text("\nWhat would pass", style="bold"))
    for way in _shortened(found.ways):
        for text, look in _way(way):
            lines.print(Text(text, style=look), soft_wrap=True)
    for problem in found.problems:
        lines.print(Text(f"! {problem}", style="yellow"), soft_wrap=True)


def _headline(found: ExplainAnswer) -> tuple[str, str]:
    verdict = found.verdict
    subject = f"{verdict.kind} {verdict.namespace}/{verdict.name}: {found.change}"
    if not verdict.known:
        return f"{subject}: NOT KNOWN whether that passes now", "bold magenta"
    if not verdict.allowed:
        return f"{subject} would be DENIED now", "bold red"
    if verdict.admission is Admission.WARN:
        return f"{subject} would pass now, with a WARNING", "yellow"
    return f"{subject} would PASS now", "green"


def _facts(found: ExplainAnswer) -> Iterator[tuple[str, str]]:
    verdict = found.verdict
    yield "Rule", f"{verdict.rule}: {found.rule}"
    yield "User", found.user
    if verdict.policy is not None:
        yield "Policy", _policy(verdict)
    if verdict.objective is not None:
        left = f": {verdict.remaining}% of its budget left" if verdict.remaining else ""
        yield "Objective", f"{verdict.objective}{left}"
    if verdict.override is not None:
        yield "Overrides", ", ".join(verdict.override.active) or "none active"
    if found.server is not None:
        yield "API server", _server(found.server, verdict)


def _policy(verdict: VerdictAnswer) -> str:
    text = f"{verdict.namespace}/{verdict.policy}"
    if verdict.stage:
        text += f", stage {verdict.stage}"
    if verdict.since:
        text += f" since {minute(verdict.since)}"
    if verdict.expires:
        text += f", ends {minute(verdict.expires)} unless it is renewed"
    return text


def _server(said: ServerAnswer, verdict: VerdictAnswer) -> str:
    text = {
        "Allowed": "lets it pass",
        "Denied": "denies it",
        "Unknown": f"cannot tell: {said.message}",
    }[said.outcome]
    if said.outcome == "Unknown" or verdict.allowed == (said.outcome == "Allowed"):
        return text
    if said.outcome == "Denied":
        return f"{text}, which differs: {said.message}"
    return (
        f"{text}, which differs: see the policy's condition Enforcing, and "
        "docs/guides/gates.md on what the native gate takes for a rollback"
    )


def _shortened(found: list[WayAnswer]) -> Iterator[WayAnswer]:
    rollbacks = [it for it in found if it.way is Way.ROLLBACK]
    left_out = {id(it) for it in rollbacks[_SHOWN:]}
    yield from (it for it in found if id(it) not in left_out)


def _way(it: WayAnswer) -> Iterator[tuple[str, str]]:
    look = "dim" if it.possible is False else ""
    called = _CALLED.get(it.way, it.way.lower())
    yield f"  {called:<{_WIDTH}} {it.message}", look
    if it.command is not None:
        yield f"  {'':<{_WIDTH}} {it.command}", "dim" if it.possible is False else "cyan"
