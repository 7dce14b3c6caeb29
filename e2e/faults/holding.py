"""A team whose freeze writes all that there is: gates, an annotation, holds on three kinds."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http import HTTPStatus
from itertools import pairwise

from e2e.faults.through import Through
from e2e.harness import Call
from e2e.harness.api import Api
from e2e.stack import Service
from e2e.story.manifests import (
    Object,
    daemon_set,
    deployment,
    objective,
    policy,
    stages,
    stateful_set,
)
from e2e.story.team import Team

SPENT = 40
"""Percent of the budget of a day that is gone when a team begins."""
LOOSE, TIGHT = "99", "99.55"
"""With the one objective 60 % of the budget are left, with the other 11 %: a freeze at once."""
STAGES = stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"})
_OURS = "sluice.dev/v1alpha1"
_GATES = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
_MERGE = "application/merge-patch+json"
_STRATEGIC_MERGE = "application/strategic-merge-patch+json"
ALL_AT_ONCE = {"above": "5", "for": "1s", "stagger": {"within": "0s"}}

_OWN = {
    "statefulset": {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}},
    "daemonset": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}},
}
_REVISION = "deployment.kubernetes.io/revision"
_KINDS = ("deployment", "statefulset", "daemonset")
_RECORDED = {
    ("deployment", "spec.paused"),
    ("statefulset", "spec.updateStrategy.rollingUpdate.partition"),
    ("daemonset", "spec.updateStrategy.type"),
    *((kind, "metadata.annotations[team.example/frozen]") for kind in _KINDS),
}


@dataclass(frozen=True)
class Holding:
    """A team, and its workloads as their owner left them."""

    team: Team
    api: Api
    owned: Object

    def demand(self, objective: str) -> None:
        """Change the objective, which makes the budget what its percentage says."""
        path = f"{self._path(_OURS)}/servicelevelobjectives/availability"
        status, answer = self.api.request(
            "PATCH", path, {"spec": {"objective": objective}}, content_type=_MERGE
        )
        assert status == HTTPStatus.OK, answer

    def mine(self, call: Call) -> bool:
        """Whether a call writes something for this team, the ledger of what was counted apart."""
        here = call.namespace == self.team.namespace
        gate = f"sluice-{self.team.namespace}." in call.name
        return call.writes and (here or gate)

    def until_frozen(self, *, timeout: float = 60.0) -> None:
        """Wait until all of the freeze is there, and on record, and a deployment is denied."""
        self.team.until("all of the freeze", self._frozen, timeout=timeout)
        self.team.until("denied", lambda: not self._would_deploy(), timeout=5)

    def until_thawed(self, *, timeout: float = 60.0) -> None:
        """Wait until nothing is left of the freeze, and see every workload as it was."""
        self.team.until("all of the thaw", self._thawed, timeout=timeout)
        assert owned(self.workloads()) == self.owned
        self.team.until("passes", self._would_deploy, timeout=5)

    def transitions(self) -> int:
        """How many changes of the stage there were, of which none may be told twice."""
        stages = [(one["from"], one["to"]) for one in self.policy()["status"]["history"]]
        assert all(later[0] == earlier[1] for later, earlier in pairwise(stages))
        return len(stages)

    def policy(self) -> Object:
        """The team's policy."""
        return self._get(f"{self._path(_OURS)}/errorbudgetpolicies/default")

    def workloads(self) -> dict[str, Object]:
        """The team's workloads by kind."""
        return {kind: self._get(f"{self._path('apps/v1')}/{kind}s/web") for kind in _KINDS}

    def _frozen(self) -> bool:
        status = self.policy()["status"]
        conditions = {it["type"]: it["reason"] for it in status["conditions"]}
        recorded = {(it["kind"].lower(), it["field"]) for it in status["workloads"]["changed"]}
        told = status["stage"] == "Exhausted" and conditions["Enforcing"] == "Enforced"
        if not told or recorded != _RECORDED:
            return False
        live = self.workloads()
        held = {
            live["deployment"]["spec"].get("paused"),
            live["statefulset"]["spec"]["updateStrategy"]["rollingUpdate"]["partition"],
            live["daemonset"]["spec"]["updateStrategy"]["type"],
            *(
                it["metadata"].get("annotations", {}).get("team.example/frozen")
                for it in live.values()
            ),
        }
        return held == {True, 2147483647, "OnDelete", "yes"} and self._gates() == len(_GATES)

    def _thawed(self) -> bool:
        policy = self.policy()
        status = policy["status"]
        return (
            status["stage"] == "Healthy"
            and status["workloads"]["changed"] == []
            and "finalizers" not in policy["metadata"]
            and self._gates() == 0
        )

    def _gates(self) -> int:
        found = [
            one["metadata"]["name"]
            for kind in _GATES
            for one in self._get(f"/apis/admissionregistration.k8s.io/v1/{kind}")["items"]
        ]
        return sum(name.startswith(f"sluice-{self.team.namespace}.") for name in found)

    def _would_deploy(self) -> bool:
        """Whether a new image would pass admission."""
        containers = [{"name": "web", "image": "web:trial"}]
        status, answer = self.api.request(
            "PATCH",
            f"{self._path('apps/v1')}/deployments/web?dryRun=All",
            {"spec": {"template": {"spec": {"containers": containers}}}},
            content_type=_STRATEGIC_MERGE,
        )
        if status == HTTPStatus.OK:
            return True
        assert status == HTTPStatus.FORBIDDEN, answer
        assert "FROZEN by ErrorBudgetPolicy" in answer["message"]
        return False

    def _path(self, version: str) -> str:
        return f"/apis/{version}/namespaces/{self.team.namespace}"

    def _get(self, path: str) -> Object:
        status, answer = self.api.request("GET", path)
        assert status == HTTPStatus.OK, answer
        found: Object = answer
        return found


def owned(workloads: dict[str, Object]) -> Object:
    """What an owner sees of workloads: spec and annotations."""
    return {kind: (it["spec"], it["metadata"].get("annotations")) for kind, it in workloads.items()}


@contextmanager
def holding(there: Through, name: str, service: Service) -> Iterator[Holding]:
    """A team with a Deployment, a StatefulSet and a DaemonSet, healthy; a controller must run."""
    local = there.stack.plane.local
    assert local is not None
    with there.stack.plane.namespace(name) as namespace:
        team = Team(there.stack, namespace, service)
        team.create(
            stateful_set(updateStrategy=_OWN["statefulset"]),
            daemon_set(updateStrategy=_OWN["daemonset"]),
            deployment(),
        )
        team.apply(objective(service.job), policy(stages=STAGES, recovery=ALL_AT_ONCE))
        team.until_stage("Healthy")
        found = Holding(team, local.api(), {})

        def settled() -> bool:
            # Kubernetes' own controllers write on what was created, too.
            metadata = found.workloads()["deployment"]["metadata"]
            rolled_out = _REVISION in metadata.get("annotations", {})
            return rolled_out and found.policy()["status"]["workloads"]["governed"] == len(_KINDS)

        team.until("all governed", settled)
        yield replace(found, owned=owned(found.workloads()))
