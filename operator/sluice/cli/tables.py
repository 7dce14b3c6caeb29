"""Tables for people: coloured on a terminal, unbroken lines in a pipe, whole numbers anywhere.

`NO_COLOR` is respected. Source: no-color.org, and rich's own handling of it.
"""

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sluice.api.policy import Admission
from sluice.api.slo import Level

NOTHING = "-"
"""What a cell holds where there is nothing to tell."""
_UNLIMITED = 10_000
_NARROWEST = 8
_GAP = 2

Styles = Mapping[str, str]

STYLES: Styles = {
    Level.OK: "green",
    Level.WARNING: "yellow",
    Level.CRITICAL: "red",
    Level.PAGE: "bold red",
    Level.UNKNOWN: "magenta",
    Admission.ALLOW: "green",
    Admission.WARN: "yellow",
    Admission.LIMIT: "red",
    Admission.DENY: "bold red",
}
"""How words look that say how bad things are."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column; one that `folds` goes on in further lines where the terminal is too narrow."""

    header: str
    cells: Sequence[str]
    folds: bool = False

    @property
    def width(self) -> int:
        """Characters that no line of it needs more of."""
        return max(len(text) for text in (self.header, *self.cells))


def columns(rows: Sequence[Mapping[str, str]], *, folding: Collection[str]) -> list[Column]:
    """The columns of `rows`, which map headers to cells and all have the same headers."""
    headers = rows[0] if rows else {}
    return [
        Column(header, [row[header] for row in rows], folds=header in folding) for header in headers
    ]


def print_table(found: Sequence[Column], out: TextIO, *, styles: Styles = STYLES) -> None:
    """Print a table; a cell that is one of the words in `styles` is coloured."""
    least = sum((_NARROWEST if it.folds else it.width) + _GAP for it in found)
    console(out, least=least).print(_table(found, styles))


def console(out: TextIO, *, least: int = 0) -> Console:
    """As wide as the terminal, but `least` characters; elsewhere lines are not broken."""
    terminal = out.isatty()
    width = None if terminal or "COLUMNS" in os.environ else _UNLIMITED
    found = Console(file=out, force_terminal=terminal, width=width, highlight=False)
    found.width = max(found.width, least)
    return found


def _table(found: Sequence[Column], styles: Styles) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="")
    for column in found:
        table.add_column(column.header, overflow="fold", no_wrap=not column.folds)
    for row in zip(*(column.cells for column in found), strict=True):
        table.add_row(*(Text(cell, style=styles.get(cell, "")) for cell in row))
    return table
