"""Starts a server at a port that somebody else may be quicker to take."""

from collections.abc import Callable

from e2e.harness.polling import wait_until
from e2e.harness.processes import Daemon, DaemonFailedError

READY_SECONDS = 60.0
_ATTEMPTS = 3


def started(start: Callable[[], Daemon], ready: Callable[[], bool], *, name: str) -> Daemon:
    """The server that `start` begins, once it is `ready`; begun anew if its port is taken.

    Raises:
        DaemonFailedError: it has ended; the message says how.
        TimeoutError: it is not ready within a minute.
    """
    for _ in range(_ATTEMPTS):
        daemon = start()
        wait_until(
            lambda: daemon.exit_code is not None or ready(),  # noqa: B023 - called here
            timeout=READY_SECONDS,
            what=f"{name} is ready",
        )
        if daemon.exit_code is None:
            return daemon
        if "address already in use" not in daemon.tail().lower():
            break
    daemon.check()
    raise DaemonFailedError(f"{name} does not start:\n{daemon.tail()}")
