"""From how many samples there were in an hour to the scrape interval."""

import pytest

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer, Series
from sluice.indicators.failure import Failure
from sluice.indicators.pace import find_pace
from sluice.indicators.promql import Selector


class Counting:
    """A source that has counted samples."""

    dedup_label = ""

    def __init__(self, answer: Answer) -> None:
        self.answer = answer

    async def instant(self, query: str, at: float) -> Answer:
        assert (query, at) == (
            "max(count_over_time(x[3600s]) and last_over_time(x[1800s] offset 3600s))",
            7.0,
        )
        return self.answer


@pytest.mark.parametrize(
    ("samples", "seconds"),
    [
        (3600, 1),
        (3423, 1),  # one scrape in twenty has failed
        (240, 15),
        (241, 15),
        (54, 60),
        (31, 120),
        (30, 120),
        (12, 300),
        (6, 600),
        (8, 450),
        (1, 3600),
        (100_000, 1),
    ],
)
async def test_an_interval_near_to_a_usual_one_is_that_one(samples: float, seconds: int) -> None:
    source = Counting([Series({}, [7.0], [samples])])
    assert await find_pace(source, Selector("x"), 7.0) == seconds  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        [],
        [Series({}, [7.0], [0.0])],
        [Series({}, [7.0], [5e-324])],
        Failure(Reason.SOURCE_TIMEOUT, "slow"),
    ],
)
async def test_without_samples_or_an_answer_it_is_not_known(answer: Answer) -> None:
    assert await find_pace(Counting(answer), Selector("x"), 7.0) is None  # type: ignore[arg-type]
