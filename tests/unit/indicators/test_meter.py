import pytest

from sluice.api.indicator import Indicator
from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.counts import SLICE
from sluice.budget.windows import DAY, HOUR
from sluice.indicators.answers import Answer, Series
from sluice.indicators.expressions import Answered
from sluice.indicators.failure import Failure
from sluice.indicators.meter import Meter, Reading
from sluice.indicators.promql import PART, SIDE, Side

NOON = 1_800_000_000.0
DECLARED = ServiceLevelObjectiveSpec.model_validate(
    {
        "objective": "99.9",
        "window": {"rolling": "2d"},
        "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
    }
)
QUERIED = DECLARED.model_copy(
    update={
        "indicator": Indicator.model_validate(
            {
                "ratio": {
                    "total": {"query": "sum(increase(a[$window]))"},
                    "bad": {"query": "sum(increase(b[$window]))"},
                }
            }
        )
    }
)


class Nothing:
    """A source without any series; notes about which time it was asked."""

    dedup_label = ""

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


class Late(Nothing):
    """A source whose query gives another value for one time when it is asked again."""

    def __init__(self, time: float) -> None:
        super().__init__()
        self.time, self.value = time, 1.0

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        await super().range(query, start, end, step)
        times = [start + n * step for n in range(int((end - start) // step) + 1)]
        values = [self.value if time == self.time else 1.0 for time in times]
        return [
            Series({SIDE: side, PART: part}, times, values)
            for side in (Side.TOTAL, Side.BAD)
            for part in (Answered.VALUE, Answered.SERIES)
        ]


@pytest.mark.parametrize("slices_before", [0, 1])
async def test_late_samples_of_a_query_are_found_in_both_slices_before_the_new_one(
    slices_before: int,
) -> None:
    closed = NOON // SLICE * SLICE
    source = Late(closed - slices_before * SLICE)
    meter = Meter(QUERIED, source)
    assert (await advanced(meter, NOON + 60)).closed == closed
    source.value = 0.0
    await advanced(meter, NOON + 60 + SLICE)
    assert meter.account.counts(source.time - SLICE, source.time).total == 0


async def test_without_late_samples_a_query_is_not_read_again() -> None:
    source = Late(0)
    meter = Meter(QUERIED, source)
    await advanced(meter, NOON + 60)
    source.asked.clear()
    await advanced(meter, NOON + 60 + SLICE)
    closed = NOON // SLICE * SLICE
    assert [asked for asked in source.asked if asked[0] < closed] == [(closed - 2 * SLICE, closed)]
