"""Background processes that never outlive their owner."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from e2e.harness import reaper

_MARKER = "SLUICE_HARNESS_SCOPE"


class DaemonFailedError(RuntimeError):
    """A background process ended or did not become ready; the message ends with its last lines."""


@dataclass(frozen=True, slots=True)
class Daemon:
    """A background process. Its output is in `log`."""

    name: str
    log: Path
    process: subprocess.Popen[bytes]
    grace: float

    @property
    def pid(self) -> int:
        """The process's number."""
        return self.process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self.process.poll()

    def stop(self, grace: float | None = None) -> int:
        """Ask it to end, kill it when that takes more than `grace` seconds, and return its code."""
        grace = self.grace if grace is None else grace
        if grace > 0 and self.exit_code is None:
            self.signal(signal.SIGTERM)
            self.signal(signal.SIGCONT)
            try:
                return self.process.wait(grace)
            except subprocess.TimeoutExpired:
                pass
        return self.kill()

    def kill(self) -> int:
        """End it at once, as a crash would."""
        self.process.kill()
        return self.process.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send a signal: SIGSTOP and SIGCONT make it hang and go on."""
        self.process.send_signal(number)

    def tail(self, lines: int = 15) -> str:
        """The last lines of its log."""
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return "\n".join(text.splitlines()[-lines:])

    def check(self) -> None:
        """Raise when it has ended."""
        if (code := self.exit_code) is not None:
            raise DaemonFailedError(f"{self.name} ended with code {code}:\n{self.tail()}")


@dataclass(frozen=True, slots=True)
class Scope:
    """A scratch directory and the background processes that live no longer than it."""

    directory: Path
    marker: str
    daemons: list[Daemon] = field(default_factory=list)

    @property
    def logs(self) -> Path:
        """Where the processes' logs are."""
        return self.directory / "logs"

    def start(
        self,
        name: str,
        command: Sequence[str | Path],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        grace: float = 2.0,
    ) -> Daemon:
        """Start a background process.

        Args:
            name: names it in messages and its log file, which is appended to on a second start.
            command: program and arguments.
            env: its whole environment; default: this process's.
            cwd: its working directory; default: the scratch directory.
            grace: seconds it gets to end by itself; 0 for a process that has nothing to save.
        """
        self.logs.mkdir(exist_ok=True)
        log = self.logs / f"{name}.log"
        with log.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal is for the owner, which ends the
            # processes in order; they must not get it first.
            process = subprocess.Popen(
                [str(part) for part in command],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd or self.directory,
                env={**(os.environ if env is None else env), _MARKER: self.marker},
                start_new_session=True,
            )
        daemon = Daemon(name=name, log=log, process=process, grace=grace)
        self.daemons.append(daemon)
        return daemon

    def stop_all(self) -> None:
        """End every process, the last started first."""
        for daemon in reversed(self.daemons):
            daemon.stop()


@contextmanager
def scope(prefix: str = "sluice-", *, keep_logs: Path | None = None) -> Iterator[Scope]:
    """A scratch directory and processes that are gone afterwards, however this process ends.

    Args:
        prefix: begins the directory's name.
        keep_logs: a directory to copy the logs into before they are removed.
    """
    directory = Path(tempfile.mkdtemp(prefix=prefix))
    marker = uuid.uuid4().hex
    cleaner = subprocess.Popen(
        [
            *(sys.executable, "-I", "-S", reaper.__file__),
            *(str(os.getpid()), f"{_MARKER}={marker}", str(directory)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd="/",
        start_new_session=True,
    )
    running = Scope(directory=directory, marker=marker)
    try:
        yield running
    finally:
        try:
            running.stop_all()
            if keep_logs is not None and running.logs.exists():
                shutil.copytree(running.logs, keep_logs, dirs_exist_ok=True)
        finally:
            # From here on the cleaner does the rest, as it would had we been killed.
            cleaner.communicate()
