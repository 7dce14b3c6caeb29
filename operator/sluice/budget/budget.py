"""How much of an error budget is spent: the numbers behind a status and a decision.

For an objective `o`, `T` events seen and `B` bad ones of them, in a window of `W` seconds of which
the service did not exist yet for the first `n` seconds:

    allowed  = (1 - o) * T * W / (W - n)
    consumed = B / allowed

In a full window `n` is 0: the budget is a share of the events seen. A new service has the rest of
its first window still before it; its events are expected at the rate so far, so that 20 bad ones in
its first hour are not yet a spent budget. Time without data (Prometheus' retention is shorter than
the window, or it was down) is stood for by the ratio of the covered part, which the formula does
by leaving it out of both sides. With time slices, events are slices everywhere here.

A period of the calendar has an end, up to which `f` more events are expected at the recent rate:

    allowed = (1 - o) * (T + f)

If of `s` seconds so far only `c` have data, `T` and `B` stand for `s / c` times as many events;
allowed is given in proportion to those seen, as `(1 - o) * (T + f * c / s)`.

Time that corrections exclude counts as nothing at all: `T`, `B`, `W`, `n`, `s`, `c` and the time
for which `f` is expected are without it. What they add is in `T` and `B`.
Source: the occurrences method of the Google SRE Workbook, "Implementing SLOs"; what is expected of
new services and of periods is ours.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from enum import StrEnum
from math import ceil

from sluice.budget.counts import Counts
from sluice.budget.windows import DAY, Bounds

STALE_AFTER = 900.0
"""Seconds without data after which the numbers are no more those of now."""

_WHOLE = Decimal(100)
_BOUND = Decimal(999_999_999)
"""The largest percentage, either way, that the API can hold."""
_THREE_DECIMALS = Decimal("0.001")
_WARNING_BELOW = Decimal(50)
_CRITICAL_BELOW = Decimal(20)
_EVENTS_FOR_ALLOWED = 5


class Level(StrEnum):
    """How a known budget stands."""

    OK = "Ok"
    WARNING = "Warning"
    CRITICAL = "Critical"
    PAGE = "Page"


class Unit(StrEnum):
    """What a budget is counted in."""

    EVENTS = "events"
    SLICES = "slices"


class UnknownReason(StrEnum):
    """Why a budget is unknown; each is a reason of the API."""

    BACKFILLING = "Backfilling"
    NO_DATA = "NoData"
    STALE_DATA = "StaleData"
    TOO_FEW_EVENTS = "TooFewEvents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """What was promised.

    Attributes:
        target: the share of good events promised, in percent, between 0 and 100.
        agreement: the share agreed with customers, in percent, below the target.
        length: nominal length of the window in seconds.
        min_events: below this many events the budget is unknown; None for enough events that
            five bad ones are allowed.
        unit: what is counted; "events" stands for it everywhere here.
    """

    target: Decimal
    length: int
    agreement: Decimal | None = None
    min_events: int | None = None
    unit: Unit = Unit.EVENTS

    @property
    def allowance(self) -> Decimal:
        """The share of events that may be bad, as a fraction."""
        return 1 - self.target / _WHOLE

    @property
    def enough_events(self) -> int:
        """From how many events on the budget is known."""
        return self.min_events or ceil(_EVENTS_FOR_ALLOWED / self.allowance)


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of the rest of a calendar period.

    Attributes:
        rest: seconds up to its end.
        recent: counts of the last days, whose rate is that of the rest.
        excluded: how many of the seconds up to its end do not count.
    """

    rest: float
    recent: Counts
    excluded: float = 0.0

    @property
    def events(self) -> float:
        """The events to come."""
        rate = self.recent.total / self.recent.covered if self.recent.covered > 0 else 0.0
        return rate * (self.rest - self.excluded)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What was counted, and about which time.

    Attributes:
        bounds: the window; a period of the calendar up to now.
        seen: counts in it.
        newborn: seconds at its start in which the service did not exist yet.
        newest: Unix seconds up to which there are data; None without any.
        outlook: the rest of a period of the calendar; None of a rolling window, which has none.
        excluded: seconds of the window that do not count; they are neither in `seen` nor in
            `newborn`.
    """

    bounds: Bounds
    seen: Counts
    newborn: float
    newest: float | None
    outlook: Outlook | None = None
    excluded: float = 0.0

    @property
    def length(self) -> float:
        """Seconds of the window that count."""
        return max(0.0, self.bounds.length - self.excluded)

    @property
    def covered(self) -> Decimal:
        """Percent of the window with data."""
        length = max(1.0, self.length)
        return percent(min(_WHOLE, _WHOLE * Decimal(self.seen.covered / length)))

    @property
    def blank(self) -> bool:
        """Whether there are no data to work with."""
        recent = 0.0 if self.outlook is None else self.outlook.recent.covered
        return self.newest is None or self.seen.covered + recent + self.seen.total <= 0

    @property
    def expected(self) -> float:
        """The events of the whole window, as far as it has data: those seen and those to come."""
        if self.outlook is not None:
            return self.seen.total + self.outlook.events * self.data
        grown = min(1.0, max(1e-9, 1 - self.newborn / max(1.0, self.length)))
        return self.seen.total / grown

    @property
    def evidence(self) -> float:
        """The events that a share of bad ones is taken of, as far as they are more than a guess.

        The rest of a period is no guess if its rate is that of a day at least.
        """
        foreseen = self.outlook is not None and self.outlook.recent.covered >= DAY
        return self.expected if foreseen else self.seen.total

    @property
    def data(self) -> float:
        """The share with data of the time in which the service existed."""
        existed = self.length - self.newborn
        if existed <= 0 or self.seen.covered <= 0:
            return 1.0
        return min(1.0, self.seen.covered / existed)


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A known error budget.

    Percentages have three decimals, rounded half up. Times are in seconds.

    Attributes:
        bounds: the window.
        newest: Unix seconds up to which there are data.
        covered: percent of the window with data.
        sli: percent of good events.
        consumed: percent of the whole window's budget that is spent.
        remaining: 100 - consumed; negative if overspent.
        to_date: percent that remains against the events so far.
        total: events in the window.
        bad: those that broke the promise.
        allowed: events that may break it in the whole window.
        time_total: the budget as a total outage at average traffic.
        time_remaining: what remains of that; negative if overspent.
        time_per_day: a day's share of it.
        level: how it stands.
    """

    bounds: Bounds
    newest: float
    covered: Decimal
    sli: Decimal
    consumed: Decimal
    remaining: Decimal
    to_date: Decimal
    total: int
    bad: int
    allowed: int
    time_total: float
    time_remaining: float
    time_per_day: float
    level: Level


@dataclass(frozen=True, slots=True)
class UnknownBudget:
    """Why there is no number, for programs and for people."""

    reason: UnknownReason
    message: str


def percent(value: Decimal) -> Decimal:
    """A percentage as it is published: three decimals, rounded half up, and within bounds.

    A budget can be overspent by any factor: at 99.999999 % an outage takes 10 billion percent.
    """
    return max(-_BOUND, min(_BOUND, value)).quantize(_THREE_DECIMALS, ROUND_HALF_UP) + 0


def measure(objective: Objective, measured: Measured) -> Budget | UnknownBudget:
    """The budget that the counts leave of the objective, or why there is none to be had."""
    return _unknown(objective, measured) or _known(objective, measured)


def _unknown(objective: Objective, measured: Measured) -> UnknownBudget | None:
    if measured.newest is not None and measured.blank and measured.excluded > 0:
        return UnknownBudget(
            UnknownReason.NO_DATA,
            "corrections exclude all of the window that has data: nothing is left to count",
        )
    if measured.newest is None or measured.blank:
        return UnknownBudget(
            UnknownReason.NO_DATA,
            "the indicator's total gives nothing in the whole window: check its metric and labels, "
            "or its query, and that its targets are scraped",
        )
    age = measured.bounds.end - measured.newest
    if age > STALE_AFTER:
        return UnknownBudget(
            UnknownReason.STALE_DATA,
            f"the newest data of the indicator's total are {age / 60:.0f} minutes old: "
            "check that its targets are scraped",
        )
    if measured.evidence < objective.enough_events:
        return UnknownBudget(
            UnknownReason.TOO_FEW_EVENTS,
            f"{measured.evidence:.0f} {objective.unit} in the window"
            f"{' that corrections leave' if measured.excluded > 0 else ''}, "
            f"{objective.enough_events} are needed before a share of them says something "
            "(minEvents)",
        )
    return None


def share(objective: Objective, measured: Measured, bad: float) -> Decimal:
    """How much of the whole window's budget so many bad events are, in percent."""
    return percent(_WHOLE * Decimal(bad) / Decimal(measured.expected) / objective.allowance)


def _known(objective: Objective, measured: Measured) -> Budget:
    seen, newest = measured.seen, measured.newest
    assert newest is not None
    ratio = Decimal(seen.bad) / Decimal(seen.total) if seen.total else Decimal(0)
    expected = Decimal(measured.expected)
    spent = Decimal(seen.bad) / expected
    consumed = percent(_WHOLE * spent / objective.allowance)
    remaining = _WHOLE - consumed
    ahead = measured.outlook.excluded if measured.outlook is not None else 0.0
    countable = max(0.0, objective.length - measured.excluded - ahead)
    time_total = float(objective.allowance) * countable
    return Budget(
        bounds=measured.bounds,
        newest=newest,
        covered=measured.covered,
        sli=percent(max(Decimal(0), _WHOLE * (1 - ratio))),
        consumed=consumed,
        remaining=remaining,
        to_date=_WHOLE - percent(_WHOLE * ratio / objective.allowance),
        total=_whole(Decimal(seen.total)),
        bad=_whole(Decimal(seen.bad)),
        allowed=int(objective.allowance * expected),
        time_total=time_total,
        time_remaining=time_total * float(remaining) / 100,
        time_per_day=float(objective.allowance) * DAY,
        level=_level(objective, remaining, spent),
    )


def _level(objective: Objective, remaining: Decimal, spent: Decimal) -> Level:
    if objective.agreement is not None:
        agreed = 1 - objective.agreement / _WHOLE
        if _WHOLE * (1 - spent / agreed) < _CRITICAL_BELOW:
            return Level.PAGE
    if remaining < _CRITICAL_BELOW:
        return Level.CRITICAL
    return Level.WARNING if remaining < _WARNING_BELOW else Level.OK


def _whole(value: Decimal) -> int:
    return int(value.to_integral_value(ROUND_HALF_UP))
