"""Run kubectl against one cluster."""

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any


class KubectlError(RuntimeError):
    """kubectl ended with an error; `result` has its output."""

    def __init__(self, result: subprocess.CompletedProcess[str]) -> None:
        command = " ".join(["kubectl", *result.args[1:]])
        super().__init__(f"{command}: code {result.returncode}: {result.stderr.strip()}")
        self.result = result


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl with a kubeconfig of its own."""

    program: Path
    kubeconfig: Path
    cache: Path

    def __call__(
        self,
        *args: str,
        input: str | None = None,  # noqa: A002 - named as in subprocess.run
        check: bool = True,
        kubeconfig: Path | None = None,
        timeout: float = 120.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl.

        Args:
            args: kubectl's arguments.
            input: its standard input.
            check: raise `KubectlError` when it fails.
            kubeconfig: act as someone else.
            timeout: seconds until it is ended.
        """
        result = subprocess.run(
            [str(self.program), *args],
            input=input or "",
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            env={
                **os.environ,
                "KUBECONFIG": str(kubeconfig or self.kubeconfig),
                # Discovery is cached by address, and the next control plane may get the same port.
                "KUBECACHEDIR": str(self.cache),
                "KUBERC": "off",
            },
        )
        if check and result.returncode != 0:
            raise KubectlError(result)
        return result

    def json(self, *args: str, kubeconfig: Path | None = None) -> Any:
        """Run kubectl with `-o json` and return what it printed."""
        return json.loads(self(*args, "-o", "json", kubeconfig=kubeconfig).stdout)
