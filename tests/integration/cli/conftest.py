"""A Prometheus with a day of known history, and the real command to ask about it."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import Counts, History, Prometheus, events, prometheus, simulate

HOUR = 3600
AT = time.time() // HOUR * HOUR - HOUR
"""The time that most is checked at: a whole hour, so that a window has exactly its length."""
BEFORE = AT - 12 * HOUR
"""When everything was still well."""
TURNED = AT - 10 * HOUR

# Events a minute: all of them, and the bad ones.
TRAFFIC: dict[str, tuple[int, int]] = {
    "healthy": (100, 1),
    "spent": (100, 6),
    "low": (200, 9),
    "rare": (0, 0),
    "turned": (100, 1),
}


def traffic(instance: str, at: float) -> Counts:
    if instance == "rare":
        return events(1 if at // 60 % 10 == 0 else 0)
    if instance == "turned" and at >= TURNED:
        return events(100, bad=40)
    total, bad = TRAFFIC[instance]
    return events(total, bad=bad)


@pytest.fixture(scope="session")
def past() -> History:
    # It reaches up to the present, of which data older than five minutes would say nothing.
    return simulate(
        traffic, start=AT - 26 * HOUR, end=time.time(), targets=list(TRAFFIC), interval=60.0
    )


@pytest.fixture(scope="session")
def server(past: History) -> Iterator[Prometheus]:
    with prometheus(history=past.lines()) as running:
        yield running


def slo(instance: str, *, name: str = "", **spec: Any) -> dict[str, Any]:
    """An objective of 95 % in six hours."""
    chosen = f'instance="{instance}"'
    ratio = {
        "total": {"metric": f"http_requests_total{{{chosen}}}"},
        "bad": {"metric": f'http_requests_total{{{chosen},code="500"}}'},
    }
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ServiceLevelObjective",
        "metadata": {"name": name or instance, "namespace": "shop", "labels": {"app": instance}},
        "spec": {
            "objective": "95",
            "window": {"rolling": "6h"},
            "indicator": {"ratio": ratio},
            **spec,
        },
    }


def policy(objectives: dict[str, Any], mode: str, name: str = "default") -> dict[str, Any]:
    return {
        "apiVersion": "sluice.dev/v1alpha1",
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"objectives": objectives, "mode": mode},
    }


@dataclass(frozen=True)
class Ran:
    """What came of a run of the command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Check:
    """Runs `sluice check` in a directory of its own."""

    directory: Path
    environment: dict[str, str] = field(default_factory=dict)

    def __call__(self, *objects: dict[str, Any], flags: tuple[str, ...] = ()) -> Ran:
        (self.directory / "slo.yaml").write_text(yaml.safe_dump_all(objects))
        return self.run("-f", "slo.yaml", *flags)

    def run(self, *arguments: str, stdin: str | None = None) -> Ran:
        inherited = {k: v for k, v in os.environ.items() if k not in {"COLUMNS", "FORCE_COLOR"}}
        ran = subprocess.run(
            [sys.executable, "-m", "sluice", "check", *arguments],
            cwd=self.directory,
            env={**inherited, **self.environment},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
        assert "Traceback" not in ran.stderr, ran.stderr
        return Ran(ran.returncode, ran.stdout, ran.stderr)


@pytest.fixture
def check(tmp_path: Path) -> Check:
    return Check(tmp_path)


@pytest.fixture
def check_at(server: Prometheus, check: Check) -> Callable[..., Ran]:
    """Check objects against the Prometheus at a time, with the result as JSON."""

    def run(*objects: dict[str, Any], at: float = AT) -> Ran:
        check.environment["SLUICE_PROMETHEUS_URL"] = server.url
        when = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at))
        return check(*objects, flags=("--at", when, "-o", "json"))

    return run
