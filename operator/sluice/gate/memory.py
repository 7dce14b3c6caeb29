"""What the gate knows: policies and overrides whole, of workloads and revisions what is asked.

Of a pod template only digests are kept, and only in namespaces that have a policy.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from sluice.api.override import GateOverride
from sluice.api.policy import DENIALS, ErrorBudgetPolicy
from sluice.api.reading import read
from sluice.gate import kinds
from sluice.gate.kinds import REVISIONS, Retained
from sluice.kube.resources import OVERRIDES, POLICIES, Resource
from sluice.policy.admission import Change, Governor, State
from sluice.policy.fingerprint import Fingerprint
from sluice.policy.limit import Deployed
from sluice.policy.recorded import frozen_apart, recorded

_log = structlog.get_logger(__name__)
_UNSEEN = timedelta(seconds=30)
"""How long a deployment that passed is remembered: by then its revision has been seen, or the API
server did not take it for another reason."""
_MOST_GONE = 10_000
"""Deleted workloads that are remembered at most, for whoever creates them again."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload, without what it deploys."""

    uid: str
    state: State


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A policy that was written for another version of its definition: it denies nothing."""

    problem: str


Name = tuple[str, str]
"""Namespace and name."""


class Memory:
    """Takes in what reflectors tell, and answers from it; nothing here waits for anything."""

    def __init__(self, *, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._policies: dict[str, dict[str, ErrorBudgetPolicy | Unreadable]] = {}
        self._overrides: dict[str, dict[str, GateOverride]] = {}
        self._governors: dict[str, tuple[Governor, ...]] = {}
        self._workloads: dict[str, dict[Name, Workload]] = {}
        self._revisions: dict[str, dict[tuple[str, str], Retained]] = {}
        self._known: set[str] = set()
        self._dropped: set[tuple[str, Name]] = set()
        self._gone: dict[tuple[str, Name], None] = {}
        self._passed: dict[str, Deployed] = {}

    def put(self, resource: Resource, body: dict[str, Any]) -> None:
        """Take an object in. One that makes no sense is left out: it must not stop the others."""
        try:
            self._put(resource, body)
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            name = "/".join(_name(body))
            _log.warning("object left out", kind=resource.kind, name=name, error=str(error))

    def _put(self, resource: Resource, body: dict[str, Any]) -> None:
        namespace, name = _name(body)
        if resource is POLICIES:
            policy = read(ErrorBudgetPolicy, body)
            self._policies.setdefault(namespace, {})[name] = (
                Unreadable("; ".join(map(str, policy))) if isinstance(policy, list) else policy
            )
            self._governors.pop(namespace, None)
        elif resource is OVERRIDES:
            override = read(GateOverride, body)
            # What cannot be read lets nothing pass, and what it was before does not either.
            self._overrides.setdefault(namespace, {}).pop(name, None)
            if not isinstance(override, list):
                self._overrides[namespace][name] = override
            self._governors.pop(namespace, None)
        elif resource in REVISIONS:
            self._put_revision(resource, namespace, name, body)
        else:
            state = State(kinds.labels_of(resource.kind, body), kinds.is_controlled(body))
            found = Workload(body["metadata"]["uid"], state)
            self._workloads.setdefault(resource.kind, {})[namespace, name] = found
            self._gone.pop((resource.kind, (namespace, name)), None)

    def _put_revision(
        self, resource: Resource, namespace: str, name: str, body: dict[str, Any]
    ) -> None:
        if namespace not in self._policies:
            return
        found = kinds.retained(resource, body)
        if found is not None and (resource.plural, (namespace, name)) not in self._dropped:
            self._revisions.setdefault(namespace, {})[resource.plural, name] = found

    def drop(self, resource: Resource, body: dict[str, Any]) -> None:
        """Forget an object."""
        self._drop(resource, _name(body))

    def retain(self, resource: Resource, namespace: str | None, names: set[Name]) -> None:
        """Forget the objects of `namespace` (all if None) that are not among `names`."""
        for name in list(self._names(resource)):
            if name not in names and namespace in {None, name[0]}:
                self._drop(resource, name)

    def _drop(self, resource: Resource, key: Name) -> None:
        namespace, name = key
        if resource is POLICIES:
            self._policies.get(namespace, {}).pop(name, None)
            self._governors.pop(namespace, None)
            if not self._policies.get(namespace):
                self._forget(namespace)
        elif resource is OVERRIDES:
            self._overrides.get(namespace, {}).pop(name, None)
            self._governors.pop(namespace, None)
        elif resource in REVISIONS:
            self._revisions.get(namespace, {}).pop((resource.plural, name), None)
            if namespace in self._policies and namespace not in self._known:
                # A list that is on its way may still have it.
                self._dropped.add((resource.plural, key))
        else:
            found = self._workloads.get(resource.kind, {}).pop(key, None)
            if found is not None and self._is_frozen(resource.kind, key, found.state):
                self._remember_gone(resource.kind, key)

    def _forget(self, namespace: str) -> None:
        """A namespace without a policy is none of our business."""
        self._policies.pop(namespace, None)
        self._revisions.pop(namespace, None)
        self._known.discard(namespace)
        self._dropped = {one for one in self._dropped if one[1][0] != namespace}

    def _names(self, resource: Resource) -> Iterator[Name]:
        if resource is POLICIES or resource is OVERRIDES:
            kept: Mapping[str, Mapping[str, Any]] = (
                self._policies if resource is POLICIES else self._overrides
            )
            yield from ((namespace, name) for namespace, names in kept.items() for name in names)
        elif resource in REVISIONS:
            for namespace, revisions in self._revisions.items():
                yield from (
                    (namespace, name) for plural, name in revisions if plural == resource.plural
                )
        else:
            yield from self._workloads.get(resource.kind, {})

    def _is_frozen(self, kind: str, key: Name, state: State) -> bool:
        change = Change(kind=kind, namespace=key[0], name=key[1], user="", after=state)
        return any(
            ruled.decision is not None
            and ruled.decision.effective(self._clock()) in DENIALS
            and one.governs(change, state)
            for one in self.governors(key[0])
            for ruled in one.rulings(change)
        )

    def _remember_gone(self, kind: str, key: Name) -> None:
        self._gone[kind, key] = None
        if len(self._gone) > _MOST_GONE:
            del self._gone[next(iter(self._gone))]

    def was_deleted(self, kind: str, key: Name) -> bool:
        """Whether a workload was deleted while it was frozen, and has not been created again."""
        return (kind, key) in self._gone

    def governors(self, namespace: str) -> tuple[Governor, ...]:
        """The policies of a namespace, by name, each with what its status records."""
        found = self._governors.get(namespace)
        if found is None:
            overrides = tuple(self._overrides.get(namespace, {}).values())
            found = tuple(
                Governor(policy, recorded(policy), overrides, frozen_apart(policy))
                for _, policy in sorted(self._policies.get(namespace, {}).items())
                if isinstance(policy, ErrorBudgetPolicy)
            )
            self._governors[namespace] = found
        return found

    def unreadable(self, namespace: str) -> tuple[str, ...]:
        """The names of the policies of a namespace that cannot be read."""
        policies = self._policies.get(namespace, {})
        return tuple(name for name, one in policies.items() if isinstance(one, Unreadable))

    def all_governors(self) -> Iterator[Governor]:
        """Every policy that can be read."""
        for namespace in sorted(self._policies):
            yield from self.governors(namespace)

    def count_unreadable(self) -> int:
        """How many policies cannot be read."""
        return sum(len(self.unreadable(namespace)) for namespace in self._policies)

    def workload(self, kind: str, namespace: str, name: str) -> Workload | None:
        """A workload that exists."""
        return self._workloads.get(kind, {}).get((namespace, name))

    def revisions(self, namespace: str, *, owner: str = "") -> tuple[Retained, ...] | None:
        """What a workload can be rolled back to, or all workloads of a namespace; None: not known.

        Nothing is kept, and nothing needed, of a namespace without a policy.
        """
        if namespace in self._policies and namespace not in self._known:
            return None
        found = self._revisions.get(namespace, {}).values()
        return tuple(one for one in found if not owner or one.owner == owner)

    def templates(self, namespace: str, *, owner: str = "") -> tuple[Fingerprint, ...] | None:
        """`revisions`, for a verdict."""
        found = self.revisions(namespace, owner=owner)
        return None if found is None else tuple(one.deploys for one in found)

    def deployed(
        self, namespace: str, *, owner: str, but: Fingerprint | None = None
    ) -> tuple[Deployed, ...]:
        """A workload's revisions, and the one that has just passed here and has none yet.

        `but` is a template of which that it has just passed does not count: it is sent again.
        """
        found = [
            Deployed(one.created, one.deploys, one.annotations)
            for one in self.revisions(namespace, owner=owner) or ()
            if one.created is not None
        ]
        passed = self._passed.get(owner)
        again = passed is not None and but is not None and passed.deploys.equals(but)
        if passed is not None and not again and self._clock() - passed.created < _UNSEEN:
            found.append(passed)
        return tuple(found)

    def passed(self, owner: str, deploys: Fingerprint | None) -> None:
        """A deployment that a limit counts was let through: its revision will be seen later."""
        now = self._clock()
        self._passed = {uid: it for uid, it in self._passed.items() if now - it.created < _UNSEEN}
        if deploys is not None:
            self._passed[owner] = Deployed(now, deploys)

    def unlisted(self) -> list[str]:
        """Namespaces with a policy whose revisions have not been listed yet."""
        return sorted(self._policies.keys() - self._known)

    def listed(self, namespaces: list[str]) -> None:
        """The revisions of these namespaces have been listed."""
        self._dropped = {one for one in self._dropped if one[1][0] not in namespaces}
        self._known.update(namespace for namespace in namespaces if namespace in self._policies)


def _name(body: Mapping[str, Any]) -> Name:
    metadata = body["metadata"]
    return metadata.get("namespace", ""), metadata["name"]
