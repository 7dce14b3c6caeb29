"""Serve HTTP from a thread of this process."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from e2e.harness.ports import LOOPBACK

_POLL = 0.05
"""Seconds after which a server notices that it shall end."""


@contextmanager
def served(handler: type[BaseHTTPRequestHandler], port: int = 0) -> Iterator[str]:
    """Let `handler` answer while the `with` block runs, each request in a thread.

    Args:
        handler: the class that answers requests.
        port: where to listen; 0 for any free port.

    Yields:
        The address, as `HOST:PORT`.
    """
    server = ThreadingHTTPServer((LOOPBACK, port), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,), daemon=True)
    thread.start()
    try:
        yield f"{LOOPBACK}:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
