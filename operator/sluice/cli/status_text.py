"""What `kubectl sluice status` prints for people: coloured on a terminal, plain in a pipe."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TextIO

from rich.text import Text

from sluice.api.durations import format_duration
from sluice.api.policy import Admission
from sluice.cli.status_model import (
    ControllerAnswer,
    KillSwitchAnswer,
    Life,
    ObjectiveAnswer,
    OverrideAnswer,
    PolicyAnswer,
    StatusAnswer,
    WorkloadAnswer,
)
from sluice.cli.tables import NOTHING, STYLES, Styles, columns, console, print_table
from sluice.policy.explanation import minute

_SHOWN = 20
"""Workloads of one policy that are shown without `-o wide`."""
_STYLES: Styles = {
    **STYLES,
    "denied": "bold red",
    "limited": "red",
    "warned": "yellow",
    "passes": "green",
}
_MEETS = {
    Admission.DENY: "denied",
    Admission.LIMIT: "limited",
    Admission.WARN: "warned",
    Admission.ALLOW: "passes",
}

Row = Mapping[str, str]


def print_status(found: StatusAnswer, out: TextIO, *, wide: bool = False) -> None:
    """Print everything that `found` tells; `wide` leaves nothing out."""
    lines = console(out)
    for text, style in _system(found):
        lines.print(Text(text, style=style), soft_wrap=True)
    if not found.objectives and not found.policies:
        where = f"namespace {found.namespace}" if found.namespace else "any namespace"
        lines.print(f"\nThere are no objectives and no policies in {where}.", soft_wrap=True)
    _section("BUDGETS", [_objective(it, found, wide) for it in found.objectives], out)
    _section("POLICIES", [_policy(it, found, wide) for it in found.policies], out)
    for policy in found.policies:
        _told_of(policy, out, wide=wide)
    active = [it for it in found.overrides if it.active or wide]
    _section("OVERRIDES", [_override(it, found, wide) for it in active], out)
    if found.problems:
        lines.print(Text("\nNOT ALL OF IT COULD BE READ", style="yellow"))
        for problem in found.problems:
            lines.print(Text(f"  {problem}", style="yellow"), soft_wrap=True)


def _system(found: StatusAnswer) -> Iterator[tuple[str, str]]:
    yield _controller(found.controller, found.time)
    switch = _kill_switch(found.kill_switch)
    if switch is not None:
        yield switch


def _controller(it: ControllerAnswer, now: datetime) -> tuple[str, str]:
    text, style = _life(it, now)
    if it.stale and it.measured is not None:
        age = _ago(it.measured, now)
        return f"{text}; the newest budget is of {minute(it.measured)} ({age})", "bold red"
    return text, style


def _life(it: ControllerAnswer, now: datetime) -> tuple[str, str]:
    match it.state:
        case Life.ALIVE:
            return f"Controller: alive ({it.holder})", "green"
        case Life.SILENT:
            age = _ago(it.renewed, now) if it.renewed else "long ago"
            return (
                f"Controller: SILENT: {it.holder} last renewed its Lease {age}; freezes end "
                "when they expire"
            ), "bold red"
        case Life.ABSENT:
            return (
                "Controller: ABSENT: nobody holds the Lease; is it another one? "
                "(--system-namespace, --lease-name)"
            ), "bold red"
        case Life.UNKNOWN:
            newest = (
                f"the newest budget is of {minute(it.measured)}" if it.measured else "no budget"
            )
            return f"Controller: not to be seen with your rights; {newest}", ""


def _kill_switch(it: KillSwitchAnswer) -> tuple[str, str] | None:
    if it.engaged:
        by = f" (by {it.engaged_by})" if it.engaged_by else ""
        return f"Kill switch: ENGAGED, nothing is enforced: {it.reason}{by}", "bold red"
    if it.engaged is None:
        return "Kill switch: not to be seen with your rights, and no policy tells of it", ""
    return None


def _section(title: str, rows: list[dict[str, str]], out: TextIO) -> None:
    if not rows:
        return
    out.write(f"\n{title}\n")
    folding = {"NAME", "REASON", "DECIDED BY", "FORECAST", "FOR", "WHY", "OVERRIDE", "HELD"}
    print_table(columns(rows, folding=folding), out, styles=_STYLES)


def _title(namespace: str, name: str, found: StatusAnswer) -> str:
    return name if found.namespace else f"{namespace}/{name}"


def _objective(it: ObjectiveAnswer, found: StatusAnswer, wide: bool) -> dict[str, str]:
    row = {
        "NAME": _title(it.namespace, it.name, found),
        "OBJECTIVE": it.objective,
        "WINDOW": it.window or NOTHING,
        **({"SLI": it.sli or NOTHING} if wide else {}),
        "REMAINING": it.remaining or NOTHING,
        "BURN 1H": it.burn_rates.get("1h", NOTHING),
    }
    if wide:
        row |= {f"BURN {key.upper()}": it.burn_rates.get(key, NOTHING) for key in ("5m", "6h")}
        row |= {"CORRECTIONS": str(it.corrections)}
    row |= {"LEVEL": str(it.level), "FORECAST": _forecast(it)}
    if wide:
        row |= {"MEASURED": _minute(it.measured), "REASON": it.reason or NOTHING}
    return row


def _forecast(it: ObjectiveAnswer) -> str:
    if not it.known:
        return f"unknown: {it.reason}" if it.reason else "unknown"
    if it.recovered_at is not None:
        return f"back {minute(it.recovered_at)}"
    if it.exhausted_at is not None:
        return f"spent {minute(it.exhausted_at)}"
    return "lasts"


def _policy(it: PolicyAnswer, found: StatusAnswer, wide: bool) -> dict[str, str]:
    left = f"{it.remaining} left" if it.remaining is not None else ""
    by = ", ".join(part for part in (it.objective, left) if part)
    row = {
        "NAME": _title(it.namespace, it.name, found),
        "MODE": str(it.mode),
        "STAGE": it.stage or NOTHING,
        "ADMISSION": str(it.admission),
        "SINCE": _minute(it.since),
        "EXPIRES": _minute(it.expires),
        "DECIDED BY": by or it.reason or NOTHING,
        "WORKLOADS": NOTHING if it.workloads is None else str(len(it.workloads)),
    }
    if wide:
        row |= {
            "RECOVERS": _minute(it.recovered_at),
            "ENFORCING": it.enforcing or NOTHING,
            "REASON": it.reason or NOTHING,
        }
    return row


def _told_of(it: PolicyAnswer, out: TextIO, *, wide: bool) -> None:
    """What a policy does to whom, and what is wrong with it; nothing if there is nothing."""
    lines = console(out)
    name = f"{it.namespace}/{it.name}"
    affected = [one for one in it.workloads or [] if _is_affected(one) or wide]
    heading, style = _heading(it)
    if heading:
        lines.print(Text(f"\n{heading} {name}: {it.message}", style=style), soft_wrap=True)
    elif affected:
        lines.print(f"\nWORKLOADS {name}", soft_wrap=True)
    shown = affected if wide else affected[:_SHOWN]
    if shown:
        rows = [_workload(one) for one in shown]
        print_table(columns(rows, folding={"HELD", "OVERRIDE"}), out, styles=_STYLES)
    if len(affected) > len(shown):
        lines.print(f"... and {len(affected) - len(shown)} more: -o wide shows them all")
    if it.frozen and affected:
        first = affected[0]
        about = f"{first.kind.lower()}/{first.name} -n {it.namespace}"
        lines.print(f"What would pass: kubectl sluice explain {about}", soft_wrap=True)
    if it.thaw is not None:
        lines.print(Text(f"THAWING {name}: {it.thaw}", style="yellow"), soft_wrap=True)
    for problem in _problems(it):
        lines.print(Text(f"! {name}: {problem}", style="yellow"), soft_wrap=True)


def _heading(it: PolicyAnswer) -> tuple[str, str]:
    if it.expired and not it.frozen:
        return "EXPIRED FREEZE", "bold red"
    if it.frozen:
        return "FROZEN", "bold red"
    if it.admission is Admission.LIMIT:
        return "LIMITS", "red"
    return ("WARNS", "yellow") if it.admission is Admission.WARN else ("", "")


def _problems(it: PolicyAnswer) -> Iterable[str]:
    yield from it.problems
    if it.expired:
        yield "the freeze has ended because no controller renewed it: is it running?"
    if it.frozen and it.workloads == []:
        yield "it governs no workload, so nothing is denied: see its spec.workloads"


def _is_affected(it: WorkloadAnswer) -> bool:
    bothered = it.admission is not Admission.ALLOW or it.override is not None
    return bothered or bool(it.held) or bool(it.contested)


def _workload(it: WorkloadAnswer) -> dict[str, str]:
    contested = [f"{field} (contested: left alone)" for field in it.contested]
    return {
        "WORKLOAD": f"{it.kind.lower()}/{it.name}",
        "DEPLOYMENT": _MEETS[it.admission],
        "HELD": ", ".join([*it.held, *contested]) or NOTHING,
        "OVERRIDE": it.override or NOTHING,
    }


def _override(it: OverrideAnswer, found: StatusAnswer, wide: bool) -> dict[str, str]:
    why = f"{it.reason} ({it.ticket})" if it.ticket else it.reason
    row = {
        "NAME": _title(it.namespace, it.name, found),
        "EFFECT": it.effect,
        "POLICY": it.policy,
        "FOR": ", ".join(it.workloads) or "all",
        "BY": it.created_by,
        "UNTIL": minute(it.expires_at),
        "WHY": why,
    }
    return {**row, "ACTIVE": "yes" if it.active else "no"} if wide else row


def _minute(time: datetime | None) -> str:
    return NOTHING if time is None else minute(time)


def _ago(time: datetime, now: datetime) -> str:
    seconds = max(0, round((now - time).total_seconds()))
    unit = 1 if seconds < 60 else 60  # noqa: PLR2004 - a minute
    return f"{format_duration(timedelta(seconds=seconds // unit * unit))} ago"
