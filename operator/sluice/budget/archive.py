"""An account as bytes: what is closed of it, to be taken up again by another process.

What is written stands for itself: it says which format it has, what was measured and how many rows
there are, and a digest over all of it finds whatever has happened to it since.

    8 bytes    MAGIC
    32 bytes   SHA-256 of all that follows
    2 bytes    version of the format, an unsigned number
    4 bytes    length of the header, an unsigned number
    ...        the header: a JSON object
    ...        zlib: the slices' totals, bad ones and cover, then the hours', and then those of the
               slices of hours that corrections cut, and when these hours begin

Without such hours the format is the first one, which earlier versions read too.

Numbers are little-endian. Of float32 columns all first bytes come first, then all second ones, and
so on: what is alike stands together, which halves the compressed size of even traffic. Magic,
digest and version stay where they are in every version to come, so that a newer one is told from
damage.
"""

import json
import struct
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from hashlib import sha256
from math import isfinite
from typing import Any

import numpy as np
import numpy.typing as npt

from sluice.budget.account import Account, Origin
from sluice.budget.counts import SLICES_PER_HOUR
from sluice.budget.ring import Kept, Rows
from sluice.budget.windows import HOUR

VERSION = 2
MAGIC = b"SLUICE\r\n"

_PREFIX = struct.Struct("<HI")
_DIGEST = 32
_ROW = 4 + 4 + 1
# A year by the hour, with a week before it, and three days of slices, are ten thousand rows.
_MOST_ROWS = 100_000
_LEVEL = 6
MOST_CUTS = 4096
"""Hours whose slices are stored besides, at most: half of what a ConfigMap holds. Eleven cuts a day
over a year are as many; what is more is read again."""
_WITHOUT_CUTS = 1
_HOUR_NUMBER = 4
# Beyond it a float64 does not hold every whole second.
_LATEST = 2**53

Bytes = npt.NDArray[np.uint8]
Boundaries = Mapping[int, tuple[float | None, ...]]
"""By Unix seconds, the values that counters had; None for those without any."""


class Unusable(StrEnum):
    """Why there is nothing to go on with."""

    DAMAGED = "damaged"
    NEWER = "newer"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with an archive.

    Attributes:
        kind: for programs.
        message: for people.
    """

    kind: Unusable
    message: str


@dataclass(frozen=True, slots=True)
class Mark:
    """Where the reading of a source stood: what late samples, and new series, are told by.

    Attributes:
        present: how many series there were.
        boundaries: the values at the ends of the last slices; None is kept of an infinite one.
    """

    present: float = 0.0
    boundaries: Boundaries = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """What of an account outlives a process.

    Attributes:
        cuts: the slices of hours that corrections cut, by where these begin, in Unix seconds.
    """

    kept: Kept
    anchor: int
    oldest: int
    origin: Origin | None
    mark: Mark
    cuts: Mapping[int, Rows] = field(default_factory=dict)

    def restore(self, account: Account) -> None:
        """Let `account` go on from here. Raises `ValueError` if it is of another window."""
        account.resume(
            self.kept,
            anchor=self.anchor,
            oldest=self.oldest,
            origin=self.origin,
            cuts=self.cuts,
        )


def archived(account: Account, mark: Mark) -> Archive | None:
    """The state of `account`; None while there is nothing to keep."""
    kept = account.ledger.kept()
    if kept is None or account.oldest is None:
        return None
    cuts = account.cuts()
    # A source forgets the oldest first.
    first = {hour: cuts[hour] for hour in sorted(cuts)[:MOST_CUTS]}
    return Archive(kept, account.ledger.anchor, account.oldest, account.origin, mark, first)


def encode(archive: Archive, *, key: str) -> bytes:
    """The archive as bytes.

    Args:
        archive: what is to be kept.
        key: names what was measured, and how: another one's counts are of no use.
    """
    kept, origin = archive.kept, archive.origin
    header = {
        "key": key,
        "closed": kept.closed,
        "anchor": archive.anchor,
        "oldest": archive.oldest,
        "origin": None if origin is None else [origin.first_sample, origin.data_begins],
        "slices": len(kept.slices),
        "hours": len(kept.hours),
        "present": archive.mark.present,
        "boundaries": [
            [time, [value if value is not None and isfinite(value) else None for value in each]]
            for time, each in archive.mark.boundaries.items()
        ],
    }
    tables = [kept.slices, kept.hours]
    if archive.cuts:
        header["cuts"] = len(archive.cuts)
        tables.append(_joined(archive.cuts.values()))
    text = json.dumps(header, allow_nan=False, separators=(",", ":")).encode()
    columns = b"".join(part.tobytes() for rows in tables for part in _out(rows))
    columns += np.array([hour // HOUR for hour in archive.cuts], "<u4").tobytes()
    rest = (
        _PREFIX.pack(VERSION if archive.cuts else _WITHOUT_CUTS, len(text))
        + text
        + zlib.compress(columns, _LEVEL)
    )
    return MAGIC + sha256(rest).digest() + rest


def decode(data: bytes, *, key: str) -> Archive | Problem:
    """What `encode` was given; or why that cannot be had. Nothing raises.

    Args:
        data: the bytes; anything.
        key: what is to be measured.
    """
    rest = data[len(MAGIC) + _DIGEST :]
    if not data.startswith(MAGIC):
        return Problem(Unusable.DAMAGED, "it does not begin as a ledger does")
    if sha256(rest).digest() != data[len(MAGIC) : len(MAGIC) + _DIGEST]:
        return Problem(Unusable.DAMAGED, "its checksum is not that of its content")
    try:
        return _decoded(rest, key)
    except (ArithmeticError, LookupError, TypeError, ValueError, struct.error, zlib.error) as error:
        return Problem(Unusable.DAMAGED, f"its content makes no sense: {error!r}")


def _decoded(rest: bytes, key: str) -> Archive | Problem:
    version, length = _PREFIX.unpack_from(rest)
    if version > VERSION:
        message = f"it has format {version}, this version of Sluice reads up to {VERSION}"
        return Problem(Unusable.NEWER, message)
    body = _PREFIX.size + length
    header = json.loads(rest[_PREFIX.size : body])
    if header["key"] != key:
        return Problem(Unusable.OTHER, "something else was measured, or in another way")
    origin, anchor = header["origin"], _within(header["anchor"], HOUR)
    kept, cuts = _tables(header, rest[body:], anchor)
    return Archive(
        kept=kept,
        anchor=anchor,
        oldest=_within(header["oldest"], _LATEST),
        origin=None if origin is None else Origin(int(origin[0]), float(origin[1])),
        mark=Mark(
            float(header["present"]),
            {
                int(time): tuple(None if value is None else float(value) for value in each)
                for time, each in header["boundaries"]
            },
        ),
        cuts=cuts,
    )


def _within(number: object, most: int) -> int:
    if not isinstance(number, int) or not -most < number < most:
        raise ValueError(f"{number!r} is no whole number below {most}")
    return number


def _tables(
    header: Mapping[str, Any], compressed: bytes, anchor: int
) -> tuple[Kept, dict[int, Rows]]:
    slices, hours = (abs(_within(header[name], _MOST_ROWS)) for name in ("slices", "hours"))
    cuts = abs(_within(header.get("cuts", 0), MOST_CUTS + 1))
    ends = np.cumsum([slices * _ROW, hours * _ROW, cuts * SLICES_PER_HOUR * _ROW])
    size = int(ends[-1]) + cuts * _HOUR_NUMBER
    unpacked = zlib.decompressobj().decompress(compressed, size + 1)
    if len(unpacked) != size:
        message = f"{slices} slices, {hours} hours and {cuts} cut ones"
        raise ValueError(f"{message} do not fit in {len(unpacked)} bytes")
    fine, coarse, cut, numbers = np.split(np.frombuffer(unpacked, np.uint8), ends)
    kept = Kept(_within(header["closed"], _LATEST), _in(fine, slices), _in(coarse, hours))
    rows = _in(cut, cuts * SLICES_PER_HOUR)
    return kept, {
        int(number) * HOUR + anchor: _part(rows, index)
        for index, number in enumerate(numbers.view("<u4"))
    }


def _joined(hours: Iterable[Rows]) -> Rows:
    """The slices of one hour behind those of another."""
    columns = zip(*((rows.total, rows.bad, rows.covered) for rows in hours), strict=True)
    total, bad, covered = (np.concatenate(column) for column in columns)
    return Rows(total, bad, covered)


def _part(rows: Rows, index: int) -> Rows:
    """The slices of one of the hours that were joined."""
    own = slice(index * SLICES_PER_HOUR, (index + 1) * SLICES_PER_HOUR)
    return Rows(rows.total[own].copy(), rows.bad[own].copy(), rows.covered[own].copy())


def _out(rows: Rows) -> tuple[Bytes, Bytes, Bytes]:
    total, bad = (
        np.ascontiguousarray(column, "<f4").view(np.uint8).reshape(-1, 4).T
        for column in (rows.total, rows.bad)
    )
    return total, bad, rows.covered


def _in(columns: Bytes, count: int) -> Rows:
    total, bad = (
        np.ascontiguousarray(columns[at * count : (at + 4) * count].reshape(4, count).T)
        .view("<f4")
        .reshape(count)
        .astype(np.float32)
        for at in (0, 4)
    )
    if not (np.isfinite(total).all() and np.isfinite(bad).all()):
        raise ValueError("counts that are no numbers")
    return Rows(total, bad, columns[8 * count :].copy())
