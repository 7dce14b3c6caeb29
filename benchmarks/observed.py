"""A controller that also tells of its event loop, which nothing outside of its process can see.

It takes the options of `sluice run` that the benchmarks need, and `--observations`: a file that
gets an object of JSON a line with the worst `lag` since the last one (seconds by which a sleep of
`_NAP` ended late), and the least number of asyncio's `tasks`: those that do not end.
"""

import argparse
import asyncio
import json
import time
from pathlib import Path

from sluice.controller.app import run
from sluice.controller.settings import Settings

_NAP = 0.05
EVERY = 10.0


def main() -> None:
    """Run until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--observations", type=Path, required=True)
    parser.add_argument("--prometheus-url", required=True)
    parser.add_argument("--listen", required=True)
    parser.add_argument("--namespace", required=True)
    parser.add_argument("--kubeconfig", type=Path, required=True)
    given = vars(parser.parse_args())
    observations = given.pop("observations")
    asyncio.run(_run(Settings(**given), observations))


async def _run(settings: Settings, observations: Path) -> None:
    observer = asyncio.create_task(_observe(observations))
    try:
        await run(settings)
    finally:
        observer.cancel()


async def _observe(observations: Path) -> None:
    while True:
        began, worst, least = time.monotonic(), 0.0, len(asyncio.all_tasks())
        while (before := time.monotonic()) - began < EVERY:
            await asyncio.sleep(_NAP)
            worst = max(worst, time.monotonic() - before - _NAP)
            least = min(least, len(asyncio.all_tasks()))
        with observations.open("a") as file:
            file.write(f"{json.dumps({'lag': round(worst, 3), 'tasks': least})}\n")


if __name__ == "__main__":
    main()
