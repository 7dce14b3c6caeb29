"""What is wrong with a policy's spec that the CRD's schema cannot say."""

import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from decimal import Decimal
from itertools import combinations

from sluice.api.durations import parse_duration
from sluice.api.policy import ErrorBudgetPolicySpec, Stage, StageCondition
from sluice.api.reading import Problem
from sluice.policy.expansion import unknown_variable
from sluice.policy.stages import SEVERITY

_SHORTEST = timedelta(seconds=1)
_RESERVED = ("sluice.dev", "kubernetes.io", "k8s.io")
_ANNOTATION_KEY = re.compile(
    r"(?:(?P<domain>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)/)?"
    r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?"
)


def validate(spec: ErrorBudgetPolicySpec) -> list[Problem]:
    """All problems, in the order of the fields; empty if the policy can be decided."""
    return [
        *_unreachable(spec.stages),
        *_inescapable(spec),
        *_annotations(spec.stages),
        *_limits(spec.stages),
        *_durations(spec),
    ]


def _unreachable(stages: Sequence[Stage]) -> Iterator[Problem]:
    """A stage is never in force if a later one holds whenever it does."""
    hidden: set[int] = set()
    for (mild, first), (severe, second) in combinations(enumerate(stages), 2):
        if first.when is None or second.when is None or mild in hidden:
            continue
        if _implies(first.when, second.when):
            hidden.add(mild)
            yield Problem(
                f"spec.stages[{severe}].when",
                f"{second.name} holds whenever {first.name} does, so that {first.name} is never in "
                "force: order the stages from mild to severe, with remainingBelow falling and "
                "burnRateAbove and level rising",
            )


def _implies(one: StageCondition, other: StageCondition) -> bool:
    if other.remaining_below is not None and (
        one.remaining_below is None or Decimal(one.remaining_below) > Decimal(other.remaining_below)
    ):
        return False
    if other.burn_rate_above is not None and (
        one.burn_rate_above is None
        or one.burn_rate_above.window != other.burn_rate_above.window
        or Decimal(one.burn_rate_above.value) < Decimal(other.burn_rate_above.value)
    ):
        return False
    return other.level is None or (
        one.level is not None and SEVERITY[one.level] >= SEVERITY[other.level]
    )


def _inescapable(spec: ErrorBudgetPolicySpec) -> Iterator[Problem]:
    """A budget is never above 100 percent; a further condition would be another way out."""
    above = Decimal(spec.recovery.above)
    for index, stage in enumerate(spec.stages):
        when = stage.when
        if when is None or when.remaining_below is None or when.burn_rate_above or when.level:
            continue
        needed = Decimal(when.remaining_below) + above
        if needed > 100:  # noqa: PLR2004 - percent
            yield Problem(
                f"spec.stages[{index}].when.remainingBelow",
                f"{stage.name} can never be left: with recovery.above {spec.recovery.above} that "
                f"takes {needed:f}% of the budget; lower remainingBelow or recovery.above so that "
                "they add up to at most 100",
            )


def _annotations(stages: Sequence[Stage]) -> Iterator[Problem]:
    for index, stage in enumerate(stages):
        for key, value in stage.annotate.items():
            path = f"spec.stages[{index}].annotate[{key}]"
            if wrong := _wrong_key(key):
                yield Problem(path, wrong)
            if unknown := unknown_variable(value):
                yield Problem(path, unknown.message)


def _wrong_key(key: str) -> str | None:
    match = _ANNOTATION_KEY.fullmatch(key)
    if match is None:
        return (
            "this is no annotation key: write it as team.example.com/name or name, the name with "
            "at most 63 letters, digits, '-', '_' and '.'"
        )
    domain = match["domain"] or ""
    for reserved in _RESERVED:
        if domain == reserved or domain.endswith(f".{reserved}"):
            return f"keys under {reserved} are reserved: use a domain of your own"
    return None


def _limits(stages: Sequence[Stage]) -> Iterator[Problem]:
    for index, stage in enumerate(stages):
        length = stage.limit.interval if stage.limit is not None else None
        if length is not None and parse_duration(length) < _SHORTEST:
            path = f"spec.stages[{index}].limit.interval"
            yield Problem(path, f"{length} is too short: it must be at least 1s")


def _durations(spec: ErrorBudgetPolicySpec) -> Iterator[Problem]:
    lengths = {
        "spec.recovery.for": spec.recovery.for_,
        "spec.whenBlind.holdFor": spec.when_blind.hold_for,
        "spec.overrides.maxDuration": spec.overrides.max_duration,
    }
    for path, length in lengths.items():
        if parse_duration(length) < _SHORTEST:
            yield Problem(path, f"{length} is too short: it must be at least 1s")
