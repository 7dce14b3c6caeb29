"""Runs what the chart's Jobs run.

The pods of the tests' nodes run no programs. So a hook's pod is kept from starting by an
annotation, its container's command is run here with the rights of the Job's ServiceAccount, and the
pod is reported to have succeeded if the command has: then the Job, and with it Helm, goes on.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from e2e.harness import ControlPlane, wait_until
from e2e.harness.command import sluice

# Read by the simulated kubelet, see e2e/harness/kwok.yaml.
HELD = ("--set-string", r"podAnnotations.e2e\.sluice\.dev/stuck=yes")


class HookJobs:
    """The Jobs of one release as they come, and what their commands printed, by the Job's name."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace
        self._done: set[str] = set()
        self._stopped = threading.Event()
        self.outputs: dict[str, str] = {}
        self.failed: list[str] = []

    @contextmanager
    def running(self) -> Iterator[None]:
        """Take care of Jobs as long as the `with` block runs."""
        thread = threading.Thread(target=self._work)
        thread.start()
        try:
            yield
        finally:
            self._stopped.set()
            thread.join()
        assert self.failed == []

    def _work(self) -> None:
        while not self._stopped.wait(0.2):
            found = self._kubectl_json("get", "pods", "-l", "app.kubernetes.io/name=sluice-hook")
            for pod in found["items"]:
                if pod["metadata"]["name"] not in self._done:
                    self._done.add(pod["metadata"]["name"])
                    self._run(pod)

    def _run(self, pod: dict[str, Any]) -> None:
        [container] = pod["spec"]["containers"]
        account = pod["spec"]["serviceAccountName"]
        kubeconfig = self._plane.service_account_kubeconfig(self._namespace, account)
        answer = sluice(*container["args"], "--kubeconfig", str(kubeconfig), timeout=90.0)
        self.outputs[pod["metadata"]["labels"]["job-name"]] = answer.stdout
        if answer.returncode != 0:
            self.failed.append(answer.stderr)
        phase = "Succeeded" if answer.returncode == 0 else "Failed"
        self._plane.kubectl(
            *("-n", self._namespace, "patch", "pod", pod["metadata"]["name"]),
            *("--subresource=status", "--type=merge"),
            *("-p", json.dumps({"status": {"phase": phase}})),
        )

    def _kubectl_json(self, *arguments: str) -> Any:
        return self._plane.kubectl.json("-n", self._namespace, *arguments)


def gone(plane: ControlPlane, *arguments: str) -> bool:
    """Whether kubectl finds no object."""
    return plane.kubectl("get", *arguments, "--ignore-not-found", "-o", "name").stdout == ""


def until_gone(plane: ControlPlane, *arguments: str) -> None:
    """Wait until kubectl finds no object."""
    wait_until(lambda: gone(plane, *arguments), timeout=60, what=f"{arguments} to be gone")
