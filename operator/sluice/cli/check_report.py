"""What `sluice check` prints: JSON for programs, tables for people."""

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Any, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluice.api.policy import Admission
from sluice.api.slo import ErrorBudgetStatus, Level
from sluice.cli.check_evaluation import Result, Ruling, Standing

_NOTHING = "-"
_UNLIMITED = 10_000
_NARROWEST = 8
_GAP = 2
_STYLES: Mapping[str, str] = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Level.PAGE: "bold red",
    Level.UNKNOWN: "magenta",
    Admission.ALLOW: "green",
    Admission.WARN: "yellow",
    Admission.DENY: "bold red",
}


@dataclass(frozen=True, slots=True)
class _Column:
    """A column; one that `folds` goes on in further lines where the terminal is too narrow."""

    header: str
    cells: Sequence[str]
    folds: bool = False

    @property
    def width(self) -> int:
        return max(len(text) for text in (self.header, *self.cells))


def as_json(result: Result) -> str:
    """The result with the field names and units of the objects' status; null is nothing."""
    body = {
        "objectives": [_objective(it) for it in result.standings],
        "policies": [_policy(it) for it in result.rulings],
    }
    return json.dumps(body, indent=2)


def print_tables(result: Result, out: TextIO) -> None:
    """The result as `kubectl get` shows the objects; coloured only on a terminal."""
    tables = [
        columns
        for rows, columns in (
            (result.standings, _objective_columns(result.standings)),
            (result.rulings, _policy_columns(result.rulings)),
        )
        if rows
    ]
    for number, columns in enumerate(tables):
        if number:
            out.write("\n")
        _console(columns, out).print(_table(columns))


def _objective(standing: Standing) -> dict[str, Any]:
    meta, status = standing.declared.object.metadata, standing.status
    return {
        "namespace": meta.namespace,
        "name": meta.name,
        "sli": status.sli,
        "errorBudget": _budget(status.error_budget),
        "corrections": None if status.corrections is None else status.corrections.to_json(),
        "burnRates": [rate.to_json() for rate in status.burn_rates],
        "level": status.level,
        "known": standing.known,
        "reason": standing.state.reason,
    }


def _budget(budget: ErrorBudgetStatus | None) -> dict[str, Any] | None:
    if budget is None:
        return None
    return {
        "consumed": budget.consumed,
        "remaining": budget.remaining,
        "events": budget.events.to_json(),
    }


def _policy(ruling: Ruling) -> dict[str, Any]:
    return {
        "namespace": ruling.policy.metadata.namespace,
        "name": ruling.policy.metadata.name,
        "stage": ruling.decision.stage,
        "admission": ruling.decision.effective,
        "reason": ruling.decision.reason,
    }


def _objective_columns(standings: Iterable[Standing]) -> list[_Column]:
    rows = []
    standings = list(standings)
    corrected = any(it.status.corrections is not None for it in standings)
    for standing in standings:
        spec, status = standing.declared.object.spec, standing.status
        meta, budget = standing.declared.object.metadata, status.error_budget
        last_hour = (rate.value for rate in status.burn_rates if rate.window == "1h")
        rows.append(
            {
                "NAME": f"{meta.namespace}/{meta.name}",
                "OBJECTIVE": spec.objective,
                "WINDOW": standing.state.window,
                "SLI": status.sli or _NOTHING,
                "REMAINING": budget.remaining if budget else _NOTHING,
                "BURN 1H": next(last_hour, _NOTHING),
                **({"CORRECTIONS": str(standing.state.corrections)} if corrected else {}),
                "LEVEL": str(status.level),
                "REASON": str(standing.state.reason),
            }
        )
    return _columns(rows, folding={"NAME", "REASON"})


def _policy_columns(rulings: Iterable[Ruling]) -> list[_Column]:
    rows = []
    for ruling in rulings:
        meta, decision = ruling.policy.metadata, ruling.decision
        rows.append(
            {
                "NAME": f"{meta.namespace}/{meta.name}",
                "MODE": str(ruling.policy.spec.mode),
                "STAGE": decision.stage,
                "ADMISSION": str(decision.effective),
                "OBJECTIVE": decision.objective or _NOTHING,
                "REMAINING": _NOTHING if decision.remaining is None else f"{decision.remaining:f}",
                "REASON": str(decision.reason),
            }
        )
    return _columns(rows, folding={"NAME", "STAGE", "OBJECTIVE", "REASON"})


def _columns(rows: Sequence[Mapping[str, str]], *, folding: AbstractSet[str]) -> list[_Column]:
    headers = rows[0] if rows else {}
    return [
        _Column(header, [row[header] for row in rows], folds=header in folding)
        for header in headers
    ]


def _table(columns: Sequence[_Column]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="")
    for column in columns:
        table.add_column(column.header, overflow="fold", no_wrap=not column.folds)
    for row in zip(*(column.cells for column in columns), strict=True):
        table.add_row(*(Text(cell, style=_STYLES.get(cell, "")) for cell in row))
    return table


def _console(columns: Sequence[_Column], out: TextIO) -> Console:
    """As wide as the terminal, but wide enough for every number; elsewhere lines are not broken."""
    terminal = out.isatty()
    width = None if terminal or "COLUMNS" in os.environ else _UNLIMITED
    console = Console(file=out, force_terminal=terminal, width=width, highlight=False)
    least = sum((_NARROWEST if it.folds else it.width) + _GAP for it in columns)
    console.width = max(console.width, least)
    return console
