"""What becomes of a budget: when it runs out, and when it is back.

Both follow from one curve, the budget consumed at a time `t` ahead, if from now on events come at
`r` and bad events at `q` a second, while the window's oldest hours leave it one by one:

    T(t) = T + r * (t - now) - (events that have left),  B(t) the same with q
    consumed(t) = B(t) / ((1 - o) * T(t)) * (share of the window in which the service existed)

Between two hours' leaving the curve is taken as straight, which it nearly is.

Nothing leaves a period of the calendar before its end, when the next begins with a full budget: its
budget runs out before that or not at all, and is back then at the latest.
"""

from dataclasses import dataclass

import numpy as np

from sluice.budget.budget import Measured, Objective
from sluice.budget.counts import Counts, Flags, Floats
from sluice.budget.windows import HOUR, RollingWindow


@dataclass(frozen=True, slots=True)
class Forecast:
    """Unix seconds of what is to come; None for what is not, or not within one more window."""

    exhausted_at: float | None
    recovered_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """What a forecast is made from.

    Attributes:
        objective: what was promised.
        measured: the counts of the window.
        hours: total and bad events of the window's hours, oldest first, the present one included.
        last_hour: counts of the last hour, which give the rate at which things go on.
    """

    objective: Objective
    measured: Measured
    hours: tuple[Floats, Floats]
    last_hour: Counts


@dataclass(frozen=True, slots=True)
class _Curve:
    """Stretches in which nothing leaves the window: when they begin and end, and what is consumed.

    Consumption is a share: 1 is the whole budget. One entry of each array is one stretch.
    """

    start: Floats
    end: Floats
    consumed_at_start: Floats
    consumed_at_end: Floats

    def first(self, reached_at_start: Flags, reached_at_end: Flags, limit: float) -> float | None:
        """When `limit` is first reached; the flags tell for each stretch whether it is."""
        reached = np.flatnonzero(reached_at_start | reached_at_end)
        if not len(reached):
            return None
        index = reached[0]
        if reached_at_start[index]:
            return float(self.start[index])
        before, after = self.consumed_at_start[index], self.consumed_at_end[index]
        share = (limit - before) / (after - before)
        return float(self.start[index] + share * (self.end[index] - self.start[index]))


def forecast(history: History, *, threshold: float = 0.0) -> Forecast:
    """When the budget runs out, and when it is back.

    `exhausted_at` is when nothing remains, at the rate of the last hour; `recovered_at` is when at
    least `threshold` percent remain, if nothing more fails and traffic goes on as it was. A budget
    that is exhausted has no former, and one that has recovered no latter.
    """
    return Forecast(_exhausted_at(history), _recovered_at(history, 1 - threshold / 100))


def period_forecast(objective: Objective, measured: Measured, last_hour: Counts) -> Forecast:
    """The same for a period of the calendar.

    Args:
        objective: what was promised.
        measured: the counts of the period, with its outlook.
        last_hour: counts of the last hour, which give the rate at which things go on.
    """
    outlook = measured.outlook
    assert outlook is not None
    now = measured.bounds.end
    left = float(objective.allowance) * measured.expected - measured.seen.bad
    # The events of the time without data are left out of both, but those to come will be seen.
    left /= measured.data
    return Forecast(
        exhausted_at=_runs_out(left, last_hour, now, now + outlook.rest),
        recovered_at=now + outlook.rest if left < 0 else None,
    )


def _runs_out(left: float, last_hour: Counts, now: float, end: float) -> float | None:
    """When `left` more bad events have come at the last hour's rate, if before `end`."""
    if left <= 0 or last_hour.bad <= 0 or last_hour.covered <= 0:
        return None
    at = now + left / (last_hour.bad / last_hour.covered)
    return at if at < end else None


def _exhausted_at(history: History) -> float | None:
    last = history.last_hour
    if last.bad <= 0 or last.covered <= 0 or _consumed_now(history) >= 1:
        return None
    curve = _curve(history, last)
    at = curve.first(curve.consumed_at_start >= 1, curve.consumed_at_end >= 1, 1.0)
    return at if at is not None and at > history.measured.bounds.end else None


def _recovered_at(history: History, limit: float) -> float | None:
    seen = history.measured.seen
    if seen.covered <= 0 or _consumed_now(history) <= limit:
        return None
    curve = _curve(history, Counts(seen.total, 0.0, seen.covered))
    at = curve.first(curve.consumed_at_start <= limit, curve.consumed_at_end <= limit, limit)
    return at if at is not None and at > history.measured.bounds.end else None


def _consumed_now(history: History) -> float:
    """The share of the budget that is consumed: what every curve begins with, at little cost."""
    nothing = np.zeros(1)
    now = np.full(1, history.measured.bounds.end)
    return float(_consumed(history, Counts(), (nothing, nothing), now)[0])


def _curve(history: History, recent: Counts) -> _Curve:
    """The consumption ahead at the rate of `recent`, until today's window has left altogether."""
    bounds, seen = history.measured.bounds, history.measured.seen
    hours = np.arange(1, len(history.hours[0]) + 1)
    leaving = RollingWindow(history.objective.length).leaves(bounds.start) + hours * float(HOUR)
    start = np.concatenate([[bounds.end], leaving])
    end = np.concatenate([leaving, [leaving[-1] + HOUR]])
    # The present hour's events, those not in a closed slice included, are the last to leave.
    left_total, left_bad = (
        np.concatenate([[0.0], np.cumsum(row)[:-1], [whole]])
        for row, whole in zip(history.hours, (seen.total, seen.bad), strict=True)
    )
    rate = Counts(recent.total / recent.covered, recent.bad / recent.covered)
    left = (left_total, left_bad)
    return _Curve(
        start, end, _consumed(history, rate, left, start), _consumed(history, rate, left, end)
    )


def _consumed(history: History, rate: Counts, left: tuple[Floats, Floats], times: Floats) -> Floats:
    """The share of the budget consumed at `times`, when the events `left` have left the window."""
    measured = history.measured
    ahead = times - measured.bounds.end
    total = measured.seen.total + rate.total * ahead - left[0]
    bad = measured.seen.bad + rate.bad * ahead - left[1]
    newborn = np.maximum(0.0, measured.newborn - ahead)
    grown = 1 - newborn / max(1.0, measured.length)
    some = (total > 0) & (bad > 0)
    ratio = np.divide(bad, total, out=np.zeros_like(bad), where=some)
    consumed: Floats = ratio * grown / float(history.objective.allowance)
    return consumed
