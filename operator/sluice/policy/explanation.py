"""Why a decision was taken, as values that can be put into a sentence of any length."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import ROUND_FLOOR, Decimal

from sluice.api.policy import Admission, Stage, StageCondition
from sluice.api.slo import Level

UNCUT = 253
"""Characters of a name that are shown at most: as long as a Kubernetes name can be."""


@dataclass(frozen=True, slots=True)
class Measured:
    """A known budget decided.

    Attributes:
        objective: The objective's name.
        remaining: What is left of its budget, in percent.
        window: The objective's window ("30d").
        limit: Where deployments stop, and when they go on ("freeze below 20%").
        corrections: How many corrections the budget is measured with.
    """

    objective: str
    remaining: Decimal
    window: str
    limit: str
    corrections: int = 0

    def sentence(self, *, width: int = UNCUT, brief: bool = False) -> str:
        """The cause without a full stop, names cut to `width`; `brief` leaves out the limit."""
        text = f"SLO {shorten(self.objective, width)} has {_left(self.remaining, self.window)}"
        if brief:
            return text
        if self.corrections:
            text += f" with {self.corrections} correction{'s' if self.corrections > 1 else ''}"
        return f"{text} ({self.limit})"


@dataclass(frozen=True, slots=True)
class Unseen:
    """The budget that matters is unknown.

    Attributes:
        objective: The objective that cannot be seen; None if none was ever seen or is selected.
        fact: What is the matter, without the objective's name ("is unknown since ...").
        remaining: What was left when it was last seen, in percent.
        window: The objective's window; empty if that is unknown too.
        consequence: What follows ("stage Healthy is held until ...").
    """

    objective: str | None
    fact: str
    remaining: Decimal | None
    window: str
    consequence: str

    def sentence(self, *, width: int = UNCUT, brief: bool = False) -> str:
        """The cause without a full stop, names cut to `width`; `brief` gives only the fact."""
        subject = "" if self.objective is None else f"SLO {shorten(self.objective, width)} "
        text = f"{subject}{self.fact}"
        if brief:
            return text
        if self.remaining is not None:
            text += f" and had {_left(self.remaining, self.window)}"
        return f"{text}; {self.consequence}"


@dataclass(frozen=True, slots=True)
class ByHand:
    """Somebody decided.

    Attributes:
        author: Who did.
        until: Until when.
        ticket: The incident or change request; empty if none was named.
        why: Why, in the author's words.
        act: What they did.
    """

    author: str
    until: datetime
    ticket: str
    why: str
    act: str = "frozen by hand"

    def sentence(self, *, width: int = UNCUT, brief: bool = False) -> str:
        """The cause without a full stop, each text cut to `width`; `brief` leaves out why."""
        text = f"{self.act} by {shorten(self.author, width)} until {minute(self.until)}"
        if brief:
            return text
        ticket = f" ({shorten(self.ticket, width)})" if self.ticket else ""
        return f"{text}{ticket}: {shorten(self.why.rstrip('.'), width)}"


Cause = Measured | Unseen | ByHand


def shorten(name: str, width: int) -> str:
    """`name` in printable characters, cut to `width` (at least 3) with two dots at the end."""
    printable = "".join(char if char.isprintable() else "?" for char in name)
    return printable if len(printable) <= width else f"{printable[: width - 2]}.."


def minute(time: datetime) -> str:
    """`time` (aware) in UTC to the minute: `2026-08-20T10:04Z`."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%MZ")


def percent(value: Decimal) -> str:
    """`value` with one decimal, rounded down: 19.96 is below a limit of 20 and must look so."""
    return f"{value.quantize(Decimal('0.1'), rounding=ROUND_FLOOR):f}%"


def limit(
    stages: Sequence[Stage],
    in_force: int,
    *,
    remaining: Decimal,
    above: Decimal,
    leaves_at: datetime | None,
) -> str:
    """Where deployments stop, and how the stage in force is left: "freeze below 20%".

    Args:
        stages: From mild to severe, two at least.
        in_force: The index of the stage in force.
        remaining: The deciding budget, in percent.
        above: `recovery.above`, in points.
        leaves_at: When the stage is left if the budget stays where it is; None if it is not
            recovering.
    """
    stage = stages[_stage_that_stops(stages, in_force)]
    when = stages[in_force].when
    text = f"{_verb(stage)} {_condition(stage.when)}" if stage.when is not None else stage.name
    if when is None:
        return text
    denies = stages[in_force].admission is Admission.DENY
    leave = "thaw" if denies else f"{_name(stages[in_force])} ends"
    if leaves_at is not None:
        return f"{text}, {leave} at {minute(leaves_at)} if it holds"
    if when.remaining_below is not None and remaining >= Decimal(when.remaining_below):
        return f"{text}, {leave} from {Decimal(when.remaining_below) + above:f}%"
    return text


def _stage_that_stops(stages: Sequence[Stage], in_force: int) -> int:
    """The stage in force if it denies, else the first that does, else the next worth naming."""
    if stages[in_force].admission is Admission.DENY:
        return in_force
    denying = (i for i, stage in enumerate(stages) if stage.admission is Admission.DENY)
    return next(denying, max(in_force, 1))


def _verb(stage: Stage) -> str:
    verbs = {Admission.DENY: "freeze", Admission.LIMIT: "limit"}
    return verbs.get(stage.admission) or _name(stage)


def _name(stage: Stage) -> str:
    return f"stage {stage.name}"


def _condition(when: StageCondition) -> str:
    parts = []
    if when.remaining_below is not None:
        parts.append(f"below {when.remaining_below}%")
    if when.burn_rate_above is not None:
        burn = when.burn_rate_above
        parts.append(f"at a {burn.window} burn rate above {burn.value}")
    if when.level is not None:
        parts.append(f"at level {when.level}{'' if when.level is Level.PAGE else ' or worse'}")
    return " and ".join(parts)


def _left(remaining: Decimal, window: str) -> str:
    budget = f"{shorten(window, 16)} budget" if window else "budget"
    return f"{percent(remaining)} of its {budget} left"
