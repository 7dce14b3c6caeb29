import pytest

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.ledger import SLICE
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.answers import Answer
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading

NOON = 1_800_000_000.0
DECLARED = ServiceLevelObjectiveSpec.model_validate(
    {
        "objective": "99.9",
        "window": {"rolling": "2d"},
        "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
    }
)


class Nothing:
    """A source without any series; notes about which time it was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, float]] = []

    async def instant(self, query: str, at: float) -> Answer:
        assert query
        self.asked.append((at, at))
        return []

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        raise AssertionError((selector, seconds, at))

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        assert query
        self.asked.append((start - step, end))
        return []

    async def metric_type(self, metric: str) -> str | Failure | None:
        assert metric
        return "counter"


async def advanced(meter: Meter, now: float) -> Reading:
    reading = await meter.advance(now)
    assert isinstance(reading, Reading)
    return reading


@pytest.mark.parametrize("jump", [2 * SLICE + 60, 6 * HOUR, 40 * DAY])
async def test_a_clock_that_was_ahead_for_a_while_makes_a_meter_begin_anew(jump: float) -> None:
    source = Nothing()
    meter = Meter(DECLARED, source)
    await advanced(meter, NOON)
    assert (await advanced(meter, NOON + jump)).closed > NOON + SLICE
    source.asked.clear()
    reading = await advanced(meter, NOON + 60)
    assert NOON - SLICE < reading.closed <= NOON + 60
    assert min(start for start, _ in source.asked) <= NOON - 2 * DAY
    assert max(end for _, end in source.asked) <= NOON + 60


async def test_a_clock_that_goes_back_by_less_than_a_slice_costs_no_history() -> None:
    source = Nothing()
    meter = Meter(DECLARED, source)
    before = await advanced(meter, NOON + 931)
    source.asked.clear()
    assert (await advanced(meter, NOON + 800)).closed == before.closed
    assert source.asked == []
