"""Nothing that runs in the cluster needs a disk: full or read-only, all goes on as ever."""

import base64
import json
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from e2e.faults import full_disk
from e2e.harness.ports import free_port
from e2e.stack import ROOT, Controller, Stack
from e2e.story.manifests import stages
from e2e.story.team import Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

FULL = (sys.executable, full_disk.__file__)
NOWHERE = {"HOME": "/nonexistent"}
NO_SPACE = "File too large"


def test_what_runs_so_can_really_write_no_file(tmp_path: Path) -> None:
    write = f"open({str(tmp_path / 'a')!r}, 'w').write('a' * 9999)"
    command = [*FULL, sys.executable, "-c", write]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert NO_SPACE in done.stdout


def written_to(pid: int) -> list[str]:
    """The regular files that a process has open for writing. Source: proc(5)."""
    opened = []
    for one in Path(f"/proc/{pid}/fdinfo").iterdir():
        flags = int(one.read_text().split("flags:")[1].split()[0], 8)
        target = Path(f"/proc/{pid}/fd/{one.name}")
        if flags & os.O_ACCMODE != os.O_RDONLY and target.is_file():
            opened.append(str(target.readlink()))
    return opened


def with_files(kubeconfig: Path, directory: Path) -> Path:
    """The same with its certificates in files, as a pod has them.

    Those that stand in a kubeconfig are written to files by the client.
    """
    content = yaml.safe_load(kubeconfig.read_text())
    entries = [content["clusters"][0]["cluster"], content["users"][0]["user"]]
    for entry in entries:
        for key in [key for key in entry if key.endswith("-data")]:
            name = key.removesuffix("-data")
            file = directory / f"{kubeconfig.name}.{name}"
            file.write_bytes(base64.b64decode(entry.pop(key)))
            entry[name] = str(file)
    found = directory / kubeconfig.name
    found.write_text(yaml.safe_dump(content))
    return found


@pytest.fixture
def gate(everything: Stack, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    kubeconfig = with_files(everything.plane.kubeconfig, tmp_path)
    where = ["--kubeconfig", str(kubeconfig), "--listen", f"127.0.0.1:{port}", "--drain=0"]
    daemon = everything.processes.start(
        "gate-without-a-disk",
        [*FULL, sys.executable, "-m", "sluice", "gate", *where],
        env={**os.environ, **NOWHERE},
        cwd=ROOT,
    )
    yield f"http://127.0.0.1:{port}"
    assert daemon.exit_code is None, daemon.tail()
    assert written_to(daemon.pid) == []
    assert daemon.stop(grace=15) == 0
    assert NO_SPACE not in daemon.log.read_text()


def ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def verdict(team: Team, url: str) -> str:
    where = f"{url}/v1/verdict/{team.namespace}/deployments/web"
    with urllib.request.urlopen(where, timeout=5) as answer:
        return str(json.load(answer)["admission"])


@pytest.fixture
def running(everything: Stack, tmp_path: Path) -> Iterator[Controller]:
    kubeconfig = with_files(everything.kubeconfig, tmp_path)
    found = everything.within(everything.plane, kubeconfig)
    controller = found.run("--no-leader-elect", env=NOWHERE, through=FULL)
    yield controller
    controller.stop()


def test_a_freeze_and_a_thaw_need_no_disk(team: Team, running: Controller, gate: str) -> None:
    team.start(stages=stages(pauseRollouts=True, annotate={"team.example/frozen": "yes"}))
    team.until("a gate", lambda: ready(gate))
    team.freeze()
    team.until("the gate's verdict", lambda: verdict(team, gate) == "Deny")
    stored = 'sluice_writes_total{outcome="ok",target="ledger"}'
    team.until("what was counted is stored", lambda: (running.metric(stored) or 0) >= 1)
    team.service.recover()
    team.until_stage("Healthy")
    team.until_passes(timeout=5)
    team.until("all is given back", lambda: team.written("deployment", "web") == set())
    assert written_to(running.daemon.pid) == []
    assert running.stop() == 0
    assert NO_SPACE not in running.log
    assert "Traceback" not in running.log
