"""What every run of pytest here has in common: it ends by saying what was not run, and why."""

from collections import Counter

import pytest


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
