"""The scenarios of the accuracy benchmark."""

from benchmarks.services import BEGIN, DAY, END, HOUR, Case, Hidden, Scraping, hourly, steady
from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import Counts
from tests.integration.prometheus.synthetic import Events, Process

_LONG = END - 70 * DAY
_INCIDENT = BEGIN + 20 * DAY


def cases(by: Scraping) -> list[Case]:
    """All of them, at the phases that `by` throws."""
    return [
        Case("steady errors", [by.target("steady", steady(_LONG, END, 10, 0.0005))]),
        Case("no error ever", [by.target("clean", steady(_LONG, END, 10, 0))]),
        Case("outage at night, 1/1000 of the traffic", [by.target("night", _daily(15, 1.0))]),
        Case("10% errors at noon", [by.target("noon", _daily(5, 0.1))]),
        Case("idle for 20 minutes", [by.target("idle", _idle())]),
        Case("a request every three minutes", [by.target("low", _low())], objective="99"),
        Case(
            "new error code, 50 errors at once",
            [by.target("code", _burst(100 / 60, 50, END - 5 * DAY - 777, before=0))],
        ),
        _new_pod(by),
        _rolling_deploy(by),
        _restarts(by),
        _relabelled(by),
        _dropped(by),
        _target_away(by, before=5),
        _prometheus_away(by, minutes=45),
        Case(
            "one scrape in ten fails",
            [by.target("missing", steady(_LONG, END, 10, 0.0005), missing=0.1)],
        ),
        _pair(by),
        _clusters(by, 60),
        _clusters(by, 120),
        _new_service(by, to_date=False),
        _new_service(by, to_date=True),
        Case(
            "window longer than the retention",
            [by.target("retention", steady(_LONG, END, 5, 0.0007))],
            window="60d",
        ),
        *_corrected(by),
        _target_away(by, before=0),
        _prometheus_away(by, minutes=180),
    ]


def _corrected(by: Scraping) -> list[Case]:
    """Times that do not count, which cut hours, and counts in place of those of a load test."""
    noon, test = _INCIDENT + 5 * HOUR, Range(END - 8 * DAY, END - 8 * DAY + 3 * HOUR)
    nights = (BEGIN + day * DAY + 15 * HOUR + 1300 for day in range(31))
    loaded = Events(_LONG).until(test.start, 10).until(test.end, 500).until(END, 10)
    failing = Events(_LONG).until(test.start, 0.004).until(test.end, 40).until(END, 0.004)
    return [
        Case(
            "10% errors at noon, an hour of them excluded",
            [by.target("excused", _daily(5, 0.1))],
            corrections=(Correction("noon", (Range(noon + 1234, noon + 4834),)),),
        ),
        Case(
            "outage at night, an hour of every night excluded",
            [by.target("nights", _daily(15, 1.0))],
            corrections=(Correction("nights", tuple(Range(it, it + HOUR) for it in nights)),),
        ),
        Case(
            "load test that fails, replaced by counts as usual",
            [by.target("loaded", Process(_LONG, END, loaded, failing))],
            corrections=(
                Correction("load test", (test,)),
                Correction("as usual", (test,), added=Counts(108_000, 43)),
            ),
        ),
    ]


def _daily(hour: int, ratio: float) -> Process:
    """Twelve busy hours a day; two hours in which the share `ratio` of the requests fails."""
    first = _INCIDENT + hour * HOUR
    return hourly(
        BEGIN,
        lambda time: 100.0 if (time - BEGIN) % DAY < 12 * HOUR else 0.1,
        lambda time: ratio if first <= time < first + 2 * HOUR else 0.0,
    )


def _idle() -> Process:
    pause, start = END - 7 * DAY, _LONG
    good = Events(start).until(pause, 10).until(pause + 1200, 0).until(END, 10)
    bad = Events(start).until(pause, 0.005).until(pause + 1200, 0).until(END, 0.005)
    return Process(start, END, good, bad)


def _low() -> Process:
    """Sixty failures, each on its own."""
    bad, time = Events(_LONG), BEGIN + 2 * DAY
    for _ in range(60):
        bad.until(time, 0).at_once(1)
        time += 11 * HOUR + 7
    return Process(_LONG, END, Events(_LONG).until(END, 1 / 180), bad.until(END, 0))


def _burst(rate: float, count: int, at: float, *, before: int) -> Process:
    """A process that fails `count` times at one time, and before its window `before` times."""
    bad = Events(_LONG).at_once(before).until(at, 0).at_once(count).until(END, 0)
    return Process(_LONG, END, Events(_LONG).until(END, rate), bad)


def _born(start: float, end: float, rate: float, first: int, ratio: float) -> Process:
    """A process that fails `first` times before it is scraped."""
    bad = Events(start).at_once(first).until(end, rate * ratio)
    return Process(start, end, Events(start).until(end, rate), bad)


def _new_pod(by: Scraping) -> Case:
    start = END - 3 * DAY - 100
    targets = [by.target("pod", steady(_LONG, END, 1, 0.0002))]
    born = _born(start, END, 1, 600, 0.0002)
    targets.append(by.target("pod", born, instance="b", seen=(start + 5, END)))
    return Case("new pod that fails 600 times before its first scrape", targets)


def _rolling_deploy(by: Scraping) -> Case:
    targets = []
    for pod in range(4):
        start = END - 4 * DAY
        for generation in range(32):
            end = END if generation == 31 else start + 3 * HOUR + by.events.uniform(-600, 600)
            target = by.target(
                "deploy",
                _born(start, end, 10, 3, 0.0002),
                instance=f"pod-{pod}-{generation}",
                interval=15,
                seen=(start + by.chance.uniform(1, 12), end),
            )
            targets.append(target)
            start = end
    return Case("rolling deploy every 3 h, scraped every 15 s", targets, window="3d")


def _restarts(by: Scraping) -> Case:
    processes, start = [], END - 4 * DAY
    while start < END:
        end = min(END, start + by.events.uniform(0.05, 4) * HOUR)
        processes.append(steady(start, end, 20, 0.0004))
        start = end
    target = by.target("restarts", *processes, interval=15, seen=(END - 4 * DAY, END))
    return Case("restarts every few hours, scraped every 15 s", [target], window="3d")


def _relabelled(by: Scraping) -> Case:
    """The process goes on with all it has counted, under the name of another instance."""
    process, at = steady(_LONG, END, 10, 0.0004), END - 10 * DAY - 100
    targets = [
        by.target("relabelled", process, seen=(BEGIN, at)),
        by.target("relabelled", process, instance="b", seen=(at, END)),
    ]
    return Case("relabelled target with 34,000 old errors", targets)


def _dropped(by: Scraping) -> Case:
    """The error series is dropped by relabelling and let in again; no errors meanwhile."""
    first, last = END - 8 * DAY, END - 8 * DAY + 3 * HOUR
    good = Events(_LONG).until(END, 10)
    bad = Events(_LONG).until(first - 600, 0.004).until(last + 600, 0).until(END, 0.004)
    target = by.target("dropped", Process(_LONG, END, good, bad))
    hidden = Hidden('code="500"', first, last)
    return Case("error series dropped for 3 h and added again", [target], hidden=(hidden,))


def _target_away(by: Scraping, *, before: int) -> Case:
    """`before`: errors that there were long before, so that their series is no new one."""
    first = END - 9 * DAY
    process = _burst(10, 8000, first + 1000, before=before)
    return Case(
        "target away for 40 min, 8,000 errors meanwhile" + ("" if before else ", the first ones"),
        [by.target(f"away{before}", process, unseen=(first, first + 2400))],
        limit="" if before else "in doubt a new series counts only its movement",
    )


def _prometheus_away(by: Scraping, *, minutes: int) -> Case:
    first = END - 9 * DAY
    name = f"blind{minutes}"
    process = _burst(10, 8000, first + 1000, before=5)
    hidden = Hidden("", first, first + minutes * 60)
    return Case(
        f"Prometheus away for {minutes} min, 8,000 errors meanwhile",
        [by.target(name, process)],
        hidden=(hidden,),
        limit="" if minutes < 60 else "an outage of Prometheus of more than an hour is a gap",
    )


def _pair(by: Scraping) -> Case:
    """Two Prometheus scrape one target, each away once; 1,500 of its errors come just then."""
    first, second = END - 6 * DAY, END - 5 * DAY
    bad = Events(_LONG).until(first + 600, 0.001).at_once(700).until(second + 600, 0.001)
    process = Process(_LONG, END, Events(_LONG).until(END, 10), bad.at_once(800).until(END, 0.001))
    targets = [
        by.target("pair", process, unseen=(away, away + 1800), replica=replica)
        for replica, away in (("a", first), ("b", second))
    ]
    return Case("scraped by two replicas, each away for 30 min", targets)


def _clusters(by: Scraping, interval: float) -> Case:
    """Traffic that changes by the minute, and failures in clusters of a minute; calm at the end."""
    start = time = END - 8 * DAY
    good, bad = Events(start), Events(start)
    while time < END:
        time = min(END, time + 60)
        fails = time < END - 600 and by.events.random() < 1 / 6
        good.until(time, by.events.uniform(5, 50))
        bad.until(time, 0.2 if fails else 0)
    target = by.target(
        f"clusters{interval:g}",
        Process(start, END, good, bad),
        interval=interval,
        seen=(start, END),
    )
    return Case(f"clusters of errors, scraped every {interval:g} s", [target], window="7d")


def _new_service(by: Scraping, *, to_date: bool) -> Case:
    target = by.target(f"new{to_date:d}", steady(END - DAY, END, 100, 0.002), seen=(END - DAY, END))
    against = "the events so far" if to_date else "a whole window"
    return Case(
        f"service of one day, against {against}",
        [target],
        rate=None if to_date else 100,
        to_date=to_date,
    )
