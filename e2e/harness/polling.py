"""Wait for something to become true."""

import time
from collections.abc import Callable


def wait_until(
    ready: Callable[[], bool], *, timeout: float, what: str, interval: float = 0.05
) -> float:
    """Call `ready` until it returns true and return the seconds that took.

    Raises:
        TimeoutError: naming `what`.
    """
    started = time.monotonic()
    while not ready():
        if time.monotonic() - started > timeout:
            raise TimeoutError(f"{what}: not within {timeout:g} s")
        time.sleep(interval)
    return time.monotonic() - started
