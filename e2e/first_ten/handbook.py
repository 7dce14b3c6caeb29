"""The operator's handbook in the hands of somebody who has made a mistake."""

import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from e2e.story.team import Team

_HANDBOOK = Path(__file__).parents[2] / "docs/operations.md"
_HEADING = "## The first ten things that go wrong"
_PROGRAMS = Path(sys.executable).parent
"""Where `sluice` and the plugin of kubectl are installed."""


@dataclass(frozen=True)
class Advice:
    """What the handbook says of one of the first ten things that go wrong, in one line."""

    text: str

    @property
    def quotes(self) -> list[str]:
        """What one reads, with `...` for what differs."""
        return re.findall(r'"([^"]+)"', self.text)

    def assert_quotes(self, said: str, *parts: str) -> None:
        """See to it that somebody who reads `said` finds it quoted, each of `parts` of it."""
        line = " ".join(said.split())
        found = [one for one in self.quotes if re.search(_pattern(one), line)]
        for part in parts:
            assert [one for one in found if part in one], (
                f"no quote has {part!r} and is of this: {line}\nThere are {self.quotes}"
            )

    def command(self, beginning: str) -> str:
        """The command line that begins so.

        Raises:
            ValueError: there is none, or more than one.
        """
        [found] = {one for one in self._code if one.startswith(beginning)}
        return found

    @property
    def _code(self) -> list[str]:
        return re.findall(r"`([^`]+)`", self.text)


def advice(number: int, *, namespace: str = "shop") -> Advice:
    """What is said of the thing of this number, for a namespace in place of the example's."""
    part = _HANDBOOK.read_text().partition(_HEADING)[2]
    texts = re.split(r"^\*\*(\d+)\. ", part, flags=re.MULTILINE)
    found = dict(zip(texts[1::2], texts[2::2], strict=True))
    return Advice(" ".join(found[str(number)].split()).replace(" shop", f" {namespace}"))


def _pattern(quote: str) -> str:
    return ".+".join(re.escape(part.strip(" ")) for part in quote.split("..."))


@dataclass(frozen=True)
class Terminal:
    """A shell whose kubectl is in the team's namespace, with an administrator's rights."""

    team: Team

    def __call__(self, line: str, *, status: int = 0) -> str:
        """Run a command line as it was copied; what it prints."""
        plane = self.team.stack.plane
        found = (str(_PROGRAMS), str(plane.kubectl.program.parent), os.environ["PATH"])
        environment = os.environ | {
            "PATH": os.pathsep.join(found),
            "KUBECONFIG": str(self._kubeconfig()),
            "KUBECACHEDIR": str(plane.kubectl.cache),
            "NO_COLOR": "1",
        }
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        said = done.stdout + done.stderr
        assert done.returncode == status, f"{line}: {done.returncode}: {said}"
        assert "Traceback" not in said, said
        return said

    def _kubeconfig(self) -> Path:
        plane = self.team.stack.plane
        path = plane.directory / f"terminal-{self.team.namespace}.kubeconfig"
        if not path.exists():
            path.touch(mode=0o600)
            path.write_text(plane.kubectl("config", "view", "--raw", "--flatten").stdout)
            where = f"--namespace={self.team.namespace}"
            plane.kubectl("config", "set-context", "--current", where, kubeconfig=path)
        return path
