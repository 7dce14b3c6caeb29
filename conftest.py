"""What every run of pytest here has in common.

It ends by saying what was not run, and why. Hypothesis knows no deadlines, which on a busy machine
would be a lottery, and in CI it draws the same examples every time: what is found by luck belongs
to whoever runs the tests at a desk, not to somebody else's change.
"""

import os
from collections import Counter

import pytest
from hypothesis import settings

# Side by side, tests are told how wide a terminal is, of which what goes into a pipe knows nothing.
os.environ.pop("COLUMNS", None)
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "desk")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the reasons of skipped tests, each once, below everything else."""
    reasons: Counter[str] = Counter()
    for report in terminalreporter.stats.get("skipped", []):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        reasons[reason.removeprefix("Skipped: ")] += 1
    if not reasons:
        return
    terminalreporter.section("NOT RUN", sep="=", yellow=True)
    for reason, count in reasons.most_common():
        terminalreporter.write_line(f"{count} tests were skipped: {reason}")
