"""What stands before Prometheus and misbehaves, but only for queries of one service."""

import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any

from e2e.harness.serving import served

JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer in place of Prometheus', `seconds` late; `range_body`, if any, is for ranges."""

    body: str
    status: int = 200
    content_type: str = JSON
    seconds: float = 0.0
    range_body: str = ""


@dataclass
class Proxy:
    """A proxy of Prometheus that answers queries about a job by itself while `answer` is set."""

    upstream: str
    url: str = ""
    job: str = ""
    answer: Answer | None = None
    asked: int = field(default=0)

    def spoils(self, query: str) -> Answer | None:
        """What to answer a query, if it is about the job and something is wrong."""
        if self.answer is None or f"%22{self.job}%22" not in query:
            return None
        self.asked += 1
        return self.answer


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy for as long as the `with` block runs."""
    running = Proxy(upstream)
    with served(_handler(running)) as address:
        running.url = f"http://{address}"
        yield running


def _handler(running: Proxy) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._serve(None)

        def do_POST(self) -> None:
            self._serve(self.rfile.read(int(self.headers.get("Content-Length", 0))))

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - as overridden
            """Queries are not worth a line each."""

        def _serve(self, body: bytes | None) -> None:
            answer = running.spoils((body or b"").decode())
            if answer is None:
                answer = _forwarded(running.upstream + self.path, body)
            time.sleep(answer.seconds)
            of_range = self.path.endswith("query_range") and answer.range_body
            content = (of_range or answer.body).encode()
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def handle(self) -> None:
            try:
                super().handle()
            except ConnectionError:
                return  # who asked did not wait for a late answer

    return Handler


def _forwarded(url: str, body: bytes | None) -> Answer:
    request = urllib.request.Request(url, data=body)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            kind = answer.headers.get_content_type()
            return Answer(answer.read().decode(), answer.status, kind)
    except urllib.error.HTTPError as error:
        return Answer(error.read().decode(), error.code, error.headers.get_content_type())
