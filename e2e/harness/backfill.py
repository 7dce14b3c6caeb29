"""Turn OpenMetrics text into the blocks that Prometheus starts with.

The blocks end at the newest sample. Prometheus takes the end of its newest block as the oldest
time that it accepts live samples for, so blocks and live samples never overlap, as long as the
history does not reach into the future. It may reach up to the present second: the first scrape
comes later, and a counter that goes on from where its history ends is one continuous series.
"""

import json
import subprocess
import time
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

# promtool reads its input once for every block that it writes. Two hours, its default, would read
# the history of a month 360 times; this is the largest block it can make.
_BLOCK_DURATION = "1458h"
_LINES_AT_ONCE = 10_000


def backfill(promtool: Path, history: Iterable[str] | Path, data: Path, scratch: Path) -> None:
    """Write the history as blocks into Prometheus' data directory.

    Args:
        promtool: the program.
        history: lines of OpenMetrics text with timestamps, or a file of them.
        data: the data directory.
        scratch: a directory for a temporary file.

    Raises:
        ValueError: when promtool does not accept it, or it ends in the future.
    """
    text = history if isinstance(history, Path) else _written(history, scratch / "history.om")
    data.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            *(str(promtool), "tsdb", "create-blocks-from", "openmetrics"),
            *(f"--max-block-duration={_BLOCK_DURATION}", "--quiet", str(text), str(data)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    if text is not history:
        text.unlink()
    if done.returncode != 0:
        raise ValueError(f"promtool does not accept the history: {done.stderr.strip()}")
    newest = max(
        (json.loads(meta.read_text())["maxTime"] for meta in data.glob("*/meta.json")), default=0
    )
    if newest / 1000 > time.time() + 1:
        raise ValueError("the history ends in the future: live samples would be refused")


def _written(lines: Iterable[str], path: Path) -> Path:
    iterator = iter(lines)
    last = ""
    with path.open("w") as file:
        while chunk := list(islice(iterator, _LINES_AT_ONCE)):
            file.write("\n".join(chunk) + "\n")
            last = chunk[-1]
        if last != "# EOF":
            file.write("# EOF\n")
    return path
