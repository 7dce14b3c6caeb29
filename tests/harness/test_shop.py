"""The shop's counters are exact, and it can be steered from outside."""

import urllib.error
import urllib.request
from dataclasses import dataclass

import pytest

from e2e.harness import Shop, events, shop
from e2e.harness.shop import Load


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def request(address: str, path: str, body: str | None = None) -> tuple[int, str]:
    data = None if body is None else body.encode()
    try:
        with urllib.request.urlopen(f"http://{address}{path}", data=data, timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_it_counts_what_the_load_says_however_often_it_is_asked() -> None:
    clock = Clock()
    service = Shop(Load(rate=7, error_ratio=0.1, slow_ratio=0.01), clock=clock)
    for _ in range(1000):
        clock.now += 0.137
        assert service.counts.bad <= service.counts.total
    assert service.counts.total == pytest.approx(7 * 137, abs=1)
    assert service.counts.bad == pytest.approx(0.7 * 137, abs=1)
    assert service.counts.slower_than(1.0) == pytest.approx(0.07 * 137, abs=1)


def test_load_changes_count_from_now_on() -> None:
    clock = Clock()
    service = Shop(Load(rate=10), clock=clock, initial=events(500, bad=5))
    clock.now += 10
    service.set(error_ratio=1.0)
    clock.now += 10
    service.set(rate=0)
    clock.now += 10
    service.inject(bad=3)
    service.inject(total=4)
    assert service.counts == events(500, bad=5) + events(207, bad=103)
    service.restart()
    assert service.counts == events(0)


def test_it_is_scraped_and_steered_over_http() -> None:
    with shop(rate=0, initial=events(90)) as service:
        assert 'http_requests_total{code="200"} 90\n' in request(service.address, "/metrics")[1]
        assert 'code="500"' not in request(service.address, "/metrics")[1]
        assert request(service.address, "/inject", "bad=10&slow=2")[0] == 200
        text = request(service.address, "/metrics")[1]
        assert 'http_requests_total{code="500"} 10\n' in text
        assert 'http_request_duration_seconds_bucket{le="1"} 98\n' in text
        assert 'http_request_duration_seconds_bucket{le="+Inf"} 100\n' in text
        assert request(service.address, "/set", "available=0")[0] == 200
        assert request(service.address, "/metrics")[0] == 503
        assert request(service.address, "/restart", "")[0] == 200
        assert service.counts == events(0)


def test_wrong_requests_are_refused() -> None:
    with shop(rate=0) as service:
        assert request(service.address, "/set", "speed=3")[0] == 400
        assert request(service.address, "/inject", "bad=many")[0] == 400
        assert request(service.address, "/explode", "")[0] == 400
        assert service.counts == events(0)
