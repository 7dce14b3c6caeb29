"""Recording rules that count for an objective, to be evaluated by a ruler. Pure.

What is recorded are counts, not ratios: the events of each slice, by the same movement of counters
that the reader asks for (`promql`). Rulers evaluate a group at times of its own, off the slices'
boundaries by a part of its interval. The steps of a subquery however are multiples of its
resolution since the epoch (prometheus.io/docs/prometheus/latest/querying/basics, "Subquery"), so
`last_over_time(X[300s:300s])` is what X was at the last boundary, whenever it is evaluated: a
sample tells by its own time which slice it is of (`ended`), and slices telescope as they do there.

Beside the movement, the doubt is recorded: how many series came, went or were reset, of which the
movement of a sum says too little. Such slices are read sample by sample. So rules guess nothing.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.budget.counts import SLICE
from sluice.indicators import promql
from sluice.indicators.counted import Counted
from sluice.indicators.expressions import Answered, Expression
from sluice.indicators.promql import PART, SIDE, Part, Side
from sluice.indicators.query_reader import Limited, Queried

SLICES = "sluice:slice_events"
"""What was counted in a slice; a sample a slice."""
MINUTES = "sluice:minute_events"
"""The same of a minute, of plain series only: what there is before a slice is closed."""
ID = "sluice_id"
"""The label by which an objective's series are found: they are of one definition of its rules."""

MINUTE = 60
_LENGTH = 16


@dataclass(frozen=True, slots=True)
class Subject:
    """Whose counts are recorded."""

    uid: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One recording rule: a member of one side, of an expression that gives it at any time."""

    record: str
    side: Side
    part: Part | Answered
    expression: str


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one objective; `id` differs wherever they do."""

    subject: Subject
    id: str
    rules: tuple[Rule, ...]

    def spec(self) -> dict[str, Any]:
        """The `spec` of a PrometheusRule, which is a rule file of Prometheus, too."""
        widths = {SLICES: SLICE, MINUTES: MINUTE}
        return {
            "groups": [
                {
                    "name": f"{record}:{self.subject}",
                    "interval": f"{width // MINUTE}m",
                    "rules": [self._rule(it) for it in self.rules if it.record == record],
                }
                for record, width in widths.items()
            ]
        }

    def _rule(self, rule: Rule) -> dict[str, Any]:
        labels = {
            ID: self.id,
            "sluice_namespace": self.subject.namespace,
            "sluice_objective": self.subject.name,
            SIDE: str(rule.side),
            PART: str(rule.part),
        }
        return {"record": rule.record, "expr": rule.expression, "labels": labels}


def render(found: Counted | Queried | Limited, subject: Subject, *, settle: int) -> Rules:
    """The rules that record what `found` counts.

    Args:
        found: the counters or queries of an indicator; their texts are parsed PromQL.
        subject: the objective that they are of.
        settle: seconds after a slice's end before it is counted.
    """
    some = _counted(found) if isinstance(found, Counted) else _queried(found.expressions)
    rules = tuple(_aligned(rule, settle) for rule in some)
    content = json.dumps([subject.uid, *([it.side, it.part, it.expression] for it in rules)])
    return Rules(subject, hashlib.sha256(content.encode()).hexdigest()[:_LENGTH], rules)


def ended(time: float, width: int, settle: int) -> int:
    """When the slice (the minute) ended that a sample of `time` is of; Unix seconds."""
    return int((time - settle) // width) * width


def _aligned(rule: Rule, settle: int) -> Rule:
    """The rule with what its expression was at the last boundary that has settled."""
    width = SLICE if rule.record == SLICES else MINUTE
    late = f" offset {settle}s" if settle else ""
    aligned = f"last_over_time(({rule.expression})[{width}s:{width}s]{late})"
    return Rule(rule.record, rule.side, rule.part, aligned)


def _counted(counted: Counted) -> Iterator[Rule]:
    for side, selector in counted.selectors.items():
        yield Rule(SLICES, side, Part.MOVED, promql.moved_expression(selector, SLICE))
        yield Rule(SLICES, side, Part.DOUBT, promql.doubt_expression(selector, SLICE))
        yield Rule(MINUTES, side, Part.MOVED, promql.moved_expression(selector, MINUTE))


def _queried(expressions: Mapping[Side, Expression]) -> Iterator[Rule]:
    """A query over a minute may find nothing: a minute is a fifth of the five up to its end."""
    for side, expression in expressions.items():
        # A line of its own, so that a comment at the end does not take the rest with it.
        query = f"({expression.over(SLICE)}\n)"
        yield Rule(SLICES, side, Answered.VALUE, f"sum({query})")
        yield Rule(SLICES, side, Answered.SERIES, f"count({query}) or vector(0)")
        yield Rule(MINUTES, side, Answered.VALUE, f"sum({query})/{SLICE // MINUTE}")
