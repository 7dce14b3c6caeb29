"""Many services behind one address, so that their number costs Prometheus one scrape."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler

from e2e.harness.serving import served

RATES = {"200": 10.0, "500": 0.0002}
JOB = "fleet"
INSTANCE = "fleet-0"
METRIC = "fleet_requests_total"

Injected = Callable[[int, str], int]
"""Events that a service has counted of a code beside its even traffic."""


def sample(service: int, code: str, labels: str, age: float, more: int = 0) -> str:
    """A service's counter `age` seconds after its process' start, with `more` events."""
    count = int(RATES[code] * age) + more
    return f'{METRIC}{{{labels}service="{service}",code="{code}"}} {count}'


def history(services: int, started: float, begin: float, end: float, step: int) -> Iterator[str]:
    """What would have been scraped every `step` seconds."""
    labels = f'job="{JOB}",instance="{INSTANCE}",'
    times = [begin + number * step for number in range(int((end - begin) // step))]
    for name, value in (("up", 1.0), ("process_start_time_seconds", started)):
        yield from (f"{name}{{{labels[:-1]}}} {value} {at:.3f}" for at in times)
    for service in range(services):
        for code in RATES:
            yield from (f"{sample(service, code, labels, at - started)} {at:.3f}" for at in times)
    yield "# EOF"


@contextmanager
def exporter(services: int, started: float, injected: Injected | None = None) -> Iterator[str]:
    """The services' metrics at an address, which goes on where `history` ends."""
    more = injected or (lambda _service, _code: 0)

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            age = time.time() - started
            lines = [f"# TYPE {METRIC} counter"]
            lines += [
                sample(it, code, "", age, more(it, code))
                for it in range(services)
                for code in RATES
            ]
            body = "\n".join([*lines, f"process_start_time_seconds {started}", ""]).encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with served(Page) as address:
        yield address
