"""Free TCP ports."""

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

LOOPBACK = "127.0.0.1"


def free_port() -> int:
    """A loopback port that was free a moment ago.

    Another process may take it first, so what listens on it must be started again with another one
    when it ends at once.
    """
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def dropping() -> Iterator[str]:
    """An address, as `HOST:PORT`, that takes no connection, as behind a network policy.

    With its queue full Linux drops whoever else comes.
    """
    with socket.socket() as full, ExitStack() as waiting:
        full.bind((LOOPBACK, 0))
        full.listen(0)
        for _ in range(2):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        yield f"{LOOPBACK}:{full.getsockname()[1]}"
