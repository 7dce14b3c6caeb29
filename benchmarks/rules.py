"""The rules that Sloth and Pyrra make of one objective of 99.9% over 30 days.

Written down from their published formulas; sources: slok/sloth, `examples/_gen` and
`internal/plugin/slo/core` (17 rules, no interval of their own); pyrra-dev/pyrra, `slo/rules.go`
(13 rules in a group of 150 s and one of 30 s). Names of labels are shortened where they select
nothing but the objective.
"""

from collections.abc import Iterator
from dataclasses import dataclass

DAY = 86_400
WINDOW = 30 * DAY
_BUDGET = 0.001
_SLOTH_INTERVAL = 60
"""Prometheus' default evaluation interval; the Prometheus Operator's is half of that."""

_SLOTH_WINDOWS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")
# (factor, short and long window), as each tool pairs them for 30 days.
_SLOTH_TIERS = ((14.4, "5m", "1h"), (6, "30m", "6h"), (3, "2h", "1d"), (1, "6h", "3d"))
_PYRRA_WINDOWS = ("5m", "32m", "1h4m", "2h9m", "6h26m", "1d1h43m", "4d6h51m")
_PYRRA_TIERS = (
    (14, "5m", "1h4m"),
    (7, "32m", "6h26m"),
    (2, "2h9m", "1d1h43m"),
    (1, "6h26m", "4d6h51m"),
)


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        expression: what is evaluated.
        interval: seconds between two evaluations.
        raw: it reads the service's own series, not recorded ones.
    """

    expression: str
    interval: int
    raw: bool = False


@dataclass(frozen=True, slots=True)
class Recorded:
    """A series that a rule has recorded and others read: its name with labels, and how long."""

    series: str
    interval: int
    seconds: int


def sloth(total: str, bad: str) -> Iterator[Rule]:
    """Sloth's rules, the optimized ones of its default."""
    for window in _SLOTH_WINDOWS:
        rates = [f"(sum(rate({one}[{window}])))" for one in (bad, total)]
        yield Rule(" / ".join(rates), _SLOTH_INTERVAL, raw=True)
    five = _sloth_series("5m")
    burn, past = 'slo:sli_error:ratio_rate30d{sloth_id="x"}', f"{five}[{WINDOW // DAY}d]"
    for expression in (
        f"sum_over_time({past}) / ignoring(sloth_window) count_over_time({past})",
        "vector(0.999)",
        "vector(1-0.999)",
        "vector(30)",
        f"{five} / on(sloth_id) group_left slo:error_budget:ratio{{sloth_id='x'}}",
        f"{burn} / on(sloth_id) group_left slo:error_budget:ratio{{sloth_id='x'}}",
        "1 - slo:period_burn_rate:ratio{sloth_id='x'}",
        "vector(1)",
        *(_sloth_alert(tiers) for tiers in (_SLOTH_TIERS[:2], _SLOTH_TIERS[2:])),
    ):
        yield Rule(expression, _SLOTH_INTERVAL)


def sloth_recorded() -> list[Recorded]:
    """The series that Sloth's rules read back."""
    short = [
        *map(_sloth_series, _SLOTH_WINDOWS[1:]),
        'slo:sli_error:ratio_rate30d{sloth_id="x"}',
        'slo:error_budget:ratio{sloth_id="x"}',
        'slo:period_burn_rate:ratio{sloth_id="x"}',
    ]
    five = Recorded(_sloth_series("5m"), _SLOTH_INTERVAL, WINDOW)
    return [five, *(Recorded(series, _SLOTH_INTERVAL, 600) for series in short)]


def _sloth_series(window: str) -> str:
    return f'slo:sli_error:ratio_rate{window}{{sloth_id="x",sloth_window="{window}"}}'


def _sloth_alert(tiers: tuple[tuple[float, str, str], ...]) -> str:
    return " or ".join(
        "("
        + " and ".join(
            f"max({_sloth_series(window)} > ({factor} * {_BUDGET})) without(sloth_window)"
            for window in pair
        )
        + ")"
        for factor, *pair in tiers
    )


def pyrra(total: str, bad: str) -> Iterator[Rule]:
    """Pyrra's rules, without those that are generic over objectives."""
    yield Rule(f"sum by(code)(increase({total}[{WINDOW // DAY}d]))", 150, raw=True)
    yield Rule(f"absent({total}) == 1", 150, raw=True)
    for window in _PYRRA_WINDOWS:
        rates = [f"sum(rate({one}[{window}]))" for one in (bad, total)]
        yield Rule(" / ".join(rates), 30, raw=True)
    for factor, *pair in _PYRRA_TIERS:
        tests = [f"{_pyrra_series(window)} > ({factor} * (1-0.999))" for window in pair]
        yield Rule(" and ".join(tests), 30)


def pyrra_recorded() -> list[Recorded]:
    """The series that Pyrra's rules read back."""
    return [Recorded(_pyrra_series(window), 30, 600) for window in _PYRRA_WINDOWS]


def _pyrra_series(window: str) -> str:
    return f'http_requests:burnrate{window}{{slo="x"}}'
