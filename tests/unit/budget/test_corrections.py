"""What corrections leave of counts, against the same worked out slice by slice."""

from dataclasses import dataclass, field
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from sluice.budget.account import Account, Evaluation, Origin
from sluice.budget.alerts import AlertState
from sluice.budget.budget import Budget, Objective, Unit, UnknownBudget, UnknownReason
from sluice.budget.corrections import Correction, Range, Ranges, rounded
from sluice.budget.counts import SLICE, SLICES_PER_HOUR, Counts, Live, Slices
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import DAY, HOUR, CalendarWindow, Period, RollingWindow, Window

NOON = 500_000 * HOUR
OBJECTIVE = Objective(target=Decimal(99), length=7 * DAY)
SEVEN_DAYS = RollingWindow(7 * DAY)


@dataclass
class Service:
    """What happened, slice by slice from `start`, and an account that has counted it."""

    total: np.ndarray
    bad: np.ndarray
    covered: np.ndarray = field(default_factory=lambda: np.array([]))
    start: int = NOON
    window: Window = SEVEN_DAYS
    slicing: Slicing | None = None

    def __post_init__(self) -> None:
        if not len(self.covered):
            self.covered = np.ones(len(self.total), bool)
        self.account = Account(self.window, slicing=self.slicing)
        self.account.begin(self.end)
        self.account.oldest = self.window.needs(self.end)
        self.account.origin = Origin(self.start, self.start)
        self.put(0, len(self.total))

    @property
    def end(self) -> int:
        return self.start + len(self.total) * SLICE

    def slices(self, first: int, end: int) -> Slices:
        rows = slice(first, end)
        return Slices(
            self.start // SLICE + first, self.total[rows], self.bad[rows], self.covered[rows]
        )

    def put(self, first: int, end: int) -> None:
        self.account.ledger.put(self.slices(first, end))

    def correct(self, *corrections: Correction, readable: bool = True) -> list[int]:
        """Let corrections apply, and read what they need, if the source still has it."""
        needed = self.account.correct(corrections, self.end)
        for hour in needed:
            first = (hour - self.start) // SLICE
            slices = self.slices(first, first + SLICES_PER_HOUR)
            if not readable:
                nothing = np.zeros(SLICES_PER_HOUR)
                slices = Slices(hour // SLICE, nothing, nothing, nothing > 0)
            self.account.cut(hour, slices)
        return needed

    def evaluate(self, objective: Objective = OBJECTIVE) -> Evaluation:
        return self.account.evaluate(objective, self.end)

    def budget(self, objective: Objective = OBJECTIVE) -> Budget:
        budget = self.evaluate(objective).budget
        assert isinstance(budget, Budget), budget
        return budget

    def seen(self) -> Counts:
        return self.evaluate().measured.seen


def week(**changes: object) -> Service:
    """A week of 100 events a slice, with a bad one in every fiftieth."""
    total = np.full(7 * DAY // SLICE, 100.0)
    bad = np.zeros(len(total))
    bad[::50] = 1
    return Service(total, bad, **changes)  # type: ignore[arg-type]


def excluded(*ranges: tuple[float, float], name: str = "maintenance") -> Correction:
    """Ranges in seconds after `NOON`."""
    return Correction(name, tuple(Range(NOON + start, NOON + end) for start, end in ranges))


def added(total: float, bad: float, start: float, end: float) -> Correction:
    return Correction("lost", (Range(NOON + start, NOON + end),), Counts(total, bad))


@st.composite
def services(draw: st.DrawFn) -> Service:
    length = draw(st.integers(4 * DAY // HOUR, 8 * DAY // HOUR)) * SLICES_PER_HOUR
    seed = draw(st.integers(0, 2**32 - 1))
    chance = np.random.default_rng(seed)
    total = chance.integers(0, 1000, length).astype(float)
    bad = np.floor(total * chance.random(length) * (chance.random(length) < 0.2))
    covered = chance.random(length) < draw(st.sampled_from([1.0, 0.9]))
    total[~covered] = bad[~covered] = 0
    return Service(total, bad, covered)


ranges = st.tuples(st.integers(-DAY, 8 * DAY), st.integers(1, 3 * DAY)).map(
    lambda it: (it[0], it[0] + it[1])
)
exclusions = st.lists(ranges, min_size=1, max_size=6)


def untouched(service: Service, times: list[tuple[float, float]]) -> np.ndarray:
    """Which slices no range touches."""
    starts = (np.arange(len(service.total))) * SLICE
    free = np.ones(len(starts), bool)
    for start, end in times:
        free &= (starts + SLICE <= start) | (starts >= end)
    return free


@given(services(), exclusions)
def test_what_is_left_is_what_no_range_touches(
    service: Service, times: list[tuple[float, float]]
) -> None:
    service.correct(excluded(*times))
    free = untouched(service, times)
    bounds = SEVEN_DAYS.bounds(service.end)
    skipped = max(0, bounds.start - service.start) // SLICE
    seen = service.seen()
    assert seen.total == pytest.approx(service.total[skipped:][free[skipped:]].sum(), abs=0.5)
    assert seen.bad == pytest.approx(service.bad[skipped:][free[skipped:]].sum(), abs=0.05)
    assert seen.covered == SLICE * (service.covered[skipped:] & free[skipped:]).sum()


@given(services(), exclusions)
def test_each_hour_is_left_what_no_range_touches(
    service: Service, times: list[tuple[float, float]]
) -> None:
    """The forecast follows hours: they must be those that the budget is made of."""
    service.correct(excluded(*times))
    ledger = service.account._corrected(service.account.corrections)
    start = max(service.start, SEVEN_DAYS.bounds(service.end).start)
    total, bad = ledger.by_hour(start, service.end)
    skipped = (start - service.start) // SLICE
    free = untouched(service, times)[skipped:]
    for row, truth in ((total, service.total), (bad, service.bad)):
        hours = (truth[skipped:] * free).reshape(-1, SLICES_PER_HOUR).sum(axis=1)
        assert row == pytest.approx(hours, abs=0.01)


@given(services(), exclusions)
def test_without_the_correction_every_number_is_exactly_what_it_was(
    service: Service, times: list[tuple[float, float]]
) -> None:
    before = service.evaluate()
    service.correct(excluded(*times), added(10, 5, 0, HOUR))
    service.evaluate()
    service.correct()
    assert service.evaluate() == before


@given(services(), exclusions)
def test_how_ranges_are_shared_among_corrections_does_not_matter(
    service: Service, times: list[tuple[float, float]]
) -> None:
    service.correct(excluded(*times))
    together = service.seen()
    service.correct(*(excluded(one, name=str(number)) for number, one in enumerate(times)))
    assert service.seen() == together
    service.correct(excluded(*times), excluded(*times))
    assert service.seen() == together


@given(services(), exclusions)
def test_to_exclude_what_was_good_gives_nobody_more_budget(
    service: Service, times: list[tuple[float, float]]
) -> None:
    taken = ~untouched(service, times)
    service.bad[taken] = 0
    service.__post_init__()
    before = service.evaluate().budget
    service.correct(excluded(*times))
    after = service.evaluate().budget
    assume(isinstance(before, Budget) and isinstance(after, Budget))
    assert isinstance(before, Budget)
    assert isinstance(after, Budget)
    assert after.bad == before.bad
    assert after.remaining <= before.remaining


@given(services(), exclusions)
def test_to_exclude_what_failed_altogether_takes_nobodys_budget(
    service: Service, times: list[tuple[float, float]]
) -> None:
    taken = ~untouched(service, times)
    service.bad[taken] = service.total[taken]
    service.__post_init__()
    before = service.evaluate().budget
    service.correct(excluded(*times))
    after = service.evaluate().budget
    assume(isinstance(before, Budget) and isinstance(after, Budget))
    assert isinstance(before, Budget)
    assert isinstance(after, Budget)
    assert after.remaining >= before.remaining


@given(services(), st.integers(0, 1000), ranges)
def test_what_is_added_counts_once_wherever_it_is(
    service: Service, bad: int, time: tuple[float, float]
) -> None:
    bounds = SEVEN_DAYS.bounds(service.end)
    start, end = bounds.start - NOON, service.end - NOON
    time = (max(time[0], start), min(time[1], end))
    assume(time[0] < time[1])
    assume(time[1] // SLICE * SLICE + SLICE <= end)
    before = service.seen()
    service.correct(added(1000, bad, *time), excluded(time, name="both"))
    ledger = service.account._corrected(service.account.corrections)
    assert ledger.added(bounds.start, bounds.end) == Counts(pytest.approx(1000), pytest.approx(bad))
    service.correct(added(1000, bad, *time))
    after = service.seen()
    assert after.total == pytest.approx(before.total + 1000)
    assert after.bad == pytest.approx(before.bad + bad)
    total, bads = service.account._corrected(service.account.corrections).by_hour(
        bounds.start, service.end
    )
    assert total.sum() == pytest.approx(after.total)
    assert bads.sum() == pytest.approx(after.bad)


def test_ranges_are_rounded_outwards_to_whole_slices() -> None:
    assert rounded(Range(NOON + 1, NOON + 301)) == Range(NOON, NOON + 600)
    assert rounded(Range(NOON, NOON + 300)) == Range(NOON, NOON + 300)
    half = 1800
    assert rounded(Range(NOON, NOON + 60), anchor=half, width=HOUR) == Range(
        NOON - half, NOON + half
    )


def test_ranges_that_overlap_or_touch_are_one() -> None:
    ranges = Ranges([Range(5, 9), Range(0, 3), Range(3, 4), Range(8, 12), Range(20, 20)])
    assert list(ranges) == [Range(0, 4), Range(5, 12)]
    assert list(ranges.within(3.5, 6)) == [Range(3.5, 4), Range(5, 6)]
    assert ranges.seconds(0, 100) == 11
    assert not list(ranges.within(12, 20))


def test_an_hour_of_outage_that_is_excluded_is_as_if_it_had_not_been() -> None:
    """Of 2,016 slices of 100 events, 41 have a bad one: 0.02 % of 201,600; then an hour fails."""
    service = week()
    before = service.budget()
    outage = slice(300, 312)
    service.bad[outage] = service.total[outage]
    service.__post_init__()
    assert service.budget().remaining < 50
    service.correct(excluded((300 * SLICE, 312 * SLICE)))
    after = service.evaluate()
    assert isinstance(after.budget, Budget)
    # One of the slices of the hour had a bad event anyway.
    assert after.budget.bad == before.bad - 1
    assert after.budget.total == before.total - 1200
    assert after.budget.covered == 100
    assert after.measured.excluded == HOUR
    assert after.budget.time_total == pytest.approx(0.01 * (7 * DAY - HOUR))
    assert after.corrected is not None
    (effect,) = after.corrected.effects
    assert effect.counts == Counts(1200, 1200, HOUR)
    assert effect.seconds == HOUR
    assert after.corrected.remaining is not None
    assert effect.points == after.budget.remaining - after.corrected.remaining
    assert not effect.approximate


def test_each_effect_is_what_would_be_missed_without_it() -> None:
    service = week()
    service.correct(excluded((0, HOUR)), excluded((0, 2 * HOUR), name="longer"))
    evaluation = service.evaluate()
    assert evaluation.corrected is not None
    first, second = evaluation.corrected.effects
    assert (first.points, first.counts.total) == (0, 1200)
    assert second.counts.total == 2400
    assert evaluation.corrected.excluded.total == 2400
    assert evaluation.corrected.seconds == 2 * HOUR


def test_a_correction_of_another_time_does_not_apply() -> None:
    service = week()
    service.correct(excluded((-2 * DAY, -DAY)), excluded((8 * DAY, 9 * DAY)))
    assert service.evaluate().corrected is None
    assert service.budget() == week().budget()


def test_an_old_hour_is_cut_to_the_slice_if_the_source_still_has_it() -> None:
    """All of its errors are in its first quarter, which is excluded."""
    service = week()
    service.bad[:] = 0
    service.bad[:3] = 100
    service.__post_init__()
    needed = service.correct(excluded((0, 900)))
    assert needed == [NOON]
    assert service.seen() == Counts(201_600 - 300, 0, 7 * DAY - 900)
    assert service.correct(excluded((0, 900))) == []


def test_an_old_hour_that_the_source_has_no_more_is_cut_in_proportion_which_is_said() -> None:
    service = week()
    service.bad[:] = 0
    service.bad[:3] = 100
    service.__post_init__()
    service.correct(excluded((0, 900)), readable=False)
    assert service.seen() == Counts(201_600 - 300, 225, 7 * DAY - 900)
    evaluation = service.evaluate()
    assert evaluation.corrected is not None
    assert evaluation.corrected.effects[0].approximate
    assert service.correct(excluded((0, 900)), readable=False) == []


def test_whole_hours_need_no_slices() -> None:
    service = week()
    assert service.correct(excluded((0, DAY))) == []
    evaluation = service.evaluate()
    assert evaluation.corrected is not None
    assert not evaluation.corrected.effects[0].approximate


def test_a_number_does_not_change_when_its_slices_become_hours() -> None:
    """An hour that was cut while it was recent is as well cut three days later."""
    service = week()
    recent = 7 * DAY - 2 * HOUR
    service.bad[-24:-21] = 100
    service.__post_init__()
    correction = excluded((recent, recent + 900))
    assert service.correct(correction) == []
    counts = service.account._corrected([correction]).taken(NOON + recent, NOON + recent + HOUR)
    service.total = np.append(service.total, np.full(4 * DAY // SLICE, 100.0))
    service.bad = np.append(service.bad, np.zeros(4 * DAY // SLICE))
    service.covered = np.ones(len(service.total), bool)
    for first in range(7 * DAY // SLICE, len(service.total), SLICES_PER_HOUR):
        service.put(first, first + SLICES_PER_HOUR)
    assert service.account.ledger.fine_since is not None
    assert NOON + recent < service.account.ledger.fine_since
    assert service.correct(correction) == []
    later = service.account._corrected([correction]).taken(NOON + recent, NOON + recent + HOUR)
    assert later == counts == Counts(300, 300, 900)


def test_to_exclude_everything_is_to_know_nothing() -> None:
    service = week()
    service.correct(excluded((-DAY, 8 * DAY)))
    evaluation = service.evaluate()
    assert isinstance(evaluation.budget, UnknownBudget)
    assert evaluation.budget.reason is UnknownReason.NO_DATA
    assert evaluation.budget.message.startswith("corrections exclude all of the window")
    assert evaluation.burn_rates == ()
    assert {alert.state for alert in evaluation.alerts} <= {
        AlertState.UNKNOWN,
        AlertState.UNREACHABLE,
        AlertState.NOT_APPLICABLE,
    }
    assert evaluation.corrected is not None
    assert evaluation.corrected.excluded.total == 201_600
    assert evaluation.corrected.remaining is not None


def test_too_few_events_that_are_left_are_said_to_be_what_is_left() -> None:
    service = week()
    service.correct(excluded((0, 7 * DAY - SLICE)))
    budget = service.evaluate().budget
    assert isinstance(budget, UnknownBudget)
    assert budget.reason is UnknownReason.TOO_FEW_EVENTS
    assert budget.message.startswith("100 events in the window that corrections leave, 500 are")


def test_what_was_counted_wrongly_is_replaced_by_what_is_right() -> None:
    service = week()
    service.correct(excluded((-DAY, 8 * DAY)), added(500_000, 1000, 0, 7 * DAY))
    budget = service.budget()
    assert (budget.total, budget.bad) == (500_000, 1000)
    assert budget.remaining == 80


def test_a_maintenance_without_data_makes_no_budget_stale() -> None:
    service = week()
    service.covered[-24:] = False
    service.total[-24:] = service.bad[-24:] = 0
    service.__post_init__()
    stale = service.evaluate().budget
    assert isinstance(stale, UnknownBudget)
    assert stale.reason is UnknownReason.STALE_DATA
    service.correct(excluded((7 * DAY - 2 * HOUR, 8 * DAY)))
    assert service.budget().newest == service.end
    # Twenty minutes were before it: they are old data as ever.
    service.correct(excluded((7 * DAY - 2 * HOUR + 1200, 8 * DAY)))
    stale = service.evaluate().budget
    assert isinstance(stale, UnknownBudget)
    assert stale.message.startswith("the newest data of the indicator's total are 20 minutes old")


def test_four_days_of_maintenance_without_data_leave_the_days_before_known() -> None:
    service = week()
    gone = 4 * DAY // SLICE
    service.covered[-gone:] = False
    service.total[-gone:] = service.bad[-gone:] = 0
    service.__post_init__()
    service.correct(excluded((3 * DAY, 8 * DAY)))
    assert service.budget().covered == 100


def test_the_end_of_an_outage_does_not_show_before_its_last_slice_is_closed() -> None:
    service = week()
    closed = service.end
    service.account.ledger.tick(Live(closed + 310, 400, 300, covered=True))
    service.correct(excluded((7 * DAY - HOUR, 7 * DAY + SLICE)))
    seen = service.account.evaluate(OBJECTIVE, closed + 310).measured.seen
    assert seen.bad == service.bad[:-12].sum()
    service.correct(excluded((7 * DAY - HOUR, 7 * DAY)))
    seen = service.account.evaluate(OBJECTIVE, closed + 310).measured.seen
    assert seen.bad == service.bad[:-12].sum() + 300


def test_a_new_service_is_expected_to_go_on_for_the_time_that_counts() -> None:
    """Two days old, one of them excluded: of the 7 - 1 days that count it has seen one."""
    day = DAY // SLICE
    service = Service(np.full(2 * day, 100.0), np.full(2 * day, 0.1))
    service.account.origin = Origin(NOON, 0)
    service.correct(excluded((DAY, 2 * DAY)))
    evaluation = service.evaluate()
    assert evaluation.measured.newborn == 5 * DAY
    assert evaluation.measured.expected == pytest.approx(6 * day * 100)
    service.correct(excluded((DAY, 2 * DAY), (-3 * DAY, -2 * DAY)))
    assert service.evaluate().measured.newborn == 4 * DAY
    assert service.evaluate().measured.expected == pytest.approx(5 * day * 100)


def test_nothing_is_expected_of_the_rest_of_a_period_that_is_excluded() -> None:
    window = CalendarWindow(Period.WEEK, ZoneInfo("UTC"))
    monday = window.span(NOON).start
    day = DAY // SLICE
    rows = (np.full(9 * day, 100.0), np.zeros(9 * day))
    service = Service(*rows, start=monday - 7 * DAY, window=window)
    assert service.evaluate().measured.expected == pytest.approx(7 * day * 100)
    planned = Correction("planned", (Range(monday + 4 * DAY, monday + 5 * DAY),))
    service.correct(planned)
    evaluation = service.evaluate()
    assert evaluation.measured.expected == pytest.approx(6 * day * 100)
    assert evaluation.corrected is None
    # A past day of the week before does not count for the rate either.
    service.correct(planned, Correction("past", (Range(monday - DAY, monday),)))
    assert service.evaluate().measured.expected == pytest.approx(6 * day * 100)
    assert service.budget().time_total == pytest.approx(0.01 * 6 * DAY)


def test_what_a_period_closes_with_is_corrected() -> None:
    window = CalendarWindow(Period.DAY, ZoneInfo("UTC"))
    midnight = window.span(NOON).start
    day = DAY // SLICE
    service = Service(
        np.full(9 * day, 100.0), np.full(9 * day, 1.0), start=midnight - 8 * DAY, window=window
    )
    closing = service.account.closing(OBJECTIVE, midnight + HOUR)
    assert closing is not None
    assert closing.total == 28_800
    service.correct(Correction("half", (Range(midnight - DAY / 2, midnight),)))
    closing = service.account.closing(OBJECTIVE, midnight + HOUR)
    assert closing is not None
    assert (closing.total, closing.bad) == (14_400, 144)


@pytest.mark.parametrize("parts", [1, 2, 3, 6, 12])
@given(services(), exclusions)
def test_slices_of_time_are_excluded_as_wholes(
    parts: int, service: Service, times: list[tuple[float, float]]
) -> None:
    slicing = Slicing(parts, allowance=0.1, empty=Empty.SKIP)
    service = Service(service.total, service.bad, service.covered, slicing=slicing)
    service.correct(excluded(*times))
    width = parts * SLICE
    whole = [(start // width * width, -(-end // width) * width) for start, end in times]
    free = untouched(service, whole).reshape(-1, parts).all(axis=1)
    skipped = max(0, SEVEN_DAYS.bounds(service.end).start - service.start) // SLICE
    rows = (service.total, service.bad, service.covered.astype(float))
    counted, failed = slicing.judge(*rows, known=len(service.total))
    left = slice(skipped // parts, None)
    seen = service.evaluate(Objective(target=Decimal(99), length=7 * DAY, unit=Unit.SLICES))
    assert seen.measured.seen.total == pytest.approx(counted[left][free[left]].sum())
    assert seen.measured.seen.bad == pytest.approx(failed[left][free[left]].sum())


def test_alerts_and_burn_rates_see_what_is_left() -> None:
    service = week()
    service.bad[-12:] = 60
    service.__post_init__()
    firing = service.evaluate()
    assert firing.alerts[0].state is AlertState.FIRING
    service.correct(excluded((7 * DAY - HOUR, 7 * DAY - 600)))
    rates = {rate.window: rate.value for rate in service.evaluate().burn_rates}
    assert rates[300] == pytest.approx(60)
    service.correct(excluded((7 * DAY - HOUR, 7 * DAY)))
    evaluation = service.evaluate()
    assert evaluation.alerts[0].state is AlertState.UNKNOWN
    assert 300 not in {rate.window for rate in evaluation.burn_rates}
    assert evaluation.forecast is not None
    assert evaluation.forecast.exhausted_at is None


def test_corrections_wait_for_what_is_not_read_yet() -> None:
    account = Account(SEVEN_DAYS)
    correction = excluded((0, 900))
    assert account.correct([correction], NOON + DAY) == []
    evaluation = account.evaluate(OBJECTIVE, NOON + DAY)
    assert isinstance(evaluation.budget, UnknownBudget)
    assert evaluation.budget.reason is UnknownReason.BACKFILLING
    assert evaluation.corrected is None
