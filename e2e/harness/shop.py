"""A simulated shop whose traffic, errors and latency can be turned while Prometheus scrapes it.

`python -m e2e.harness.shop --port 8000` runs one by itself; it is then steered by requests such as
`curl -d 'error_ratio=0.5' localhost:8000/set` and `curl -d 'bad=100' localhost:8000/inject`.
"""

import argparse
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

from e2e.harness.ports import LOOPBACK
from e2e.harness.traffic import NOTHING, Counts, events, samples, series


@dataclass(frozen=True, slots=True)
class Load:
    """How the shop's traffic looks.

    Attributes:
        rate: requests a second.
        error_ratio: the share of them that fail.
        slow_ratio: the share of them that take between 1 and 2.5 s; the others take below 0.1 s.
        available: 0 when scrapes are answered with an error, so that `up` is 0.
    """

    rate: float = 10.0
    error_ratio: float = 0.0
    slow_ratio: float = 0.0
    available: float = 1.0


class Shop:
    """A service with counters; thread-safe."""

    def __init__(
        self,
        load: Load,
        *,
        initial: Counts = NOTHING,
        started: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._load = load
        self._counts = initial
        self._started = clock() if started is None else started
        self._until = clock()
        self._rest = (0.0, 0.0, 0.0)
        self.address = ""

    @property
    def counts(self) -> Counts:
        """All that its counters show now: the exact truth."""
        with self._lock:
            self._advance()
            return self._counts

    def set(self, **load: float) -> None:
        """Change the load from now on: `rate`, `error_ratio`, `slow_ratio`, `available`."""
        with self._lock:
            self._advance()
            self._load = replace(self._load, **load)

    def inject(self, *, total: int = 0, bad: int = 0, slow: int = 0) -> None:
        """Count events at once: `total`, or as many as are bad or slow when that is more."""
        with self._lock:
            self._advance()
            self._counts += events(max(total, bad, slow), bad, slow)

    def restart(self) -> None:
        """Begin to count from zero, as a new process does."""
        with self._lock:
            self._counts = NOTHING
            self._started = self._until = self._clock()

    def metrics(self) -> str | None:
        """The text that a scrape gets; None while it is not available."""
        with self._lock:
            self._advance()
            if not self._load.available:
                return None
            return "\n".join(samples(series(""), self._counts, self._started)) + "\n"

    def _advance(self) -> None:
        now = self._clock()
        seconds, self._until = max(now - self._until, 0.0), max(now, self._until)
        load = self._load
        amount = load.rate * seconds
        shares = (1.0, load.error_ratio, load.slow_ratio)
        exact = [amount * share + rest for share, rest in zip(shares, self._rest, strict=True)]
        total = int(exact[0])
        bad, slow = min(int(exact[1]), total), min(int(exact[2]), total)
        # A part of an event waits for the next time: the long-run rates are exact.
        self._rest = (exact[0] - total, exact[1] - bad, exact[2] - slow)
        self._counts += events(total, bad, slow)


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
