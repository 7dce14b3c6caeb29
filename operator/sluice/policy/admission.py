"""A change that somebody asks for, who has a say in it, and what becomes of it: as values."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.policy.fingerprint import Fingerprint
from sluice.policy.limit import Pace
from sluice.policy.recorded import Recorded
from sluice.policy.selection import WorkloadName


class Outcome(StrEnum):
    """What becomes of a change, from mild to severe."""

    ALLOWED = "Allowed"
    WARNED = "Warned"
    DENIED = "Denied"


class Rule(StrEnum):
    """The rule that settled it."""

    NEW = "New"
    DELETING = "Deleting"
    CONTROLLED = "Controlled"
    OWN = "Own"
    NO_POLICY = "NoPolicy"
    UNCHANGED = "Unchanged"
    KILL_SWITCH = "KillSwitch"
    UNDECIDED = "Undecided"
    EXPIRED = "Expired"
    STAGE = "Stage"
    EXEMPT_USER = "ExemptUser"
    OVERRIDE = "Override"
    RECREATED = "Recreated"
    TEMPLATE_KEYS = "TemplateKeys"
    CHANGE_TYPE = "ChangeType"
    REVISIONS_UNKNOWN = "RevisionsUnknown"
    ROLLBACK = "Rollback"
    KNOWN_IMAGES = "KnownImages"
    LEAVES = "Leaves"
    DEPLOYS = "Deploys"
    NOT_COUNTED = "NotCounted"
    WITHIN_LIMIT = "WithinLimit"
    APPROVED = "Approved"
    LIMITED = "Limited"


_SILENT = frozenset({Rule.UNCHANGED, Rule.UNDECIDED, Rule.STAGE})
"""Rules that let a change pass in which no policy stood in the way."""


@dataclass(frozen=True, slots=True)
class State:
    """One version of an object.

    Attributes:
        labels: Its labels.
        controlled: Whether a controller owns it, which then is what decides on it.
        deploys: Its pod template; None where it has none.
        annotations: Its own annotations, not those of its template; left out where nothing is
            judged by them.
    """

    labels: Mapping[str, str] = field(default_factory=dict)
    controlled: bool = False
    deploys: Fingerprint | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Change:
    """A request to create or to update an object.

    Attributes:
        kind: The object's kind.
        namespace: Its namespace.
        name: Its name.
        user: Who asks.
        after: The object as it would be.
        before: As it is; None if it is to be created.
        deleting: Whether it is being deleted already.
        starts: Whether its creation starts a deployment, as that of a hook's Job does.
        recreated: Whether a workload of its name was deleted while it could not be changed.
        also_called: Further names by which an override may mean it.
    """

    kind: str
    namespace: str
    name: str
    user: str
    after: State
    before: State | None = None
    deleting: bool = False
    starts: bool = False
    recreated: bool = False
    also_called: tuple[str, ...] = ()

    @property
    def called(self) -> frozenset[str]:
        """The names by which an override may mean it."""
        return frozenset({self.name, *self.also_called})


@dataclass(frozen=True, slots=True)
class Governor:
    """A policy of the change's namespace, what holds under it, and the overrides there.

    Attributes:
        policy: The policy.
        decision: What holds for all of its workloads; None if that was never decided.
        overrides: All of the namespace's, whatever they are for.
        apart: What holds for some of its workloads beside that: manual freezes.
    """

    policy: ErrorBudgetPolicy
    decision: Recorded | None
    overrides: tuple[GateOverride, ...] = ()
    apart: tuple[Recorded, ...] = ()

    @property
    def name(self) -> str:
        """Namespace and name, as people write it."""
        return f"{self.policy.metadata.namespace}/{self.policy.metadata.name}"

    def governs(self, change: Change, state: State) -> bool:
        """Whether an object is the policy's: by kind and labels, unless a controller owns it.

        What is of Sluice itself never is, or a freeze could deny the fix of what enforces it. What
        starts a deployment is no workload, so that the kinds of workloads say nothing of it.
        """
        if self.spares(change):
            return False
        reference = self.policy.spec.workloads
        of_a_kind = change.starts or change.kind in reference.kinds
        return of_a_kind and not state.controlled and reference.selector.matches(dict(state.labels))

    def spares(self, change: Change) -> bool:
        """Whether the object is one of Sluice itself, as the policy's status tells."""
        return WorkloadName(change.kind, change.name).key in (
            self.policy.status.workloads.own or ()
        )

    def rulings(self, change: Change) -> Iterator["Governor"]:
        """This policy with each of the decisions that the change meets, that for all first."""
        yield self
        for one in self.apart:
            if not change.called.isdisjoint(one.workloads):
                yield replace(self, decision=one)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a change, and why.

    Attributes:
        outcome: Allowed, allowed with a warning that it would be denied, or denied.
        rule: The rule that settled it; of several policies the strictest one's.
        governor: The policy that settled it; None if none had a say.
        message: Of a denial: what its author reads.
        warnings: What the author of a change that passes reads.
        override: The override that lets it pass.
        pace: Under a limit: when the workload was deployed last, and may be deployed again.
        counts: Whether a limit lets it pass as the one of its interval.
    """

    outcome: Outcome
    rule: Rule
    governor: Governor | None = None
    message: str = ""
    warnings: tuple[str, ...] = ()
    override: str = ""
    pace: Pace | None = None
    counts: bool = False

    @property
    def allowed(self) -> bool:
        """Whether the change passes."""
        return self.outcome is not Outcome.DENIED

    @property
    def annotations(self) -> dict[str, str]:
        """What the API server's audit log should say; nothing where no policy stood in the way."""
        if self.governor is None or self.rule in _SILENT:
            return {}
        noted = {"verdict": self.outcome.value, "rule": self.rule.value}
        noted["policy"] = self.governor.name
        return noted | ({"override": self.override} if self.override else {})
