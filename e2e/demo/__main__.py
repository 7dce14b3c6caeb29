"""Tell the story: `python -m e2e.demo`, or `make demo`, which also sets everything up."""

import argparse
import signal
import subprocess
import sys
import tempfile
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from rich.console import Console

from e2e.demo.keep import stay
from e2e.demo.recording import picture
from e2e.demo.session import Surprise
from e2e.demo.setup import session
from e2e.demo.story import tell
from e2e.demo.terminal import Terminal


def main(arguments: list[str] | None = None) -> int:
    """Run the demo: 0 if every step was as it should be, 1 if one was not, 130 on Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m e2e.demo", description=__doc__)
    parser.add_argument("--keep", action="store_true", help="leave everything up until Ctrl-C")
    parser.add_argument("--record", type=Path, help="draw the freeze into this SVG file")
    options = parser.parse_args(arguments)
    # A terminal that goes away or a `kill` ends the run as Ctrl-C does.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    terminal = Terminal(Console(highlight=False, record=options.record is not None))
    frame = picture(terminal.console, options.record) if options.record else nullcontext()
    # Made only if something goes wrong.
    logs = Path(tempfile.gettempdir()) / f"sluice-demo-logs-{terminal.began:%Y%m%dT%H%M%S}"
    try:
        _run(terminal, frame, keep=options.keep, logs=logs)
    except KeyboardInterrupt:
        terminal.last("Stopped; everything is taken down.", good=False)
        return 130
    except Exception as error:  # noqa: BLE001 - whatever it is, the demo has failed
        if logs.exists():
            terminal.say(f"The logs of all components are in {logs}")
        terminal.last(f"DEMO FAILED: {_said(error)}", good=False)
        return 1
    terminal.last("DEMO PASSED", good=True)
    return 0


def _run(
    terminal: Terminal, frame: AbstractContextManager[None], *, keep: bool, logs: Path
) -> None:
    with session(terminal, logs=logs) as running:
        tell(running, frame=frame)
        terminal.say(f"Every step was checked. It took {terminal.seconds} seconds.")
        if keep:
            stay(running)


def _said(error: Exception) -> str:
    if isinstance(error, subprocess.CalledProcessError) and error.stderr:
        output = error.stderr
        text = output.decode(errors="replace") if isinstance(output, bytes) else output
        return f"{error}\n{text.strip()}"
    # Those are written to be read; of others the type matters, too.
    written = isinstance(error, (Surprise, TimeoutError, RuntimeError))
    return str(error) if written else repr(error)


if __name__ == "__main__":
    sys.exit(main())
