"""PromQL: reads the selectors of an indicator and writes the queries that count with them.

The movement of a counter from one boundary to the next is its value at the second less its value
at the first. Summed over consecutive slices that telescopes: whatever the scrape phase, nothing is
counted twice or lost, which `increase` cannot promise as it extrapolates. Of counters that are all
there at both boundaries and were not reset the sums may be subtracted; `movement_query` counts on
the side whether there are others, and these few are then looked at sample by sample (`movement`).
"""

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import promql_parser

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.histogram import Portion

SIDE = "sluice_side"
PART = "sluice_part"
RESETS_UNIT = 1e9
# How far back the value at a boundary may lie: Prometheus' default lookback.
LOOKBACK = 300

_METRIC = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# The parser panics on a duration that is no finite number, and prints a backtrace all the same.
_NO_DURATION = re.compile(
    r"(\boffset|\[[^\]:]*:|\[)[\s+-]*(nan\b|inf\b|[0-9._]*e[0-9+]|[0-9.]{12})", re.IGNORECASE
)
_STRING = re.compile(r"""#.*|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*'|`[^`]*`""")
# It recurses at each, and a stack that overflows ends the process.
_NESTING = re.compile(r"[-+*/%^(\[]")
_DEEPEST = 200
_OPERATORS = {"Equal": "=", "NotEqual": "!=", "Re": "=~", "NotRe": "!~"}


class Side(StrEnum):
    """What the events of a selector are."""

    TOTAL = "total"
    BAD = "bad"
    GOOD = "good"


class Part(StrEnum):
    """What a member of a query's answer says of one side; NaN and infinite values do not count."""

    MOVED = "moved"  # the movement of the plain series: at both boundaries, not decreased
    MATCHED = "matched"  # how many these are
    SEEN = "seen"  # how many have samples in or just before the slice; resets times RESETS_UNIT
    PRESENT = "present"  # how many have a value at the slice's end
    VALUE = "value"  # the sum of these values
    START_PRESENT = "start-present"  # how many have a value at its start
    START_VALUE = "start-value"  # the sum of these values
    START_OLDEST = "start-oldest"  # the time of the oldest of them
    STEADY = "steady"  # at how many steps inside any has a value
    DOUBT = "doubt"  # how many series `MOVED` misses or misjudges; -1 without any series
    SHAPE = "shape"  # the native histograms at both ends, as one with all buckets that any has


class Fact(StrEnum):
    """What is asked about the targets of new series."""

    UP = "up"
    STARTED = "started"
    EXPOSED = "exposed"
    SIBLING = "sibling"


@dataclass(frozen=True, slots=True)
class Matcher:
    """A label matcher; `operator` is as PromQL writes it.

    A name that is not of the old kind stands in quotes, which Prometheus knows since 3.0.
    """

    label: str
    operator: str
    value: str

    def __str__(self) -> str:
        label = self.label if _LABEL.fullmatch(self.label) else quote(self.label)
        return f"{label}{self.operator}{quote(self.value)}"


@dataclass(frozen=True, slots=True)
class Selector:
    """A vector selector of one metric.

    Attributes:
        replica: the label by which series differ that are the same counter, scraped more than
            once; empty if there is none. It is no part of the selector as text.
        portion: what counts of the native histograms that it selects; None if it selects counters.
            It is no part of the selector as text either.
    """

    metric: str
    matchers: tuple[Matcher, ...] = ()
    replica: str = ""
    portion: Portion | None = None

    def __str__(self) -> str:
        matchers = ",".join(map(str, self.matchers))
        if not _METRIC.fullmatch(self.metric):
            return f"{{{','.join(filter(None, [quote(self.metric), matchers]))}}}"
        return f"{self.metric}{{{matchers}}}" if matchers else self.metric

    def narrowed(self, *matchers: Matcher) -> "Selector":
        """The selector with further matchers."""
        return replace(self, matchers=(*self.matchers, *matchers))


def quote(text: str) -> str:
    """`text` as a PromQL string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def one_of(label: str, values: set[str]) -> Matcher:
    """A matcher of exactly these values of a label."""
    return Matcher(label, "=~", "|".join(re.escape(value) for value in sorted(values)))


def parse_selector(text: str, where: str) -> Selector | Failure:
    """The selector that `text` is.

    Args:
        text: what the user wrote.
        where: the field it stands in, for the message.

    Returns:
        The selector, or why it is none: no PromQL, more than a selector, or not of one metric.
    """
    expression = _parse(text)
    if isinstance(expression, str):
        return _invalid(where, text, expression)
    if not isinstance(expression, promql_parser.VectorSelector):
        return _invalid(
            where, text, "a vector selector alone is needed, without functions, operators or ranges"
        )
    if expression.offset is not None or expression.at is not None:
        return _invalid(where, text, "offset and @ cannot be used: leave them out")
    if expression.matchers.or_matchers:
        return _invalid(where, text, "'or' between matchers is no PromQL: use =~ with alternatives")
    return _selector(expression, text, where)


def is_expression(text: str) -> bool:
    """Whether `text` is PromQL at all."""
    return not isinstance(_parse(text), str)


def _parse(text: str) -> Any:
    """The expression that `text` is, or as a string why it is none."""
    bare = _STRING.sub(_emptied, text)
    if len(_NESTING.findall(bare)) > _DEEPEST:
        return f"it has more than {_DEEPEST} operators and brackets: write it shorter"
    if _NO_DURATION.search(bare):
        return "a duration is no finite number: write it as in 5m"
    try:
        return promql_parser.parse(text)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # noqa: BLE001 - a panic of the parser is no Exception
        return str(error)


def _emptied(literal: re.Match[str]) -> str:
    """A comment as nothing, a string as an empty one."""
    return " " if literal[0].startswith("#") else '""'


def _selector(expression: Any, text: str, where: str) -> Selector | Failure:
    matchers = [
        Matcher(matcher.name, _OPERATORS[str(matcher.op).rpartition(".")[2]], matcher.value)
        for matcher in expression.matchers.matchers
    ]
    named = [m for m in matchers if m.label == "__name__" and m.operator == "="]
    metric = expression.name or (named[0].value if named else "")
    if not metric:
        return _invalid(where, text, "name one metric, as in http_requests_total{...}")
    others = tuple(matcher for matcher in matchers if matcher not in named[:1])
    for matcher in others:
        if not matcher.label or matcher.label == "__name__":
            return _invalid(where, text, f"{matcher.label!r} cannot be matched on here")
    return Selector(metric, others)


def _invalid(where: str, text: str, problem: str) -> Failure:
    return Failure(Reason.INVALID_QUERY, f"{where}: {text!r}: {problem}")


def labelled(expression: str, **labels: str) -> str:
    """`expression` with labels set on every series of it."""
    for label, value in labels.items():
        expression = f'label_replace({expression},"{label}",{quote(value)},"","")'
    return expression


def union(*members: str) -> str:
    """All series of the expressions, which must differ in a label."""
    return " or ".join(members)


def movement_query(selectors: dict[Side, Selector], width: int, lookback: int = LOOKBACK) -> str:
    """For each side: the values at both ends of the last `width` seconds, and who has them.

    Their difference is the movement if `START_PRESENT`, `PRESENT` and `SEEN` are the same number:
    the series at either end are among those seen, so they are the same ones, and `SEEN` says that
    none was reset. It looks back `lookback` seconds before the first boundary, which must take in
    the samples whose values are those at the boundary: `oldest_query` says whether it does.

    Of counters with replicas it gives `MOVED` and `MATCHED`: the movement is that if `MATCHED` and
    `SEEN` are the same number. Where one replica is gone and the other behind it, a counter's value
    goes down though none was reset, which shows only counter by counter.
    """
    return union(
        *(
            labelled(expression, **{SIDE: side, PART: part})
            for side, selector in selectors.items()
            for part, expression in _movement(selector, width, lookback).items()
        ),
        *_shapes(selectors, width),
    )


def _movement(selector: Selector, width: int, lookback: int) -> dict[Part, str]:
    """The parts of one side."""
    before = _before(selector, width)
    parts = {
        Part.SEEN: f"sum(1+{RESETS_UNIT:g}*{_resets(selector, width, lookback)})",
        Part.PRESENT: f"count({_values(selector)}<Inf)",
        Part.VALUE: f"sum({_values(selector)}<Inf)",
        Part.START_VALUE: f"sum({before}<Inf)",
    }
    if not selector.replica:
        return parts | {Part.START_PRESENT: f"count({before}<Inf)"}
    plain = _plain(selector, width)
    return parts | {Part.MOVED: f"sum({plain})", Part.MATCHED: f"count({plain})"}


def hours_query(selectors: dict[Side, Selector], width: int, step: int) -> str:
    """What `movement_query` asks for; and for each side `STEADY`, at every `step` seconds.

    The last step is at the end of the `width` seconds, of which `step` is a part.
    """
    # Prometheus 2 takes in what is exactly at a range's start, Prometheus 3 does not.
    seconds = width - step + 1
    return union(
        movement_query(selectors, width),
        *(
            labelled(
                f"count_over_time(count({_values(selector)}<Inf)[{seconds}s:{step}s])",
                **{SIDE: side, PART: Part.STEADY},
            )
            for side, selector in selectors.items()
        ),
    )


def oldest_query(selectors: dict[Side, Selector], width: int) -> str:
    """For each side: `START_OLDEST`; cheap of one slice, but its price grows with their square."""
    return union(
        *(
            labelled(
                f"min(timestamp({selector} offset {width}s))",
                **{SIDE: side, PART: Part.START_OLDEST},
            )
            for side, selector in selectors.items()
        )
    )


def tick_query(selectors: dict[Side, Selector], watched: Side, width: int) -> str:
    """For each side: the movement of the plain series since `width` seconds ago; a cheap read.

    Of the side `watched` it also tells how many series there are, as new ones show there.
    """
    present = f"count({_values(selectors[watched])}<Inf)"
    return union(
        labelled(present, **{SIDE: watched, PART: Part.PRESENT}),
        *(
            labelled(f"sum({_plain(selector, width)})", **{SIDE: side, PART: Part.MOVED})
            for side, selector in selectors.items()
        ),
        *_shapes(selectors, width),
    )


def value_query(selectors: dict[Side, Selector]) -> str:
    """For each side: the sum of the counters' values."""
    return union(
        *(
            labelled(f"sum({_values(selector)}<Inf)", **{SIDE: side, PART: Part.VALUE})
            for side, selector in selectors.items()
        )
    )


def existence_query(selector: Selector, seconds: int) -> str:
    """How many series have had samples in the last `seconds`; nothing if none has."""
    return f"count(last_over_time({selector}[{seconds}s]))"


def density_query(selector: Selector, seconds: int) -> str:
    """The most samples that a series has in the last `seconds`, of those that are older."""
    before = f"last_over_time({selector}[{seconds // 2}s] offset {seconds}s)"
    return f"max(count_over_time({selector}[{seconds}s]) and {before})"


def exceptions_query(selector: Selector, width: int) -> str:
    """The series that `MOVED` misses or misjudges, and the movement of the others (by `PART`)."""
    resets, plain = _resets(selector, width, LOOKBACK), _plain(selector, width)
    rest = f"sum(({plain}) unless ({resets}>0))"
    return union(
        labelled(rest, **{PART: Part.MOVED}), f"({resets}>0)", f"({resets} unless ({plain}))"
    )


def moved_expression(selector: Selector, width: int) -> str:
    """The movement of the plain series in the last `width` seconds; nothing without any."""
    return f"sum({_plain(selector, width)})"


def doubt_expression(selector: Selector, width: int) -> str:
    """How many series are not plain, and how often they were reset; -1 without any series.

    Of a side where it gives 0, `moved_expression` is the whole movement: each series that has
    samples in or just before the slice is at both of its ends, and was not reset.
    """
    seen = f"sum(1+{_resets(selector, width, LOOKBACK)})"
    return f"({seen}-(count({_plain(selector, width)}) or vector(0))) or vector(-1)"


def facts_query(total: Selector, jobs: set[str], instances: set[str], width: int) -> str:
    """What is known of the targets with these labels, labelled with `PART`."""
    targets = (one_of("job", jobs), one_of("instance", instances))
    started = Selector("process_start_time_seconds", targets)
    exposed = Selector("scrape_samples_scraped", targets)
    facts = {
        Fact.UP: str(Selector("up", targets)),
        Fact.STARTED: f"last_over_time({started}[{width}s])",
        Fact.EXPOSED: f"max_over_time({exposed}[{width}s])",
    }
    return union(
        *(labelled(_once(fact, total), **{PART: name}) for name, fact in facts.items()),
        labelled(f"count by(job,instance)({total.narrowed(*targets)})", **{PART: Fact.SIBLING}),
    )


def boundaries_query(buckets: Selector) -> str:
    """The bucket boundaries of a classic histogram, one series each."""
    return f"count by(le)({buckets})"


def shape_query(selector: Selector) -> str:
    """All native histograms that are selected, as one with only the boundaries that all have.

    It is asked for with a label, as in `movement_query`: Prometheus 2.42 makes a number of it.
    """
    return labelled(f"sum({selector})", **{PART: Part.SHAPE})


def stored_query(selector: Selector) -> str:
    """How many series of native histograms there are, whether or not they can be added up."""
    return f"count(histogram_count({selector}))"


def _shapes(selectors: dict[Side, Selector], width: int) -> list[str]:
    """Of native histograms, the part `SHAPE`; they are the same ones on both sides.

    Adding up gives the coarsest resolution of all, and of custom boundaries those that all have.
    """
    total = selectors[Side.TOTAL]
    if total.portion is None:
        return []
    now, before = f"sum({total})", f"sum({total} offset {width}s)"
    shape = f"({now}+{before} or {now} or {before})"
    return [labelled(shape, **{SIDE: Side.TOTAL, PART: Part.SHAPE})]


def _once(expression: str, selector: Selector) -> str:
    """`expression` of the selector's series, with one series a counter in place of its replicas'.

    The highest value is that of the latest scrape: a counter only grows, but for resets.
    """
    return f"max without({selector.replica})({expression})" if selector.replica else expression


def _values(selector: Selector) -> str:
    return _once(_counts(selector, str(selector)), selector)


def _before(selector: Selector, width: int) -> str:
    return _once(_counts(selector, f"{selector} offset {width}s"), selector)


def _counts(selector: Selector, vector: str) -> str:
    """The counters that are, or are in, the series that `vector` gives."""
    return vector if selector.portion is None else selector.portion.expression(vector)


def _plain(selector: Selector, width: int) -> str:
    """Each series' movement; without those that are NaN or infinite, or have decreased."""
    return f"(({_values(selector)}-{_before(selector, width)})>=0)<Inf"


def _resets(selector: Selector, width: int, lookback: int) -> str:
    """Each series' resets since the first boundary's value, which may lie before the boundary."""
    return _once(f"resets({selector}[{width + lookback}s])", selector)
