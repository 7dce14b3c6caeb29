"""How a large fleet is let go after a freeze: `python -m benchmarks.thaw`.

Deployments that were held, each with a change that waits to be rolled out, are thawed by a real
`sluice run` on a real API server and its controller manager; once in waves and once all at once.
What was written and what began to roll out is counted from the API server's own audit log. They
have no replicas, so that the fleet fits on one machine: a rollout begins when its ReplicaSet is
created.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.report import environment, keep, show
from e2e.harness import control_plane, wait_until
from e2e.stack import ACCOUNT, SERVICES, Stack, installed, stack
from e2e.story.manifests import Object, deployment, stages
from e2e.story.team import Team
from sluice.api.policy import Stagger
from sluice.policy.thaw import wave_size

_FLEET = 500
_WITHIN = "5m"
_PATIENCE = 1800.0
_ALL_AT_ONCE = "0s"
_AUDIT = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {level: Metadata, verbs: [patch], resources: [{group: apps, resources: [deployments]}]}
- {level: Metadata, verbs: [create], resources: [{group: apps, resources: [replicasets]}]}
- level: None
"""
_OVERRIDE: Object = {
    "apiVersion": "sluice.dev/v1alpha1",
    "kind": "GateOverride",
    "metadata": {"name": "fleet"},
    "spec": {
        "policy": "default",
        "reason": "what is deployed while it is held",
        "createdBy": "kubernetes-admin",
    },
}


@dataclass(frozen=True, slots=True)
class Thaw:
    """One thaw, as the API server saw it.

    Attributes:
        within: `recovery.stagger.within`.
        workloads: how many were held.
        seconds: from the first that was let go to the last.
        writes: on Deployments by Sluice, all of them.
        writes_a_second: in the busiest second.
        writes_a_minute: in the busiest sixty seconds.
        rollouts_a_second: that began in the busiest second.
        rollouts_a_minute: in the busiest sixty seconds.
    """

    within: str
    workloads: int
    seconds: float
    writes: int
    writes_a_second: int
    writes_a_minute: int
    rollouts_a_second: int
    rollouts_a_minute: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both thaws; 1 if more went in a minute than one wave."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workloads", type=int, default=_FLEET, help="held Deployments")
    parser.add_argument("--within", default=_WITHIN, help="recovery.stagger.within")
    options = parser.parse_args(arguments)
    with _cluster() as (running, log):
        found = [
            _measured(running, log, options.workloads, it) for it in (options.within, _ALL_AT_ONCE)
        ]
    _table(found)
    if (options.workloads, options.within) == (_FLEET, _WITHIN):
        keep("thaw", {"environment": environment(), "thaws": [asdict(it) for it in found]})
    staggered = found[0]
    wave = wave_size(staggered.workloads, Stagger(within=staggered.within))
    return 0 if staggered.writes_a_minute <= wave else 1


@contextmanager
def _cluster() -> Iterator[tuple[Stack, Path]]:
    with ExitStack() as resources:
        directory = Path(resources.enter_context(TemporaryDirectory(prefix="sluice-thaw-")))
        policy, log = directory / "policy.yaml", directory / "audit.log"
        policy.write_text(_AUDIT)
        flags = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
        plane = resources.enter_context(control_plane(api_server_flags=flags))
        kubeconfig = resources.enter_context(installed(plane))
        yield resources.enter_context(stack(plane, kubeconfig, SERVICES[:2])), log


def _measured(running: Stack, log: Path, count: int, within: str) -> Thaw:
    controller = running.run("--no-leader-elect")
    with running.plane.namespace(f"fleet-{within}") as namespace:
        team = Team(running, namespace, running.take())
        names = [f"web-{number:04}" for number in range(count)]
        team.apply(*(deployment(name, replicas=0) for name in names))
        stagger = {"above": "5", "for": "1s", "stagger": {"within": within}}
        team.start(stages=stages(pauseRollouts=True), recovery=stagger)
        team.freeze()
        _until("all held", lambda: _held(team) == count + 1)
        _deploy(team, names)
        began = time.time()
        team.service.recover()
        _until("all let go", lambda: _held(team) == 0 and not team.status()["workloads"]["changed"])
        thaw = _counted(log, namespace, began, within=within, count=count + 1)
    controller.stop()
    return thaw


def _deploy(team: Team, names: list[str]) -> None:
    """Change every template; an override lets that pass, and nothing rolls out."""
    ends = {"expiresAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 3600))}
    team.create(_OVERRIDE | {"spec": _OVERRIDE["spec"] | ends})
    _until("the override is in force", lambda: team.would_deploy(names[0]).passed)
    changed = [deployment(name, replicas=0) for name in names]
    for one in changed:
        one["spec"]["template"]["spec"]["containers"][0]["image"] = "web:2"
    team.apply(*changed)


def _held(team: Team) -> int:
    paused = "{.items[?(@.spec.paused==true)].metadata.name}"
    return len(team.kubectl("get", "deployments", "-o", f"jsonpath={paused}").stdout.split())


def _counted(log: Path, namespace: str, since: float, *, within: str, count: int) -> Thaw:
    writes, rollouts = [], []
    for event in map(json.loads, log.read_text().splitlines()):
        at = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
        if event["objectRef"].get("namespace") != namespace or at < since:
            continue
        if event["verb"] == "create":
            rollouts.append(at)
        elif event["user"]["username"] == ACCOUNT:
            writes.append(at)
    return Thaw(
        within=within,
        workloads=count,
        seconds=round(max(writes) - min(writes), 1),
        writes=len(writes),
        writes_a_second=_busiest(writes, 1.0),
        writes_a_minute=_busiest(writes, 59.0),
        rollouts_a_second=_busiest(rollouts, 1.0),
        rollouts_a_minute=_busiest(rollouts, 59.0),
    )


def _busiest(times: list[float], seconds: float) -> int:
    """The most of `times` that lie within any `seconds`."""
    ordered, first, most = sorted(times), 0, 0
    for number, at in enumerate(ordered):
        while at - ordered[first] >= seconds:
            first += 1
        most = max(most, number - first + 1)
    return most


def _until(what: str, ready: Callable[[], bool]) -> None:
    print(f"waiting: {what}", file=sys.stderr, flush=True)
    wait_until(ready, timeout=_PATIENCE, what=what, interval=2.0)


def _table(found: list[Thaw]) -> None:
    show(
        "A thaw of held Deployments, each with a change that waits",
        ["", *(f"within {it.within}" for it in found)],
        [
            ["workloads", *(f"{it.workloads}" for it in found)],
            ["seconds from first to last", *(f"{it.seconds:g}" for it in found)],
            ["writes on Deployments", *(f"{it.writes}" for it in found)],
            ["... in the busiest second", *(f"{it.writes_a_second}" for it in found)],
            ["... in the busiest minute", *(f"{it.writes_a_minute}" for it in found)],
            ["rollouts begun in the busiest second", *(f"{it.rollouts_a_second}" for it in found)],
            ["rollouts begun in the busiest minute", *(f"{it.rollouts_a_minute}" for it in found)],
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
