"""What a person starts by hand."""

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from e2e.harness import ControlPlane

ROOT = Path(__file__).parents[2]


def started(*arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_a_shop_runs_by_itself() -> None:
    with started("e2e.harness.shop", "--rate=0", "--error-ratio=0.5") as process:
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert b"process_start_time_seconds" in answer.read()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=10)
    assert (process.returncode, errors) == (0, "")


@pytest.mark.controlplane
@pytest.mark.prometheus
@pytest.mark.usefixtures("prometheus_binary")
def test_everything_comes_up_and_goes_with_ctrl_c(plane: ControlPlane) -> None:
    with started("e2e.harness", "up", "--days=0.1") as process:
        assert process.stdout is not None
        said = "".join(process.stdout.readline() for _ in range(3))
        found = re.search(r"KUBECONFIG=(\S+)\nalias kubectl=(\S+)\n.*URL=(\S+)", said)
        assert found is not None, said
        kubeconfig, kubectl, prometheus = found.groups()
        assert plane.kubectl("get", "nodes", kubeconfig=Path(kubeconfig)).stdout
        assert Path(kubectl).exists()
        query = f"{prometheus}/api/v1/query?query=http_requests_total"
        with urllib.request.urlopen(query, timeout=5) as answer:
            assert b'"instance":"shop-0"' in answer.read()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    assert process.returncode == 130
    assert not Path(kubeconfig).exists()
