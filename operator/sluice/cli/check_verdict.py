"""The exit status of `sluice check`, and the lines that say why it is not 0. Pure."""

from collections.abc import Iterator
from enum import IntEnum

from sluice.api.limit import Limit
from sluice.api.metadata import ObjectMeta
from sluice.api.reasons import Reason
from sluice.cli.check_evaluation import Result, Ruling, Standing


class Exit(IntEnum):
    """The exit status; of several the first one counts. 2 is that of a wrong command line."""

    BAD_INPUT = 1
    DENIED = 3
    UNKNOWN = 4
    WELL = 0


def exit_status(result: Result) -> Exit:
    """What the result comes to."""
    standings, rulings = result.standings, result.rulings
    if any(it.unmeasured for it in standings):
        return Exit.BAD_INPUT
    if any(it.exhausted for it in standings) or any(it.denies for it in rulings):
        return Exit.DENIED
    if all(it.known for it in standings) and all(it.known for it in rulings):
        return Exit.WELL
    return Exit.UNKNOWN


def explanations(result: Result) -> Iterator[str]:
    """Why the exit status is not 0, and what is limited; none if all is well."""
    yield from _failures(result)
    for standing in result.standings:
        yield from _of_objective(standing)
    for ruling in result.rulings:
        yield from _of_policy(ruling)


def _failures(result: Result) -> Iterator[str]:
    """Why objectives could not be measured; what they have in common is said once."""
    places: dict[str, list[str]] = {}
    for it in result.standings:
        if it.unmeasured:
            places.setdefault(it.unmeasured.message, []).append(it.declared.where)
    for message, where in places.items():
        more = f" and {len(where) - 1} more" if len(where) > 1 else ""
        yield f"{where[0]}{more}: {message}"


def _of_objective(standing: Standing) -> Iterator[str]:
    title = _title("ServiceLevelObjective", standing.declared.object.metadata)
    budget = standing.status.error_budget
    if standing.exhausted and budget is not None:
        yield (
            f"{title}: {budget.remaining}% of the error budget is left: {budget.events.bad} bad "
            f"events of {budget.events.allowed} allowed"
        )
    elif not standing.known and not standing.unmeasured:
        yield f"{title}: {standing.state.reason}: {standing.state.message}"


def _of_policy(ruling: Ruling) -> Iterator[str]:
    title = _title("ErrorBudgetPolicy", ruling.policy.metadata)
    decision = ruling.decision
    if ruling.denies or decision.blind:
        yield f"{title}: {decision.message}"
    if ruling.limit is not None:
        yield f"{title}: {decision.message} {_of_limit(ruling.limit)}"
    for objective in decision.unknown:
        if objective.reason is Reason.OBJECTIVE_NOT_FOUND:
            yield f"{title}: {objective.message}"


def _of_limit(limit: Limit) -> str:
    """What passes, in terms of what is not known here."""
    if limit.interval is None:
        return "A deployment passes with an approval: `sluice verdict` knows whether there is one"
    text = f"One deployment of each workload passes in {limit.interval}"
    if limit.approval is not None:
        text += ", with an approval"
    return f"{text}: `sluice verdict` knows when the last one was"


def _title(kind: str, meta: ObjectMeta) -> str:
    return f"{kind} {meta.namespace}/{meta.name}"
