"""Prometheus-style durations (`30d`, `1h30m`, `500ms`): parsed, compared and printed.

The grammar is Prometheus': units from large to small, each at most once. A year is 365 days and a
week 7, as there; months do not exist because they have no fixed length.
Source: prometheus.io/docs/prometheus/latest/querying/basics, "Time durations".
"""

import re
from datetime import timedelta

DURATION_PATTERN = r"^([0-9]+y)?([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$"

_UNITS_MS = {
    "y": 365 * 86_400_000,
    "w": 7 * 86_400_000,
    "d": 86_400_000,
    "h": 3_600_000,
    "m": 60_000,
    "s": 1_000,
    "ms": 1,
}
_WHOLE = re.compile(DURATION_PATTERN)
_PART = re.compile(r"([0-9]+)(ms|[ywdhms])")
_MAX_MS = 100 * _UNITS_MS["y"]


def parse_duration(text: str) -> timedelta:
    """The length that `text` names.

    Raises:
        ValueError: `text` is no Prometheus duration, or one beyond a hundred years.
    """
    if not text or not _WHOLE.fullmatch(text):
        raise ValueError(f"{text!r} is no duration: write it as 30d, 1h30m or 500ms")
    milliseconds = sum(int(count) * _UNITS_MS[unit] for count, unit in _PART.findall(text))
    if milliseconds > _MAX_MS:
        raise ValueError(f"{text!r} is longer than a hundred years")
    return timedelta(milliseconds=milliseconds)


def format_duration(length: timedelta) -> str:
    """`length` in Prometheus' notation, days at the largest: `43m12s`, `30d`, `-5m`, `0s`."""
    milliseconds = round(length.total_seconds() * 1000)
    if milliseconds == 0:
        return "0s"
    sign, milliseconds = ("-", -milliseconds) if milliseconds < 0 else ("", milliseconds)
    parts = []
    for unit in ("d", "h", "m", "s", "ms"):
        count, milliseconds = divmod(milliseconds, _UNITS_MS[unit])
        if count:
            parts.append(f"{count}{unit}")
    return sign + "".join(parts)
