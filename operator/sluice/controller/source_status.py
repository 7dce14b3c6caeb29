"""The status of a `MetricSource`, from what came of a query to it. Pure."""

from collections.abc import Iterable
from datetime import datetime

from sluice.api.conditions import Claim, ConditionType, find_condition, merge
from sluice.api.metadata import Condition
from sluice.api.reasons import Reason
from sluice.api.source import MetricSource, MetricSourceStatus
from sluice.indicators.failure import Failure
from sluice.kube.events import Event
from sluice.kube.resources import SOURCES


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


def ready_changed(source: MetricSource, status: MetricSourceStatus) -> Event | None:
    """The Event of a source that answers now, or gives nothing, or that for another reason.

    Args:
        source: with its status so far.
        status: the one that follows.
    """
    before = find_condition(source.status.conditions, ConditionType.READY)
    after = find_condition(status.conditions, ConditionType.READY)
    if after is None or (before is not None and before.reason == after.reason):
        return None
    return Event(
        kind=SOURCES.kind,
        metadata=source.metadata,
        type="Normal" if after.status == "True" else "Warning",
        reason=after.reason,
        action="Probe",
        note=after.message,
        namespaced=False,
    )


def _claims(problem: Failure | None) -> list[Claim]:
    if problem is None:
        message = "the source answers queries"
        return [Claim(ConditionType.READY, "True", Reason.RECONCILED, message)]
    unready = Claim(ConditionType.READY, "False", problem.reason, problem.message)
    if problem.stalled:
        return [unready, Claim(ConditionType.STALLED, "True", problem.reason, problem.message)]
    retrying = Claim(ConditionType.RECONCILING, "True", Reason.PROGRESSING, problem.message)
    return [unready, retrying]
