"""Serve a simulated service: its metrics, and requests that steer it."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from urllib.parse import parse_qsl

from e2e.harness.serving import served
from e2e.harness.shop.service import Load, Shop
from e2e.harness.traffic import NOTHING, Counts


@contextmanager
def shop(
    *,
    port: int = 0,
    rate: float = 10.0,
    error_ratio: float = 0.0,
    slow_ratio: float = 0.0,
    initial: Counts = NOTHING,
    started: float | None = None,
) -> Iterator[Shop]:
    """A shop that answers scrapes at `address` from a thread of this process.

    Args:
        port: where to listen; 0 for any free port.
        rate: requests a second.
        error_ratio: the share of them that fail.
        slow_ratio: the share of them that are slow.
        initial: what its counters show at first, to go on from back-filled history.
        started: its process' start time; default: now.
    """
    running = Shop(Load(rate, error_ratio, slow_ratio), initial=initial, started=started)
    with served(_handler(running), port) as address:
        running.address = address
        yield running


def _handler(running: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            text = running.metrics() if self.path == "/metrics" else None
            self._answer(200 if text else 503, text or "not available\n")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
            try:
                _steer(running, self.path, dict(parse_qsl(body, strict_parsing=bool(body))))
            except (TypeError, ValueError) as error:
                self._answer(400, f"{error}\n")
            else:
                self._answer(200, "done\n")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as overridden
            """Scrapes are not worth a line each."""

        def _answer(self, status: int, text: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

    return Handler


def _steer(running: Shop, path: str, form: dict[str, str]) -> None:
    if path == "/set":
        running.set(**{name: float(value) for name, value in form.items()})
    elif path == "/inject":
        running.inject(**{name: int(value) for name, value in form.items()})
    elif path == "/restart":
        running.restart()
    else:
        raise ValueError(f"no such path: {path}; there are /set, /inject and /restart")
