"""A real Prometheus knows exactly what was simulated."""

import time
from pathlib import Path

import pytest

from e2e.harness import (
    History,
    ScrapeTarget,
    events,
    prometheus,
    shop,
    simulate,
    wait_until,
)

pytestmark = [pytest.mark.prometheus, pytest.mark.usefixtures("prometheus_binary")]

HOUR = 3600.0


def past(end: float) -> History:
    return simulate(
        lambda instance, at: events(
            100 if instance == "shop-0" else 70, bad=int(at / 60) % 5, slow=int(at / 60) % 3
        ),
        start=end - 2 * HOUR,
        end=end,
        targets=["shop-0", "shop-1"],
    )


def test_it_answers_the_exact_truth_about_two_hours_of_history() -> None:
    history = past(time.time())
    with prometheus(history=history.lines()) as server:
        for minute in range(5, 120, 5):
            at = history.start + minute * 60.0
            for instance in ("shop-0", "shop-1"):
                chosen = f'{{instance="{instance}"}}'
                (scraped,) = server.query(f"timestamp(up{chosen})", at)
                shown = history.counts(instance, scraped.value)
                for code, expected in (("200", shown.good), ("500", shown.bad)):
                    selector = f'http_requests_total{{code="{code}",instance="{instance}"}}'
                    assert (server.value(selector, at) or 0) == expected
                bucket = f'{{le="1",instance="{instance}"}}'
                fast = server.value(f"http_request_duration_seconds_bucket{bucket}", at)
                assert fast == sum(shown.latency) - shown.slower_than(1.0)
        assert server.value("count(up == 1)", history.end) == 2


def test_counters_go_on_live_where_their_history_ends() -> None:
    history = simulate(lambda _, __: events(600, bad=1), start=time.time() - HOUR, end=time.time())
    initial = history.counts("shop-0")
    with shop(rate=100, initial=initial, started=history.started("shop-0")) as service:
        target = ScrapeTarget("shop", service.address, "shop-0")
        with prometheus(history=history.lines(), targets=[target]) as server:
            service.inject(bad=50)

            def scraped() -> float:
                return server.value('http_requests_total{code="500"}') or 0

            wait_until(lambda: scraped() == initial.bad + 50, timeout=10, what="scraped")
            now = time.time()
            assert server.value("count(http_requests_total)") == 2  # the same series, not new ones
            assert server.value("sum(resets(http_requests_total[1h]))", now) == 0
            assert server.value("changes(process_start_time_seconds[1h])", now) == 0
            total = server.value("sum(http_requests_total)")
            assert total is not None
            assert initial.total < total <= service.counts.total


def test_it_scrapes_what_the_shop_counts_and_sees_it_fail() -> None:
    with shop(rate=0) as service, prometheus(targets=[("shop", service.address)]) as server:
        service.inject(total=1000, bad=20, slow=7)

        def value(expression: str) -> float | None:
            return server.value(expression)

        total = "sum(http_requests_total)"
        wait_until(lambda: value(total) == 1000, timeout=10, what="the shop is scraped")
        assert value('http_requests_total{code="500"}') == 20
        assert value('http_request_duration_seconds_bucket{le="1"}') == 993
        assert value(f'up{{job="shop",instance="{service.address}"}}') == 1
        service.set(available=0)
        wait_until(lambda: value("up") == 0, timeout=10, what="the shop is down")
        service.set(available=1)
        service.restart()
        wait_until(lambda: value("up") == 1, timeout=10, what="the shop is back")
        assert value(total) is None


def test_what_it_stored_survives_a_stop_and_a_crash() -> None:
    history = past(time.time())
    with shop(rate=0) as service:
        service.inject(total=10)
        target = ScrapeTarget("live", service.address)
        with prometheus(history=history.lines(), targets=[target]) as server:
            live = 'max_over_time(http_requests_total{job="live"}[5m])'
            wait_until(lambda: server.value(live) == 10, timeout=10, what="scraped")
            for grace in (20.0, 0.0):
                server.stop(grace=grace)
                with pytest.raises(OSError, match="refused"):
                    server.value("up")
                server.start()
                assert server.value(live) == 10
                assert server.value('count(up{job="shop"})', history.end) == 2


def test_targets_and_rules_can_change_while_it_runs() -> None:
    rules = "groups: [{name: g, rules: [{record: answer, expr: vector(42)}]}]"
    with shop(rate=0) as service, prometheus() as server:
        assert server.value("up") is None
        server.reload([ScrapeTarget("shop", service.address)], rules)
        wait_until(lambda: server.value("up") == 1, timeout=10, what="scraped")
        wait_until(lambda: server.value("answer") == 42, timeout=10, what="recorded")


def test_history_that_cannot_be_used_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "history.om"
    file.write_text("this is not OpenMetrics\n# EOF\n")
    with pytest.raises(ValueError, match="promtool does not accept"), prometheus(history=file):
        pass
    assert file.exists()
    ahead = [f"up 1 {time.time() + 60}"]
    with pytest.raises(ValueError, match="ends in the future"), prometheus(history=ahead):
        pass


def test_a_wrong_query_is_told() -> None:
    with prometheus() as server, pytest.raises(ValueError, match="parse error"):
        server.query("sum(")
