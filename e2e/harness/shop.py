"""A simulated shop whose traffic, errors and latency can be turned while Prometheus scrapes it.

`python -m e2e.harness.shop --port 8000` runs one by itself; it is then steered by requests such as
`curl -d 'error_ratio=0.5' localhost:8000/set` and `curl -d 'bad=100' localhost:8000/inject`.
"""

import argparse
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from e2e.harness.ports import LOOPBACK
from e2e.harness.service import Load, Shop
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
    server = ThreadingHTTPServer((LOOPBACK, port), _handler(running))
    server.daemon_threads = True
    running.address = f"{LOOPBACK}:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


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


def main() -> None:
    """Run a shop until Ctrl-C."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="default: any free port")
    for name in ("rate", "error_ratio", "slow_ratio"):
        option = f"--{name.replace('_', '-')}"
        parser.add_argument(option, type=float, default=getattr(Load(), name))
    options = vars(parser.parse_args())
    with shop(**options) as running:
        print(f"http://{running.address}/metrics", flush=True)
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            return


if __name__ == "__main__":
    main()
