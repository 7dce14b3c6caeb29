"""Specs, objectives and a small driver that evaluates a policy over time."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicySpec
from sluice.api.reasons import Reason
from sluice.api.slo import Level
from sluice.policy.decision import Decision, decide
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState

T0 = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def spec_of(**fields: Any) -> ErrorBudgetPolicySpec:
    """The default policy in mode Enforce over all objectives; `fields` as in YAML."""
    return ErrorBudgetPolicySpec.model_validate(
        {"objectives": {"selector": {}}, "mode": "Enforce", **fields}
    )


def override_of(
    *workloads: str,
    policy: str = "default",
    lasts: timedelta = HOUR,
    effect: str = "Allow",
    images: Sequence[str] = (),
    **metadata: Any,
) -> GateOverride:
    """An override of a policy of namespace `shop` that began at `T0`; `metadata` as in YAML."""
    return GateOverride.model_validate(
        {
            "metadata": {
                "name": "fix",
                "namespace": "shop",
                "creationTimestamp": T0,
                **metadata,
            },
            "spec": {
                "policy": policy,
                "effect": effect,
                "workloads": list(workloads),
                "images": list(images),
                "reason": "fixes checkout",
                "createdBy": "ada",
                "expiresAt": T0 + lasts,
            },
        }
    )


def known(
    remaining: str | Decimal,
    name: str = "checkout-availability",
    *,
    level: Level = Level.OK,
    burn: Mapping[str, str] | None = None,
    recovered_at: datetime | None = None,
    window: str = "30d",
) -> ObjectiveState:
    return ObjectiveState(
        name=name,
        known=True,
        level=level,
        remaining=Decimal(remaining),
        burn_rates={window: Decimal(rate) for window, rate in (burn or {}).items()},
        window=window,
        recovered_at=recovered_at,
        reason=Reason.BUDGET_KNOWN,
        message="",
    )


def unknown(
    name: str = "checkout-availability", *, reason: Reason = Reason.SOURCE_UNREACHABLE
) -> ObjectiveState:
    return ObjectiveState(
        name=name,
        known=False,
        level=Level.UNKNOWN,
        remaining=None,
        burn_rates={},
        window="30d",
        recovered_at=None,
        reason=reason,
        message="connection refused",
    )


def decided(
    *objectives: ObjectiveState,
    before: Memory | Decision | None = None,
    at: timedelta = timedelta(0),
    spec: ErrorBudgetPolicySpec | None = None,
) -> Decision:
    """One evaluation of policy shop/default, `at` after T0."""
    memory = before.memory if isinstance(before, Decision) else before
    return decide(
        spec=spec or spec_of(),
        policy_name="default",
        namespace="shop",
        objectives=objectives,
        before=memory or Memory(),
        now=T0 + at,
    )


def run(
    steps: Sequence[tuple[timedelta, Sequence[ObjectiveState]]],
    *,
    spec: ErrorBudgetPolicySpec | None = None,
) -> list[Decision]:
    """The decisions of consecutive evaluations, each remembering the one before."""
    decisions: list[Decision] = []
    for at, objectives in steps:
        before = decisions[-1] if decisions else None
        decisions.append(decided(*objectives, before=before, at=at, spec=spec))
    return decisions
