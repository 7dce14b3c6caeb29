"""All that is known of one objective's window: the counts, how far back they go, and since when."""

from dataclasses import dataclass

from sluice.budget.alerts import Alert, alerts
from sluice.budget.budget import (
    Budget,
    Measured,
    Objective,
    Outlook,
    UnknownBudget,
    UnknownReason,
    measure,
)
from sluice.budget.burnrate import WINDOWS, BurnRate, burn_rates
from sluice.budget.forecast import Forecast, History, forecast, period_forecast
from sluice.budget.ledger import Counts, Ledger
from sluice.budget.ring import Kept
from sluice.budget.slicing import Slicing
from sluice.budget.windows import HOUR, RECENT, Bounds, CalendarWindow, Window


@dataclass(frozen=True, slots=True)
class Origin:
    """Unix seconds; `data_begins` is `first_sample` if nothing earlier is known of the source."""

    first_sample: int
    data_begins: float

    def newborn(self, start: float) -> float:
        """The seconds after `start` in which there were data, but not of the service."""
        return max(0.0, self.first_sample - max(start, self.data_begins))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What was measured and what it comes to; `forecast` only of a known budget."""

    measured: Measured
    budget: Budget | UnknownBudget
    burn_rates: tuple[BurnRate, ...]
    forecast: Forecast | None
    alerts: tuple[Alert, ...] = ()


class Account:
    """The counts of one objective's window; who measures it writes them.

    Attributes:
        window: the time that the objective is about.
        ledger: the counts.
        oldest: Unix seconds down to which they were read; None before anything was.
        origin: since when there are data; None while that is not known.
    """

    __slots__ = ("_slicing", "ledger", "oldest", "origin", "window")

    def __init__(self, window: Window, *, slicing: Slicing | None = None) -> None:
        self.window = window
        self.ledger = Ledger(window.kept, slicing=slicing)
        self.oldest: int | None = None
        self.origin: Origin | None = None
        self._slicing = slicing

    def begin(self, now: float) -> None:
        """Forget all; hours begin from now on as the window's at `now` do."""
        self.ledger = Ledger(
            self.window.kept, anchor=self.window.anchor(now), slicing=self._slicing
        )
        self.oldest = self.origin = None

    def resume(self, kept: Kept, *, anchor: int, oldest: int, origin: Origin | None) -> None:
        """Forget all and go on with what another account of the same window had.

        Args:
            kept: what its ledger kept.
            anchor: where that ledger's hours begin.
            oldest: see `Account`.
            origin: see `Account`.

        Raises:
            ValueError: it was an account of another window; nothing has changed then.
        """
        self.ledger = Ledger(self.window.kept, anchor=anchor, slicing=self._slicing).resume(kept)
        self.oldest, self.origin = oldest, origin

    def complete(self, now: float) -> bool:
        """Whether all is read that the window needs at `now`."""
        return self.oldest is not None and self.oldest <= self.window.needs(now)

    def settled(self, time: float) -> bool:
        """Whether all slices up to `time` are closed."""
        return self.ledger.closed is not None and self.ledger.closed >= time

    def counts(self, start: float, end: float) -> Counts:
        """What was counted between two times; a slice that is partly inside, in proportion."""
        return self.ledger.between(start, end)

    def evaluate(self, objective: Objective, now: float) -> Evaluation:
        """The budget at `now`, from what was read so far."""
        measured = self._measured(self.window.bounds(now))
        budget = self._backfilling(now) or measure(objective, measured)
        until = self.ledger.known_until(now)
        # Alerts look back on the same times as burn rates, and the forecast on one of them.
        last = dict(zip(WINDOWS, self.ledger.last(WINDOWS, until), strict=True))
        known = isinstance(budget, Budget)
        return Evaluation(
            measured=measured,
            budget=budget,
            burn_rates=burn_rates(objective, last),
            alerts=alerts(objective, last),
            forecast=self._forecast(objective, measured, last[HOUR]) if known else None,
        )

    def closing(self, objective: Objective, now: float) -> Budget | None:
        """The budget with which the calendar period before that of `now` has closed.

        None if it is not known: it was not read as a whole, or its last slice is not closed yet.

        Args:
            objective: what was promised for that period.
            now: Unix seconds in the period after it.
        """
        if not isinstance(self.window, CalendarWindow):
            return None
        end = self.window.span(now).start
        start = self.window.span(end - 1).start
        if self.oldest is None or self.oldest > start or not self.settled(end):
            return None
        budget = measure(objective, self._measured(Bounds(start, end), rest=0.0))
        return budget if isinstance(budget, Budget) else None

    def _measured(self, bounds: Bounds, rest: float | None = None) -> Measured:
        """What was counted; `rest` are the seconds that a period goes on, if not as usual."""
        outlook, newest = None, self.ledger.newest_covered()
        if isinstance(self.window, CalendarWindow):
            until = self.ledger.known_until(bounds.end)
            if rest is None:
                rest = self.window.span(bounds.end).end - until
            outlook = Outlook(rest, self.ledger.between(until - RECENT, until))
        return Measured(
            bounds=bounds,
            seen=self.counts(bounds.start, bounds.end),
            newborn=self.origin.newborn(bounds.start) if self.origin else 0.0,
            newest=None if newest is None else min(newest, bounds.end),
            outlook=outlook,
        )

    def _forecast(self, objective: Objective, measured: Measured, last_hour: Counts) -> Forecast:
        bounds = measured.bounds
        if measured.outlook is not None:
            return period_forecast(objective, measured, last_hour)
        return forecast(
            History(
                objective=objective,
                measured=measured,
                hours=self.ledger.by_hour(bounds.start, bounds.end),
                last_hour=last_hour,
            )
        )

    def _backfilling(self, now: float) -> UnknownBudget | None:
        if self.complete(now):
            return None
        start = self.window.needs(now)
        read = 0.0 if self.oldest is None else (now - self.oldest) / (now - start)
        return UnknownBudget(
            UnknownReason.BACKFILLING, f"reading the window's history: {read:.0%} are read"
        )
