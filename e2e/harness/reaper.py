"""End the processes of a scope whose owner is gone, and remove its files.

Run as a program of its own: `python -I -S reaper.py OWNER_PID MARKER DIRECTORY`. Its standard
input is a pipe whose other end only the owner holds, so that it notices the owner's end however
that comes, SIGKILL included. Processes are found by a variable in their environment. That needs no
bookkeeping, so there is no moment between starting a process and writing down its number in which
it could be lost, and it finds grandchildren that left their process group. PR_SET_PDEATHSIG was not
taken: it fires when the *thread* that started the process ends, does not reach grandchildren and
leaves files behind.

This needs /proc, that is Linux. Elsewhere an owner that is killed leaves its processes; one that
ends normally or by Ctrl-C does not.
"""

import os
import select
import shutil
import signal
import sys
import time
from pathlib import Path

_POLL_SECONDS = 1.0
_TERM_SECONDS = 2.0
_KILL_SECONDS = 10.0


def wait_for_owner(owner: int) -> None:
    """Return when the owner closed the pipe or is gone.

    The pipe alone is not enough: a child that the owner forked without exec holds its end too.
    """
    while os.getppid() == owner:
        readable, _, _ = select.select([sys.stdin.buffer], [], [], _POLL_SECONDS)
        if readable and not os.read(sys.stdin.fileno(), 4096):
            return


def marked(marker: bytes) -> list[int]:
    """Processes with the marker in their environment."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if marker in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
        except OSError:  # gone meanwhile, or another user's
            continue
    return found


def end(marker: bytes) -> None:
    """Ask the marked processes to end, then kill those that are left."""
    started = time.monotonic()
    asked: set[int] = set()
    while (pids := marked(marker)) and time.monotonic() - started < _KILL_SECONDS:
        for pid in pids:
            overdue = time.monotonic() - started > _TERM_SECONDS
            if overdue or pid not in asked:
                _signal(pid, signal.SIGKILL if overdue else signal.SIGTERM)
                asked.add(pid)
        time.sleep(0.02)


def _signal(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
        os.kill(pid, signal.SIGCONT)  # a process that a test stopped cannot end
    except OSError:
        return


def main() -> None:
    """Wait for the owner's end, then clean up."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    owner, marker, directory = sys.argv[1:]
    wait_for_owner(int(owner))
    end(os.fsencode(marker))
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
