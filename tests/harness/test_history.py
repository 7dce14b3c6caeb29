"""The text that Prometheus gets and the truth are two views of the same events."""

from collections import defaultdict
from itertools import pairwise

from e2e.harness import Counts, History, Target, events, simulate
from e2e.harness.traffic import BOUNDS

START = 1_700_000_000.0
HOUR = 3600.0


def by_series(history: History) -> dict[str, list[tuple[float, float]]]:
    found = defaultdict(list)
    *lines, last = history.lines()
    assert last == "# EOF"
    for line in lines:
        name, value, at = line.rsplit(" ", 2)
        found[name].append((float(at), float(value)))
    return found


def one(code: str, instance: str = "a") -> str:
    return f'http_requests_total{{job="shop",instance="{instance}",code="{code}"}}'


def test_every_sample_is_the_truth_of_its_instant() -> None:
    history = simulate(
        lambda _, at: events(total=600, bad=int(at) % 7, slow=3),
        start=START,
        end=START + HOUR,
        targets=["a"],
    )
    series = by_series(history)
    for at, value in series[one("200")]:
        assert value == history.truth(START, at).good
    for at, value in series[one("500")]:
        assert value == history.truth(START, at).bad
    bucket = 'http_request_duration_seconds_bucket{job="shop",instance="a",le="1"}'
    for at, value in series[bucket]:
        truth = history.truth(START, at)
        assert value == sum(truth.latency) - truth.slower_than(1.0)


def test_truth_is_exact_and_adds_up() -> None:
    history = simulate(
        lambda instance, _: events(60, bad=2 if instance == "a" else 0),
        start=START,
        end=START + HOUR,
        targets=["a", "b"],
    )
    assert history.truth(START, START + HOUR) == events(2 * 60 * 60, bad=2 * 60)
    assert history.truth(START + 60, START + 120) == events(120, bad=2)
    middle = START + 1234.5
    parts = history.truth(START, middle) + history.truth(middle, START + HOUR)
    assert parts == history.truth(START, START + HOUR)
    assert history.truth(START - 60, START) == Counts(0, 0, (0,) * (len(BOUNDS) + 1))


def test_targets_are_scraped_each_with_a_phase_that_the_seed_decides() -> None:
    def first_scrapes(seed: int) -> list[float]:
        history = simulate(
            lambda _, __: events(60),
            start=START,
            end=START + HOUR,
            targets=["a", "b"],
            seed=seed,
        )
        series = by_series(history)
        up = [series[f'up{{job="shop",instance="{name}"}}'] for name in "ab"]
        assert all(len(samples) == HOUR / 15 for samples in up)
        gaps = {round(b[0] - a[0], 3) for samples in up for a, b in pairwise(samples)}
        assert gaps == {15.0}
        return [samples[0][0] for samples in up]

    assert first_scrapes(1) == first_scrapes(1)
    assert len({*first_scrapes(1), *first_scrapes(2)}) == 4


def test_a_restart_begins_at_zero_and_loses_nothing_of_the_truth() -> None:
    restart = START + 1000
    target = Target("a", restarts=(restart,))
    history = simulate(
        lambda _, __: events(60), start=START, end=START + HOUR, targets=[target], step=60
    )
    series = by_series(history)
    after = [(at, value) for at, value in series[one("200")] if at >= restart]
    assert all(value == history.truth(restart, at).good for at, value in after)
    started = series['process_start_time_seconds{job="shop",instance="a"}']
    assert {value for _, value in started} == {START, restart}
    assert history.truth(START, START + HOUR).total == 3600
    assert history.counts("a") == history.truth(restart, START + HOUR)
    assert history.started("a") == restart


def test_what_cannot_be_scraped_goes_on_counting() -> None:
    history = simulate(
        lambda _, __: events(60),
        start=START,
        end=START + HOUR,
        targets=[Target("a", unreachable=((START + 600, START + 900),))],
        blind=[(START + 1800, START + 2400)],
    )
    series = by_series(history)
    up = series['up{job="shop",instance="a"}']
    assert all(value == (not START + 600 <= at < START + 900) for at, value in up)
    scraped = {at for at, _ in series[one("200")]}
    assert scraped == {at for at, value in up if value}
    assert not [at for at, _ in up if START + 1800 <= at < START + 2400]
    assert history.truth(START + 600, START + 900).total == 300


def test_targets_come_and_go_and_codes_appear_with_their_first_event() -> None:
    late = Target("b", begins=START + 600, ends=START + 1200)
    history = simulate(
        lambda _, at: events(60, bad=1 if at >= START + 1800 else 0),
        start=START,
        end=START + HOUR,
        targets=["a", late],
    )
    series = by_series(history)
    times = [at for at, _ in series[one("200", "b")]]
    assert min(times) >= START + 600
    assert max(times) < START + 1200
    assert min(at for at, _ in series[one("500")]) >= START + 1800
    assert one("500", "b") not in series
    assert history.truth(START, START + HOUR).total == 3600 + 600
