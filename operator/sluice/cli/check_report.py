"""What `sluice check` prints: JSON for programs, tables for people."""

import json
from collections.abc import Iterable
from typing import Any, TextIO

from sluice.api.slo import ErrorBudgetStatus
from sluice.cli.check_evaluation import Result, Ruling, Standing
from sluice.cli.tables import NOTHING, Column, columns, print_table


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
        found
        for rows, found in (
            (result.standings, _objective_columns(result.standings)),
            (result.rulings, _policy_columns(result.rulings)),
        )
        if rows
    ]
    for number, table in enumerate(tables):
        if number:
            out.write("\n")
        print_table(table, out)


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
        "limit": None
        if ruling.limit is None
        else ruling.limit.model_dump(mode="json", exclude_none=True),
        "reason": ruling.decision.reason,
    }


def _objective_columns(standings: Iterable[Standing]) -> list[Column]:
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
                "SLI": status.sli or NOTHING,
                "REMAINING": budget.remaining if budget else NOTHING,
                "BURN 1H": next(last_hour, NOTHING),
                **({"CORRECTIONS": str(standing.state.corrections)} if corrected else {}),
                "LEVEL": str(status.level),
                "REASON": str(standing.state.reason),
            }
        )
    return columns(rows, folding={"NAME", "REASON"})


def _policy_columns(rulings: Iterable[Ruling]) -> list[Column]:
    rows = []
    for ruling in rulings:
        meta, decision = ruling.policy.metadata, ruling.decision
        rows.append(
            {
                "NAME": f"{meta.namespace}/{meta.name}",
                "MODE": str(ruling.policy.spec.mode),
                "STAGE": decision.stage,
                "ADMISSION": str(decision.effective),
                "OBJECTIVE": decision.objective or NOTHING,
                "REMAINING": NOTHING if decision.remaining is None else f"{decision.remaining:f}",
                "REASON": str(decision.reason),
            }
        )
    return columns(rows, folding={"NAME", "STAGE", "OBJECTIVE", "REASON"})
