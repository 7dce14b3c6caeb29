"""What recording rules record: as samples to read back, or put into the formulas that read it."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from benchmarks.peers import WINDOW, Rule
from sluice.api.durations import parse_duration

_LONG = round(parse_duration(WINDOW).total_seconds())
_SHORT = 600
_VALUE = "0.0005"
_MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
_GROUPING = re.compile(r"\bby ?\((\w+)\)")


def recorded(
    rules: Sequence[Rule], end: float, values: Mapping[str, Sequence[str]]
) -> Iterator[str]:
    """The series that the rules record, as OpenMetrics text, of a constant value.

    Args:
        rules: of one objective; a series that several of them record is there once.
        end: the time up to which.
        values: of the labels that a rule may group by; more would be an error of the caller's.

    Yields:
        Samples of the whole window where a rule reads that of the series, else of ten minutes.
    """
    seen = set()
    for rule in rules:
        if not rule.records:
            continue
        read = re.compile(re.escape(rule.name) + r"\{[^}]*\}\[")
        length = _LONG if any(read.search(other.expression) for other in rules) else _SHORT
        times = range(int(end - length), int(end) + 1, rule.interval)
        for labels in _label_sets(rule, values):
            pairs = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
            series = f"{rule.name}{{{pairs}}}"
            if series not in seen:
                seen.add(series)
                yield from (f"{series} {_VALUE} {time}" for time in times)


def _label_sets(rule: Rule, values: Mapping[str, Sequence[str]]) -> Iterator[dict[str, str]]:
    grouping = _GROUPING.search(rule.expression)
    if grouping is None:
        yield dict(rule.labels)
        return
    for value in values[grouping[1]]:
        yield {grouping[1]: value, **rule.labels}


def inlined(rules: Sequence[Rule], name: str, seconds: int) -> str:
    """The formula of the rule `name` over the raw samples of the last `seconds`.

    What it reads of other rules is replaced by their expressions: at a time by the expression, over
    a range by the subquery of it at the interval at which the rule is evaluated, so that it has the
    very values that would have been recorded. Matchers of labels that a rule does not add select
    among the series that it reads, which it groups by them.

    Raises:
        ValueError: no rule, or more than one, records what is read.
    """
    expression = _inlined(rules, _one(rules, name).expression)
    return re.sub(rf"\[{WINDOW}(?=[\]:])", f"[{seconds}s", expression)


def _inlined(rules: Sequence[Rule], expression: str) -> str:
    names = {rule.name for rule in rules if rule.records}
    pattern = re.compile(
        rf"(?<![\w:])({'|'.join(sorted(map(re.escape, names), key=len, reverse=True))})"
        r"\{([^}]*)\}(\[\w+\])?"
    )

    def replace(found: re.Match[str]) -> str:
        rule = _one(rules, found[1])
        kept = [one for one in _MATCHER.finditer(found[2]) if one[1] not in rule.labels]
        text = _inlined(rules, _narrowed(rule.expression, [one[0] for one in kept]))
        if found[3] is None:
            return f"({text})"
        # `[30d:5m]` is a subquery already: the pattern does not take it for a range.
        return f"({text}){found[3][:-1]}:{rule.interval}s]"

    return pattern.sub(replace, expression)


def _narrowed(expression: str, matchers: Sequence[str]) -> str:
    """The expression of the series that match, by labels that it groups by."""
    if not matchers:
        return expression
    grouping = _GROUPING.search(expression)
    if grouping is None or any(not one.startswith(grouping[1]) for one in matchers):
        raise ValueError(f"{expression}: does not group by what {matchers} select by")
    return re.sub(r"\{([^}]*)\}", lambda own: f"{{{','.join([own[1], *matchers])}}}", expression)


def _one(rules: Iterable[Rule], name: str) -> Rule:
    found = [rule for rule in rules if rule.records and rule.name == name]
    if len(found) != 1:
        raise ValueError(f"{len(found)} rules record {name}")
    return found[0]
