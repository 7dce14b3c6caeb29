"""Bring the test environment up by hand: `python -m e2e.harness up`."""

import argparse
import signal
import sys
import threading
import time
from contextlib import ExitStack

from e2e.harness.controlplane import control_plane
from e2e.harness.gotools import ALL, CLUSTER, GoTool, built
from e2e.harness.history import History, simulate
from e2e.harness.postgres_programs import postgres_programs
from e2e.harness.programs import kubectl
from e2e.harness.progress import say
from e2e.harness.prometheus_programs import prometheus_programs
from e2e.harness.prometheus_server import ScrapeTarget, prometheus
from e2e.harness.shop import shop
from e2e.harness.traffic import events

_INSTANCE = "shop-0"
_RATE = 10.0
_DAY = 86_400.0


def main() -> int:
    """Run one command and return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m e2e.harness", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    build = commands.add_parser("build", help="build and fetch every program into the cache")
    build.add_argument("--cluster", action="store_true", help="the control plane and Helm alone")
    up = commands.add_parser("up", help="start a control plane, a shop and a Prometheus")
    up.add_argument("--days", type=float, default=1.0, help="days of history of the shop")
    options = parser.parse_args()
    # A terminal that goes away or a `kill` ends the run as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if options.command == "build":
            return _build(CLUSTER if options.cluster else ALL)
        return _up(options.days)
    except RuntimeError as error:  # those say what is missing or which program failed
        say(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 130


def _build(tools: tuple[GoTool, ...]) -> int:
    for tool in tools:
        print(f"{tool.name}: {built(tool)}")
    print(f"prometheus: {prometheus_programs().prometheus}")
    print(f"postgresql: {postgres_programs().directory}")
    return 0


def _up(days: float) -> int:
    started = time.monotonic()
    with ExitStack() as stack:
        say("starting a control plane")
        plane = stack.enter_context(control_plane())
        say(f"writing {days:g} days of history")
        history = _healthy(days)
        running = stack.enter_context(
            shop(
                rate=_RATE,
                initial=history.counts(_INSTANCE),
                started=history.started(_INSTANCE),
            )
        )
        target = ScrapeTarget("shop", running.address, _INSTANCE)
        server = stack.enter_context(prometheus(history=history.lines(), targets=[target]))
        say(f"everything is up after {time.monotonic() - started:.0f} s; Ctrl-C ends it\n")
        print(f"export KUBECONFIG={plane.kubeconfig}")
        print(f"alias kubectl={kubectl()}")
        print(f"export PROMETHEUS_URL={server.url}")
        print(f"# make the shop fail:  curl -d error_ratio=0.5 http://{running.address}/set")
        print(f"# 1000 errors at once: curl -d bad=1000 http://{running.address}/inject")
        sys.stdout.flush()
        threading.Event().wait()
    return 0


def _healthy(days: float) -> History:
    end = time.time()
    per_minute = int(_RATE * 60)
    return simulate(
        lambda _, at: events(per_minute, bad=int(at // 60 % 10 == 0), slow=2),
        start=end - days * _DAY,
        end=end,
        targets=[_INSTANCE],
    )


if __name__ == "__main__":
    sys.exit(main())
