"""The one-line texts that people meet at a gate.

All are printable and without line breaks, because message expressions of native admission must be,
and bounded: Events are cut at 1 KiB and warnings at 256 runes by the API server. Names are cut
where a text would grow too long.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from itertools import product
from typing import Protocol

from sluice.api.policy import Admission, ErrorBudgetPolicySpec
from sluice.policy.explanation import UNCUT, minute, shorten
from sluice.policy.limit import Limiting

LEAVES = "it would take the workload out of the policy"
"""Why a limit denies a change that would let the next ones pass unlimited."""

DENIAL_LIMIT = 600
"""Characters of a denial at most."""

ESSENTIAL_LIMIT = 120
"""Characters of the part of a warning that must be read, at most."""

_RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
_WIDTHS = (UNCUT, 120, 63, 40, 24, 16, 8)
"""How far names are cut, until a text fits; at the last width every text does."""

_LONGEST_REASON = 128
"""Characters of why a limit denies a change, at most."""

_LONGEST_LABEL = 63
"""Characters of a workload's name that room is kept for in a limit's message: one that has more
has no pods with a label of its name, and makes the message longer."""

_LONGEST_KIND = 63
"""Characters of a kind's name at most."""

_WARNING_WIDTHS = (63, 40, 24, 16, 8)


class Sentence(Protocol):
    """Why a decision was taken."""

    def sentence(self, *, width: int = UNCUT, brief: bool = False) -> str:
        """The cause without a full stop, names cut to `width`; `brief` has only the essence."""


class Ruling(Protocol):
    """A decision to tell of: one that was just taken, or one that a status records."""

    @property
    def namespace(self) -> str:
        """The policy's namespace."""

    @property
    def policy(self) -> str:
        """The policy's name."""

    @property
    def admission(self) -> Admission:
        """What the stage says, whatever the mode."""

    @property
    def frozen(self) -> bool:
        """Whether changes are really denied."""

    @property
    def limit(self) -> Limiting | None:
        """Which deployments pass; None if nothing limits them."""

    @property
    def since(self) -> datetime:
        """Since when the stage is in force."""

    @property
    def cause(self) -> Sentence:
        """Why."""

    @property
    def recovered_at(self) -> datetime | None:
        """When the budget is positive again if nothing more fails."""


@dataclass(frozen=True, slots=True)
class DenialParts:
    """A denial with the workload left out: `prefix + kind + infix + name + suffix`."""

    prefix: str
    infix: str
    suffix: str


def denial(
    decision: Ruling,
    spec: ErrorBudgetPolicySpec,
    *,
    workload_kind: str,
    workload_name: str,
    act: str = "Change",
    why: str = "",
) -> str:
    """What the author of a denied change reads, `DENIAL_LIMIT` characters at most.

    `why` is what a limit has against it; empty for a freeze.
    """
    kind = shorten(workload_kind, _LONGEST_KIND)
    for width in _WIDTHS:
        parts = _parts(decision, spec, width, act=act, why=why)
        name = shorten(workload_name, width)
        text = f"{parts.prefix}{kind}{parts.infix}{name}{parts.suffix}"
        if len(text) <= DENIAL_LIMIT:
            break
    return text + _recovery(decision, room=DENIAL_LIMIT - len(text))


def denial_parts(decision: Ruling, spec: ErrorBudgetPolicySpec) -> DenialParts:
    """`denial` for a gate that learns the workload later, as a CEL expression does.

    With a kind that the policy governs and a name of any length that Kubernetes allows, the whole
    has `DENIAL_LIMIT` characters at most.
    """
    limit = DENIAL_LIMIT - UNCUT - max(map(len, spec.workloads.kinds))
    for width in _WIDTHS:
        parts = _parts(decision, spec, width)
        room = limit - len(parts.prefix) - len(parts.infix) - len(parts.suffix)
        if room >= 0:
            break
    return replace(parts, suffix=parts.suffix + _recovery(decision, room=room))


def limit_parts(decision: Ruling, spec: ErrorBudgetPolicySpec) -> DenialParts:
    """`denial_parts` for a limit: between the name and the suffix comes ` denied: ` and why.

    The whole has `DENIAL_LIMIT` characters at most if the workload's name has 63 at most.
    """
    kind = max(map(len, spec.workloads.kinds))
    limit = DENIAL_LIMIT - _LONGEST_LABEL - kind - _LONGEST_REASON
    for width in _WIDTHS:
        parts = _parts(decision, spec, width, why=LEAVES)
        parts = replace(parts, suffix=parts.suffix.partition(LEAVES)[2])
        if len(parts.prefix) + len(parts.infix) + len(parts.suffix) <= limit:
            break
    return parts


def warning(decision: Ruling, *, why: str = "") -> str:
    """What the author of a change reads that passes with a warning.

    The first `ESSENTIAL_LIMIT` characters hold the essential part. In a stage that denies, with a
    policy that only warns, it goes on to say so; `why` is what a limit would have against it.
    """
    text = _essential(decision)
    if decision.admission is Admission.DENY and not decision.frozen:
        text += " In mode Enforce this change WOULD be denied."
    elif why:
        text += f" In mode Enforce this change WOULD be denied: {why}."
    return text


def _parts(
    decision: Ruling, spec: ErrorBudgetPolicySpec, width: int, *, act: str = "Change", why: str = ""
) -> DenialParts:
    namespace = shorten(decision.namespace, width)
    what, reason = ("LIMITED", f": {why}") if why else ("FROZEN", "")
    return DenialParts(
        prefix=(
            f"{what} by ErrorBudgetPolicy {namespace}/{shorten(decision.policy, width)}: "
            f"{decision.cause.sentence(width=width, brief=width == _WIDTHS[-1])}, "
            f"since {minute(decision.since)}. {act} of "
        ),
        infix=f" {namespace}/",
        suffix=f" denied{reason}; {_allowed(spec)} are allowed. {_way_out(decision)}",
    )


def _way_out(decision: Ruling) -> str:
    """The commands that let a change pass, for whoever may use them."""
    override, approve = "Override: kubectl sluice override.", "Approve: kubectl sluice approve."
    if decision.limit is None:
        return override
    needs_both = decision.limit.interval is not None and decision.limit.approval is not None
    return f"{approve} {override}" if needs_both else approve


def _allowed(spec: ErrorBudgetPolicySpec) -> str:
    """What passes a freeze; a restart only if the policy exempts what it changes.

    So do changes of a declared type.
    """
    passes = ["scaling"]
    if _RESTARTED_AT in spec.exemptions.template_keys:
        passes.append("restart")
    if spec.exemptions.change_types:
        passes.append("declared changes")
    return f"{', '.join(passes)} and rollback"


def _recovery(decision: Ruling, *, room: int) -> str:
    if decision.recovered_at is None:
        return ""
    text = f" Recovers {minute(decision.recovered_at)} if nothing more fails."
    return text if len(text) <= room else ""


def _essential(decision: Ruling) -> str:
    for brief, width in product((False, True), _WARNING_WIDTHS):
        text = (
            f"ErrorBudgetPolicy {shorten(decision.namespace, width)}/"
            f"{shorten(decision.policy, width)}: "
            f"{decision.cause.sentence(width=width, brief=brief)}."
        )
        if len(text) <= ESSENTIAL_LIMIT:
            break
    return text
