"""What happens when all budgets fall at once: `python -m benchmarks.crowd`.

Many policies, each with one objective and one Deployment, in namespaces of ten, on a real API
server with its controller manager and a real Prometheus. All services fail in the same second, and
later all have recovered. What was written is counted from the API server's own audit log.
"""

import argparse
import json
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import exporter
from benchmarks.report import environment, keep, show
from e2e.harness import ScrapeTarget, control_plane, prometheus, scope, wait_until
from e2e.harness.ports import free_port
from e2e.stack import ACCOUNT, NAMESPACE, Controller, installed
from e2e.story.manifests import Object, deployment

_CROWD = 1000
_ENOUGH = 100
_TOGETHER = 10
_HISTORY = 26 * 3600.0
_SCRAPED_EVERY = 15
_BEHIND = 5.0
_PATIENCE = 1800.0
# The window is a day and what has passed of this hour: of 900,000 requests at most 9,000 may fail.
# One of an hour would move by more than 0.1 points a minute, and be written for that.
_FAILURES, _RECOVERY = 10_000, 30_000_000
_QUIET = 20.0
_AUDIT = f"""\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules:
- {{level: None, resources: [{{group: coordination.k8s.io}}]}}
- {{level: Metadata, verbs: [create, update, patch, delete], users: ["{ACCOUNT}"]}}
- level: None
"""


@dataclass(frozen=True, slots=True)
class Turn:
    """One change of all policies.

    Attributes:
        what: freeze or thaw.
        policies: how many there are.
        first: seconds from the change of all counters until the first policy had changed.
        seconds: until all had.
        lag: how late an evaluation began at the worst, in seconds.
        refused: writes that the API server refused, by verb, resource and status code.
        writes: what was written meanwhile, by verb and resource.
    """

    what: str
    policies: int
    first: float
    seconds: float
    lag: float
    refused: dict[str, int]
    writes: dict[str, int]


class Requests:
    """What all services have had at once, besides their even traffic."""

    def __init__(self) -> None:
        self.good = self.bad = 0

    def more(self, _: int, code: str) -> int:
        """Those of a service with a code."""
        return self.bad if code == "500" else self.good


@dataclass(frozen=True, slots=True)
class _World:
    size: int
    requests: Requests
    controller: Controller
    log: Path

    def frozen(self) -> int:
        """How many policies deny, as the controller tells."""
        return int(sum(self._samples("sluice_policy_frozen{")))

    def known(self) -> int:
        """How many budgets are known."""
        return int(sum(self._samples("sluice_objective_budget_known{")))

    def lag(self) -> float:
        """Its own metric."""
        return max(self._samples("sluice_schedule_lag_seconds "), default=0.0)

    def _samples(self, beginning: str) -> list[float]:
        self.controller.daemon.check()
        status, text = self.controller.page("/metrics")
        lines = text.splitlines() if status == HTTPStatus.OK else []
        return [float(it.rpartition(" ")[2]) for it in lines if it.startswith(beginning)]


def main(arguments: Sequence[str] | None = None) -> int:
    """Freeze and thaw; 1 if anything was refused."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crowd", description=__doc__)
    parser.add_argument("--policies", type=int, default=_CROWD)
    options = parser.parse_args(arguments)
    with _world(options.policies) as world:
        _until("all budgets are known", lambda: world.known() == world.size)
        time.sleep(_QUIET)
        freeze = _turn(world, "freeze", world.size, bad=_FAILURES)
        thaw = _turn(world, "thaw", 0, good=_RECOVERY)
        world.controller.stop()
    _table([freeze, thaw])
    if options.policies >= _ENOUGH:
        keep(
            "crowd", {"environment": environment(), "turns": [asdict(it) for it in (freeze, thaw)]}
        )
    return 1 if freeze.refused or thaw.refused else 0


@contextmanager
def _world(size: int) -> Iterator[_World]:
    end = time.time() - _BEHIND
    begin = end - _HISTORY
    started = begin - 3600
    requests = Requests()
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="sluice-crowd-")))
        policy, log = directory / "policy.yaml", directory / "audit.log"
        policy.write_text(_AUDIT)
        flags = [f"--audit-policy-file={policy}", f"--audit-log-path={log}"]
        plane = stack.enter_context(control_plane(api_server_flags=flags))
        kubeconfig = stack.enter_context(installed(plane))
        for first in range(0, size, _TOGETHER):
            plane.apply(*_namespace(first, min(size, first + _TOGETHER)))
            if first % 100 == 0:
                _say(f"{first} policies applied")
        address = stack.enter_context(exporter.exporter(size, started, requests.more))
        server = stack.enter_context(
            prometheus(
                history=exporter.history(size, started, begin, end, _SCRAPED_EVERY * 4),
                targets=[ScrapeTarget(exporter.JOB, address, exporter.INSTANCE)],
                interval=f"{_SCRAPED_EVERY}s",
            )
        )
        processes, port = stack.enter_context(scope("sluice-crowd-run-")), free_port()
        daemon = processes.start(
            "sluice",
            [
                *(sys.executable, "-m", "sluice", "run", "--prometheus-url", server.url),
                *("--listen", f"127.0.0.1:{port}", "--namespace", NAMESPACE),
                *("--kubeconfig", str(kubeconfig)),
            ],
            grace=60.0,
        )
        yield _World(size, requests, Controller(daemon, port), log)


def _namespace(first: int, end: int) -> list[Object]:
    namespace = f"crowd-{first // _TOGETHER}"
    objects: list[Object] = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}
    ]
    for number in range(first, end):
        for one in _team(number):
            one["metadata"]["namespace"] = namespace
            objects.append(one)
    return objects


def _team(number: int) -> list[Object]:
    """An objective, a policy about it, and the Deployment that the policy governs."""
    name = f"service-{number}"
    total = f'{exporter.METRIC}{{service="{number}"}}'
    bad = f'{exporter.METRIC}{{service="{number}",code=~"5.."}}'
    indicator = {"ratio": {"total": {"metric": total}, "bad": {"metric": bad}}}
    return [
        {
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "ServiceLevelObjective",
            "metadata": {"name": name},
            "spec": {"objective": "99", "window": {"rolling": "1d"}, "indicator": indicator},
        },
        {
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "ErrorBudgetPolicy",
            "metadata": {"name": name},
            "spec": {
                "objectives": {"names": [name]},
                "workloads": {"selector": {"matchLabels": {"app": name}}},
                "mode": "Enforce",
                "recovery": {"above": "5", "for": "1s"},
            },
        },
        deployment(name, replicas=0),
    ]


def _turn(world: _World, what: str, goal: int, *, good: int = 0, bad: int = 0) -> Turn:
    """Let all counters move at once, and wait until as many policies as are to be are frozen."""
    before = world.frozen()
    began = time.time()
    world.requests.good += good
    world.requests.bad += bad
    lag = 0.0

    def moved() -> bool:
        nonlocal lag
        lag = max(lag, world.lag())
        return world.frozen() != before

    first = _until(f"{what}: the first", moved)
    _until(f"{what}: all", lambda: moved() and world.frozen() == goal)
    seconds = time.time() - began
    time.sleep(_QUIET)
    writes, refused = _written(world.log, began)
    return Turn(
        what, world.size, round(first, 1), round(seconds, 1), round(lag, 2), refused, writes
    )


def _written(log: Path, since: float) -> tuple[dict[str, int], dict[str, int]]:
    """What was written since then, by verb and resource, and which writes were refused."""
    found: Counter[str] = Counter()
    refused: Counter[str] = Counter()
    for event in map(json.loads, log.read_text().splitlines()):
        if datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp() < since:
            continue
        about = event["objectRef"]
        parts = (event["verb"], about["resource"], about.get("subresource", ""))
        what = " ".join(filter(None, parts))
        found[what] += 1
        code = event["responseStatus"]["code"]
        if code >= HTTPStatus.BAD_REQUEST:
            refused[f"{what}: {code}"] += 1
    return dict(sorted(found.items())), dict(sorted(refused.items()))


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def _until(what: str, ready: Callable[[], bool]) -> float:
    _say(f"waiting: {what}")
    return wait_until(ready, timeout=_PATIENCE, what=what, interval=0.5)


def _table(turns: Sequence[Turn]) -> None:
    resources = sorted({name for turn in turns for name in turn.writes})
    rows = [
        ["seconds until the first", *(f"{it.first:g}" for it in turns)],
        ["seconds until all", *(f"{it.seconds:g}" for it in turns)],
        ["lag", *(f"{it.lag:g}" for it in turns)],
        ["writes refused", *(f"{sum(it.refused.values())}" for it in turns)],
        *([name, *(f"{it.writes.get(name, 0)}" for it in turns)] for name in resources),
    ]
    show(
        f"{turns[0].policies} budgets that fall at once, and recover at once",
        ["", *(it.what for it in turns)],
        rows,
    )
    for turn in turns:
        for what, times in turn.refused.items():
            print(f"{turn.what}: refused {times} times: {what}")


if __name__ == "__main__":
    sys.exit(main())
