"""Two counters that tests know exactly, in place of a source and the reader of it."""

from collections.abc import Mapping

import numpy as np

from sluice.api.slo import ServiceLevelObjectiveSpec
from sluice.budget.account import Origin
from sluice.budget.counts import Floats, Hours
from sluice.indicators.answers import Answer, Series
from sluice.indicators.counted import GridCounts, Whole
from sluice.indicators.failure import Failure
from sluice.indicators.grid import Grid
from sluice.indicators.origin import find_origin
from sluice.indicators.promql import Side


def spec(**more: object) -> ServiceLevelObjectiveSpec:
    return ServiceLevelObjectiveSpec.model_validate(
        {
            "objective": "99.9",
            "window": {"rolling": "3d"},
            "indicator": {"ratio": {"total": {"metric": "a"}, "bad": {"metric": "b"}}},
            **more,
        }
    )


class Killed(BaseException):
    """What happens to the process."""


class Counters:
    """A source and its reader: two counters that grow unevenly, and a memory with a beginning.

    Attributes:
        begins: what was before is gone, as by a short retention or with a volume.
        reads: how often it was asked.
        killed_at: the number of the read that the process does not survive.
        late: by so many events the boundary at a time was too low, until `late_until`.
    """

    dedup_label = ""
    names = "a or b"

    def __init__(self) -> None:
        self.begins = 0.0
        self.now = 0.0
        self.reads = 0
        self.asked: list[int] = []
        self.killed_at: int | None = None
        self.late: dict[int, float] = {}
        self.late_until = 0.0

    def counter(self, time: float, side: Side) -> float:
        if time < self.begins:
            return np.nan
        value = time // 3 + time // 700 * 40 + time // 3100 * 91
        if side is Side.BAD:
            value = time // 900 + (time // 5000) * 7
        return value - (self.late.get(int(time), 0.0) if self.now < self.late_until else 0.0)

    async def origin(self, start: float, first: int) -> Origin | Failure:
        return await find_origin(self, "trace", start, first)

    async def history(self, grid: Grid) -> GridCounts | Failure:
        return await self.read(grid)

    async def read(self, grid: Grid) -> GridCounts | Failure:
        self.reads += 1
        self.asked.append(grid.start)
        if self.reads == self.killed_at:
            raise Killed
        edges = [grid.start + n * grid.width for n in range(grid.count + 1)]
        rows = {
            side: np.array([self.counter(time, side) for time in edges])
            for side in (Side.TOTAL, Side.BAD)
        }
        moved = {side: np.diff(row) for side, row in rows.items()}
        covered = ~np.isnan(moved[Side.TOTAL])
        return GridCounts(
            total=np.nan_to_num(moved[Side.TOTAL]),
            bad=np.maximum(np.nan_to_num(moved[Side.BAD]), 0.0),
            covered=covered,
            present=2.0,
            values={side: row[1:] for side, row in rows.items()},
            start={side: float(row[0]) for side, row in rows.items()},
            restlessness=0.0,
        )

    async def tick(self, grid: Grid) -> GridCounts | Failure:
        return await self.read(grid)

    async def hours(self, grid: Grid) -> Whole | Failure:
        """Every other hour is not sure."""
        counts = await self.read(grid)
        assert isinstance(counts, GridCounts)
        sure = np.arange(grid.count) % 2 == 0
        covered = counts.covered & sure
        return Whole(Hours(grid.start, counts.total, counts.bad, covered), sure)

    async def values(self, grid: Grid) -> Mapping[Side, Floats] | Failure:
        counts = await self.read(grid)
        assert isinstance(counts, GridCounts)
        return counts.values

    async def exists(self, start: int, end: int) -> bool | Failure:
        del start
        return end > self.begins

    async def instant(self, query: str, at: float) -> Answer:
        assert query
        return [Series({}, [at], [1.0])] if at > self.begins else []

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        assert query == "count(up)"
        times = [time for time in np.arange(start, end, step).tolist() if time >= self.begins]
        return [Series({}, times, [1.0] * len(times))]

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        raise AssertionError((selector, seconds, at))

    async def metric_type(self, metric: str) -> str | Failure | None:
        raise AssertionError(metric)
