"""Evaluates objectives and policies once, with the controller's own code and no memory."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

import aiohttp

from sluice.api.correction import BudgetCorrection
from sluice.api.limit import Limit
from sluice.api.policy import Admission, ErrorBudgetPolicy
from sluice.api.reasons import Reason
from sluice.api.slo import ServiceLevelObjective, ServiceLevelObjectiveStatus
from sluice.cli.check_files import Finding
from sluice.cli.check_objects import Declarations, Declared
from sluice.controller.applicable import Applicable
from sluice.controller.objective_status import Outcome, status_of
from sluice.controller.objectives import state_of
from sluice.indicators.declared import objective_of
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.resolve import resolve, stated
from sluice.indicators.sources import NamedSource
from sluice.policy.decision import Decision, decide
from sluice.policy.memory import Memory
from sluice.policy.objective import ObjectiveState
from sluice.policy.selection import Labelled, select_objectives

SOURCE = "default"
"""The name of the only source that there is without a cluster."""
_AT_ONCE = 8
"""Objectives that are measured at the same time."""
_ALL_CUT = 10_000
"""Hours whose slices are read for corrections: there is no next evaluation that could go on."""
_Answer = TypeVar("_Answer")


@dataclass(frozen=True, slots=True)
class Standing:
    """How an objective stands; `unmeasured` is why it could not be measured at all."""

    declared: Declared[ServiceLevelObjective]
    status: ServiceLevelObjectiveStatus
    state: ObjectiveState
    unmeasured: Failure | None

    @property
    def exhausted(self) -> bool:
        """Whether the budget is known and spent."""
        return self.state.budget is not None and self.state.budget <= 0

    @property
    def known(self) -> bool:
        """Whether the budget is known."""
        return self.state.budget is not None


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a policy decides."""

    policy: ErrorBudgetPolicy
    decision: Decision

    @property
    def denies(self) -> bool:
        """Whether changes would be denied, its mode considered."""
        return self.decision.effective is Admission.DENY

    @property
    def limit(self) -> Limit | None:
        """Which deployments it lets pass; None if it does not limit them, its mode considered."""
        limits = self.decision.effective is Admission.LIMIT
        return self.decision.limit if limits else None

    @property
    def known(self) -> bool:
        """Whether every budget that it looks at is known, and it looks at one at all."""
        return not (self.decision.blind or self.decision.unknown)


@dataclass(frozen=True, slots=True)
class Result:
    """Objectives and policies in the order in which they are declared."""

    standings: Sequence[Standing]
    rulings: Sequence[Ruling]


async def evaluate(declarations: Declarations, *, url: str | None, at: datetime) -> Result:
    """How everything stands at `at`, which has a zone; `url` is needed if there are objectives."""
    objectives = declarations.objectives
    outcomes = (
        await _measure_all(objectives, declarations.corrections, url, at) if url is not None else []
    )
    standings = [
        _standing(it, outcome, at) for it, outcome in zip(objectives, outcomes, strict=True)
    ]
    rulings = [Ruling(it.object, _decide(it.object, standings, at)) for it in declarations.policies]
    return Result(standings, rulings)


async def unreadable(
    objectives: Sequence[Declared[ServiceLevelObjective]], *, url: str | None, at: datetime
) -> list[Finding]:
    """What keeps indicators from being read, said without reading them; without a URL, offline."""
    objectives = [it for it in objectives if it.object.spec.indicator.sql is None]
    if url is None:
        return [
            Finding(it.where, field.parsed.message)
            for it in objectives
            for field in stated(it.object.spec.indicator)
            if isinstance(field.parsed, Failure)
        ]

    async def look(slo: ServiceLevelObjective, source: Prometheus) -> Failure | None:
        answer = await resolve(slo.spec.indicator, source, at.timestamp())
        return answer if isinstance(answer, Failure) else None

    answers = await _ask(objectives, url, look)
    return [
        Finding(it.where, answer.message)
        for it, answer in zip(objectives, answers, strict=True)
        if answer is not None and answer.reason is not Reason.NO_DATA
    ]


async def _measure_all(
    objectives: Sequence[Declared[ServiceLevelObjective]],
    corrections: Sequence[BudgetCorrection],
    url: str,
    at: datetime,
) -> list[Outcome]:
    applicable = Applicable()

    async def measure(slo: ServiceLevelObjective, source: Prometheus) -> Outcome:
        meter = Meter(slo.spec, NamedSource(source))
        reading = await meter.advance(at.timestamp())
        if isinstance(reading, Failure):
            return reading
        beside = [it for it in corrections if it.metadata.namespace == slo.metadata.namespace]
        apply = applicable.of(slo, beside, reading.at)
        problem = await meter.correct(apply, reading.at, most=_ALL_CUT)
        return problem or meter.evaluate(objective_of(slo.spec, reading.at), reading.at)

    return await _ask(objectives, url, measure)


async def _ask(
    objectives: Iterable[Declared[ServiceLevelObjective]],
    url: str,
    question: Callable[[ServiceLevelObjective, Prometheus], Awaitable[_Answer]],
) -> list[_Answer]:
    """The answer to a question about each objective, a few at a time."""
    slots = asyncio.Semaphore(_AT_ONCE)
    async with aiohttp.ClientSession() as session:
        source = Prometheus(SOURCE, url, session)

        async def answer(slo: ServiceLevelObjective) -> _Answer:
            async with slots:
                return await question(slo, source)

        return await asyncio.gather(*(answer(it.object) for it in objectives))


def _standing(
    declared: Declared[ServiceLevelObjective], outcome: Outcome, at: datetime
) -> Standing:
    status = status_of(declared.object, outcome, at)
    unmeasured = outcome if isinstance(outcome, Failure) else None
    if unmeasured is not None and unmeasured.reason is Reason.NO_DATA:
        unmeasured = None  # that there are no data is an answer: the budget is unknown
    return Standing(declared, status, state_of(declared.object, status), unmeasured)


def _decide(policy: ErrorBudgetPolicy, standings: Iterable[Standing], at: datetime) -> Decision:
    namespace = policy.metadata.namespace
    beside = {
        it.state.name: it for it in standings if it.declared.object.metadata.namespace == namespace
    }
    selection = select_objectives(
        policy.spec.objectives,
        [Labelled(name, it.declared.object.metadata.labels) for name, it in beside.items()],
    )
    return decide(
        spec=policy.spec,
        policy_name=policy.metadata.name,
        namespace=namespace,
        objectives=[*(beside[name].state for name in selection.names), *selection.missing],
        before=Memory(),
        now=at,
    )
