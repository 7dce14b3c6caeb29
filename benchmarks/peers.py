"""What Sloth and Pyrra compute for the same objective, by their published formulas.

Sources: the rules in the examples of slok/sloth (`examples/_gen`, the optimized 30-day rule and the
one of `--disable-optimized-rules`) and of pyrra-dev/pyrra (`slo/rules.go`, `slo/promql.go`).
Recording rules are emulated: what Sloth's 30-day rule reads from the recorded 5-minute ratio is the
subquery of that ratio at the evaluation interval of a rule group, which by default is a minute.
"""

from dataclasses import dataclass

_EVALUATED_EVERY = "1m"


@dataclass(frozen=True, slots=True)
class Question:
    """An objective, as the formulas need it.

    Attributes:
        total: a selector of the counter of all events.
        bad: a selector of the counter of the bad ones.
        seconds: length of the window.
    """

    total: str
    bad: str
    seconds: int


def sloth(question: Question) -> str:
    """The share of bad events by Sloth's default: an average of five-minute ratios."""
    ratios = f"({_ratio(question, 300)})[{question.seconds}s:{_EVALUATED_EVERY}]"
    return f"sum_over_time({ratios}) / count_over_time({ratios})"


def sloth_unoptimized(question: Question) -> str:
    """The share of bad events by Sloth with `--disable-optimized-rules`."""
    return _ratio(question, question.seconds)


def pyrra(question: Question) -> str:
    """The share of bad events by Pyrra."""
    window = f"[{question.seconds}s]"
    bad, total = f"sum(increase({question.bad}{window}))", f"increase({question.total}{window})"
    return f"({bad} or vector(0)) / sum({total})"


def _ratio(question: Question, seconds: int) -> str:
    bad, total = (f"sum(rate({one}[{seconds}s]))" for one in (question.bad, question.total))
    return f"({bad}) / ({total})"
