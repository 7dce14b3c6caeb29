"""The status of a `MetricSource`, from what came of a query to it. Pure."""

from collections.abc import Iterable
from datetime import datetime

from sluice.api.conditions import Claim, ConditionType, merge
from sluice.api.metadata import Condition
from sluice.api.reasons import Reason
from sluice.api.source import MetricSourceStatus
from sluice.indicators.failure import Failure


def status_of(
    before: Iterable[Condition], problem: Failure | None, *, generation: int, now: datetime
) -> MetricSourceStatus:
    """The status of a source.

    Args:
        before: its conditions so far.
        problem: why it gives no counts; None if it answers.
        generation: that of the object which this is about.
        now: the present time, with a zone.
    """
    conditions = merge(
        before, _claims(problem), generation=generation, now=now.replace(microsecond=0)
    )
    return MetricSourceStatus(observed_generation=generation, conditions=conditions)


def _claims(problem: Failure | None) -> list[Claim]:
    if problem is None:
        message = "the source answers queries"
        return [Claim(ConditionType.READY, "True", Reason.RECONCILED, message)]
    unready = Claim(ConditionType.READY, "False", problem.reason, problem.message)
    if problem.stalled:
        return [unready, Claim(ConditionType.STALLED, "True", problem.reason, problem.message)]
    retrying = Claim(ConditionType.RECONCILING, "True", Reason.PROGRESSING, problem.message)
    return [unready, retrying]
