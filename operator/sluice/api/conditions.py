"""Conditions: their types, and how a list of them is brought up to date.

The conventions are kstatus': `Ready` is the summary, `Reconciling` and `Stalled` are present only
while they are true. `Ready` stays True while a policy is frozen: a spent budget is no failed
resource. Source: kubernetes-sigs/cli-utils, pkg/kstatus.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from sluice.api.metadata import Condition
from sluice.api.reasons import Reason

_LONGEST = 4096
"""Characters of a message; the API takes more, but nobody reads more."""


class ConditionType(StrEnum):
    """Every condition that Sluice sets."""

    READY = "Ready"
    RECONCILING = "Reconciling"
    STALLED = "Stalled"
    BUDGET_KNOWN = "BudgetKnown"
    BUDGET_AVAILABLE = "BudgetAvailable"
    FROZEN = "Frozen"
    ENFORCING = "Enforcing"
    CONTESTED = "Contested"
    THAWING = "Thawing"
    ACTIVE = "Active"
    APPLIED = "Applied"


@dataclass(frozen=True, slots=True)
class Claim:
    """What is said of one condition now; when it became so is worked out by `merge`."""

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str = ""


def merge(
    before: Iterable[Condition], claims: Iterable[Claim], *, generation: int, now: datetime
) -> list[Condition]:
    """The conditions after `claims`: a condition that is not claimed any more is gone.

    `lastTransitionTime` moves only where `status` changed, so that it tells since when something
    is so and an unchanged object compares equal.
    """
    known = {condition.type: condition for condition in before}
    merged = []
    for claim in claims:
        previous = known.get(claim.type)
        unchanged = previous is not None and previous.status == claim.status
        since = previous.last_transition_time if previous is not None and unchanged else now
        merged.append(
            Condition(
                type=claim.type,
                status=claim.status,
                reason=claim.reason,
                message=_cut(claim.message),
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return merged


def find_condition(conditions: Iterable[Condition], kind: ConditionType) -> Condition | None:
    """The condition of a type; None if there is none."""
    return next((it for it in conditions if it.type == kind), None)


def _cut(text: str) -> str:
    """`text` as one line, within the API's bound: others' words are quoted, of 100 kB at times."""
    message = " ".join(text.split())
    return message if len(message) <= _LONGEST else f"{message[: _LONGEST - 3]}..."
