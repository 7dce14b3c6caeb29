"""Values that nobody should write and somebody does, for hypothesis to draw."""

import os
from functools import cache
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st

EXAMPLES = int(os.environ.get("SLUICE_FUZZ") or 500)
"""How many of each: 500 with the fast tests; `make fuzz` sets 10,000."""

fuzzed = settings(max_examples=EXAMPLES)

_TEXTS = [
    *(
        "",
        " ",
        "'",
        '"',
        "`",
        "\\",
        "\n",
        "\r\n",
        "\x00",
        "\x7f",
        "\t",
        "\u2028",
        "\u202e",
        "\ufeff",
    ),
    *("') || true || ('", "' + request.userInfo.username + '", "dyn(1)", "object.metadata.name"),
    *('"} or vector(1) #', 'x{a="b"', "up[5m]", "$window", "${window}", "[$window]", "1/0", "{}"),
    *("'; drop table orders; --", "$start", "$$", "/*", "select 1, 1", "1=1 or ''='"),
    *("{{ x }}", "{% raw %}", "${HOME}", "$(id)", "`id`", "%s%n", "%(x)s", "{0}", "<b>", "&amp;"),
    *(
        "../..",
        "/",
        ".",
        "..",
        "-",
        "_",
        ":",
        "=",
        "@",
        "a/b/c",
        "[::1]",
        "//",
        "http:///",
        "http://",
    ),
    *(
        "null",
        "true",
        "no",
        "~",
        "NaN",
        "Infinity",
        "-inf",
        "1e999",
        "-0",
        "0x10",
        "1_000",
        "٣",
        "²",
    ),
    *(
        "99.9999999999",
        "100",
        "-1",
        "1e-400",
        "00.1",
        "+1",
        " 1",
    ),
    *("0s", "1y1w1d1h1m1s1ms", "99999999999y", "30D", "-5m", "5 m", "9" * 40 + "d", "PT5M"),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59-23:59", "2026-02-30T00:00:00Z", "2026-08-20"),
    *(
        "FREQ=SECONDLY",
        "FREQ=DAILY;COUNT=999999999",
        "FREQ=YEARLY;BYMONTH=13",
        "FREQ=",
        "Mars/Olympus",
    ),
    *(
        "é",
        "中文",
        "🚢",
        "\U0010ffff",
        "\ufffd",
        "\ud800",
        "a\u0300",
        "İ",
        "ß",
    ),
]
_LENGTHS = (64, 254, 400)
_HUGE = 70_000
_NUMBERS: list[Any] = [
    *(0, -1, 1, 2**31, -(2**31), 2**53 + 1, 2**63 - 1, 2**63, -(2**63), 2**64, 10**30, 10**400),
    *(0.0, -0.0, 0.1, 1e-9, 5e-324, 1e16, 1e22, 1e300, 1.7976931348623157e308, -1e308),
    *(float("nan"), float("inf"), float("-inf")),
]


@cache
def names() -> st.SearchStrategy[str]:
    """Strings no longer than definitions admit: characters that mean something, and any others."""
    known = st.sampled_from(_TEXTS)
    joined = st.tuples(known, known, known).map("".join)
    return known | st.text(max_size=12) | joined | st.builds(_long, st.sampled_from(_LENGTHS))


@cache
def texts() -> st.SearchStrategy[str]:
    """The same, and huge ones."""
    return names() | st.builds(_long, st.just(_HUGE))


def _long(length: int) -> str:
    return "9" * length


@cache
def numbers() -> st.SearchStrategy[Any]:
    """Numbers at the edges of what some type can hold, and any others."""
    return st.sampled_from(_NUMBERS) | st.integers() | st.floats()


@cache
def scalars() -> st.SearchStrategy[Any]:
    """Anything that is no list and no mapping."""
    return st.none() | st.booleans() | numbers() | texts()


@cache
def json_values() -> st.SearchStrategy[Any]:
    """Any JSON, and some that is none: nested, deep, with keys that nobody expects."""
    nested = st.recursive(
        scalars(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts(), inner, max_size=3),
        max_leaves=8,
    )
    return nested | st.integers(10, 90).map(deep)


def deep(levels: int) -> Any:
    """A list in a list in a list."""
    value: Any = "bottom"
    for _ in range(levels):
        value = [value]
    return value


def one_line(text: str) -> bool:
    """Whether a message can be read as one line, and says something."""
    return bool(text.strip()) and len(text.splitlines()) == 1


def readable(condition: dict[str, str]) -> bool:
    """Whether a condition says in one line what is wrong; all being well needs no words."""
    return one_line(condition["message"]) or (condition["status"], condition["message"]) == (
        "True",
        "",
    )
