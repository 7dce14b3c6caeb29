"""Nothing that a test starts outlives it, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from e2e.harness import DaemonFailedError, scope, wait_until

ROOT = Path(__file__).parents[2]

# Prints its directory and the numbers of a process and of its child in another session, then waits.
OWNER = """
import sys, time
from e2e.harness import scope
with scope("sluice-owner-") as running:
    shell = running.start("shell", ["sh", "-c", "setsid sleep 1000 & echo $! > child; wait"])
    child = running.directory / "child"
    while not (child.exists() and child.read_text()):
        time.sleep(0.01)
    print(running.directory, shell.pid, child.read_text(), flush=True)
    time.sleep(1000)
"""


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    # A process whose parent has not looked at its end yet has ended all the same.
    return Path(f"/proc/{pid}/stat").read_text().split(") ")[1].startswith("Z")


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT, signal.SIGTERM])
def test_processes_and_files_go_when_the_owner_is_ended(number: signal.Signals) -> None:
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert owner.stdout is not None
    directory, *pids = owner.stdout.readline().split()
    assert not any(gone(int(pid)) for pid in pids)

    owner.send_signal(number)
    owner.communicate()

    wait_until(
        lambda: all(gone(int(pid)) for pid in pids) and not Path(directory).exists(),
        timeout=10,
        what="everything is gone",
    )


def test_processes_and_files_go_with_the_scope() -> None:
    with scope() as running:
        daemon = running.start("sleep", ["sleep", "1000"])
        assert running.directory.exists()
    assert daemon.exit_code == -signal.SIGTERM
    assert not running.directory.exists()


def test_a_process_that_hangs_is_killed() -> None:
    with scope() as running:
        deaf = running.start("deaf", ["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"])
        stopped = running.start("stopped", ["sleep", "1000"])
        stopped.signal(signal.SIGSTOP)
        assert stopped.stop(grace=5) == -signal.SIGTERM
        assert deaf.stop(grace=0.2) == -signal.SIGKILL


def test_the_end_of_a_daemon_is_told_with_its_last_lines() -> None:
    with scope() as running:
        daemon = running.start("broken", ["sh", "-c", "echo no such flag >&2; exit 3"])
        daemon.process.wait()
        with pytest.raises(DaemonFailedError, match=r"broken ended with code 3:\nno such flag"):
            daemon.check()


def test_logs_are_kept_on_request(tmp_path: Path) -> None:
    with scope(keep_logs=tmp_path / "logs") as running:
        running.start("hello", ["echo", "hello"]).process.wait()
    assert (tmp_path / "logs" / "hello.log").read_text() == "hello\n"
