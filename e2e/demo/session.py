"""Where the story takes place: commands as a user types them, the shop, and what must be true."""

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.demo.terminal import Terminal
from e2e.harness import Shop
from e2e.stack import ROOT, Controller, Stack

NAMESPACE = "shop"
POLICY = "default"
OBJECTIVE = "checkout-availability"

_STEP = 6.0
"""Points of budget between two bars."""
_SILENCE = 10.0
"""Seconds after which a bar is shown even if nothing moved."""


class Surprise(Exception):  # noqa: N818 - it is read as what it is: "DEMO FAILED: ..."
    """Something was not as the story says; the message says what."""


@dataclass(frozen=True, slots=True)
class Session:
    """The stack, the shop and the controller in it, and the terminal that all is told on."""

    stack: Stack
    shop: Shop
    controller: Controller
    terminal: Terminal

    def run(self, command: str, *, code: int = 0) -> str:
        """Run a kubectl command, show it and its output, and check its exit code."""
        self.terminal.command(command)
        done = subprocess.run(
            self._argv(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
            cwd=ROOT,
            env=self._environment(),
        )
        self.terminal.output(done.stdout)
        if done.returncode != code:
            raise Surprise(f"`{command}` ended with code {done.returncode}, not {code}")
        return done.stdout

    def quiet(self, *args: str) -> None:
        """Run kubectl in the shop's namespace without showing it; an error if it fails."""
        self.stack.plane.kubectl("-n", NAMESPACE, *args)

    def check(self, what: str, *, holds: bool) -> None:
        """Say that something was checked; a `Surprise` if it does not hold."""
        if not holds:
            raise Surprise(f"not true: {what}")
        self.terminal.checked(what)

    def object(self, kind: str, name: str) -> dict[str, Any]:
        """An object of the shop's namespace."""
        found: dict[str, Any] = self.stack.plane.kubectl.json("-n", NAMESPACE, "get", kind, name)
        return found

    def remaining(self) -> float | None:
        """What is left of the availability budget in percent; None while it is unknown."""
        budget = self.object("slo", OBJECTIVE).get("status", {}).get("errorBudget")
        return None if budget is None else float(budget["remaining"])

    def stage(self) -> str:
        """The policy's stage; empty before the first decision."""
        status = self.object("ebp", POLICY).get("status", {})
        return str(status.get("stage") or "")

    def image(self, deployment: str) -> str:
        """The image of a Deployment's first container."""
        template = self.object("deployment", deployment)["spec"]["template"]
        return str(template["spec"]["containers"][0]["image"])

    def answer(self, command: str) -> str:
        """What the API server would say to a change, without making it; nothing is shown."""
        done = subprocess.run(
            [*self._argv(command), "--dry-run=server"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=30,
            check=False,
            env=self._environment(),
        )
        return done.stdout

    def watch(self, stage: str, *, timeout: float) -> None:
        """Show the budget until the policy has reached a stage."""
        self.terminal.blank()
        started = shown_at = time.monotonic()
        shown: tuple[float, str] | None = None
        while True:
            self.controller.daemon.check()
            now, left, current = time.monotonic(), self.remaining(), self.stage()
            if left is not None and (
                shown is None
                or abs(left - shown[0]) >= _STEP
                or current != shown[1]
                or now - shown_at >= _SILENCE
            ):
                self.terminal.budget(left, current)
                shown, shown_at = (left, current), now
            if current == stage:
                return
            if now - started > timeout:
                raise Surprise(
                    f"the policy is not in stage {stage} after {timeout:g} s but in "
                    f"{current or 'none'}, with {left} % of the budget left"
                )
            time.sleep(0.5)

    def until(self, what: str, ready: Callable[[], bool], *, timeout: float = 30.0) -> float:
        """Wait until something is so; seconds waited."""
        with self.terminal.working(f"waiting until {what}"):
            return self.stack.until(what, ready, timeout=timeout)

    def _argv(self, command: str) -> list[str]:
        program, *arguments = shlex.split(command)
        if program != "kubectl":
            raise ValueError(f"the demo runs kubectl only, not {program}")
        return [str(self.stack.plane.kubectl.program), *arguments]

    def _environment(self) -> dict[str, str]:
        kubectl = self.stack.plane.kubectl
        return {
            **os.environ,
            "KUBECONFIG": str(kubectl.kubeconfig),
            "KUBECACHEDIR": str(kubectl.cache),
            "KUBERC": "off",
            # kubectl finds `kubectl sluice` by the program kubectl-sluice on PATH.
            "PATH": f"{plugin_directory()}{os.pathsep}{os.environ.get('PATH', '')}",
        }


def plugin_directory() -> Path:
    """Where kubectl-sluice is: beside this Python."""
    return Path(sys.executable).parent
