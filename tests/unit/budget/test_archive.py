import base64
import json
import struct
import zlib
from decimal import Decimal
from hashlib import sha256
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sluice.budget.account import Account, Origin
from sluice.budget.archive import (
    MAGIC,
    MOST_CUTS,
    VERSION,
    Archive,
    Mark,
    Problem,
    Unusable,
    archived,
    decode,
    encode,
)
from sluice.budget.budget import Objective
from sluice.budget.corrections import Correction, Range
from sluice.budget.counts import SLICE, SLICES_PER_HOUR, Counts, Slices
from sluice.budget.ring import Rows
from sluice.budget.slicing import Empty, Slicing
from sluice.budget.windows import DAY, HOUR, CalendarWindow, Period, RollingWindow, Window

NOON = 500_000 * HOUR
SLICES = Slicing(parts=2, allowance=0.05, empty=Empty.BAD)
MARK = Mark(3.0, {NOON: (17.25, None), NOON - SLICE: (17.0, 0.1)})
FIRST_FORMAT = (
    "U0xVSUNFDQo1gURTNtZ1D5gVqvP3uzh9aZ2cBzqHXSHoe6QdL5eMbAEArQAAAHsia2V5IjoiayIsImNsb3NlZCI6"
    "MTgwMDAwMDMwMCwiYW5jaG9yIjowLCJvbGRlc3QiOjE3OTk5ODIwMDAsIm9yaWdpbiI6WzE3OTk5ODIwMTcsMTc5"
    "OTk4MjAwMC41XSwic2xpY2VzIjo4NzcsImhvdXJzIjo1LCJwcmVzZW50IjoyLjAsImJvdW5kYXJpZXMiOltbMTgw"
    "MDAwMDAwMCxbMS41LG51bGxdXV19eJxjYBgFo2AUjIJRMApGwSgYBSMUNDA4NCw48IBBQMHAISChoKFjwowFKzbs"
    "OHDiwo0HLz78YGDh4BEQkZBRUNHQMTCxsHFw8fAJCImISUjJyCkYaLePglEwpIC9Axg44gBO+MBAu30UjIJRMApG"
    "wSgYBaNgFAwYgPTZyKMG2u2jYBQMKQDps5FHDbTbR8EoGFKAEQjIJWCggSFo40+FAmdnZxekQRMeGQGWBtA4igMX"
    "JxcXAwAZWFCX"
)
"""A ledger of five hours and a slice, as the first format had it."""
WINDOWS: list[Window] = [
    RollingWindow(3 * HOUR),
    RollingWindow(30 * DAY),
    CalendarWindow(Period.QUARTER, ZoneInfo("Asia/Kolkata")),
    CalendarWindow(Period.YEAR, ZoneInfo("Europe/Berlin")),
]


def read_back(
    window: Window, *, slices: int = 40, seed: int = 1, slicing: Slicing | None = None
) -> Account:
    """An account that has read its window, up to some slices after an hour's begin."""
    account = Account(window, slicing=slicing)
    account.begin(NOON)
    start = window.needs(NOON)
    count = (NOON - start) // SLICE + slices
    rng = np.random.default_rng(seed)
    total = rng.poisson(300, count).astype(float)
    covered = rng.random(count) > 0.02
    account.ledger.put(Slices(start // SLICE, total, rng.binomial(300, 0.01, count), covered))
    account.oldest, account.origin = start, Origin(start + 17, start + 0.1)
    return account


def stored(account: Account, mark: Mark = MARK, key: str = "k") -> bytes:
    archive = archived(account, mark)
    assert archive is not None
    return encode(archive, key=key)


def usable(data: bytes, key: str = "k") -> Archive:
    archive = decode(data, key=key)
    assert isinstance(archive, Archive), archive
    return archive


def problem(data: bytes, key: str = "k") -> Unusable:
    found = decode(data, key=key)
    assert isinstance(found, Problem)
    assert found.message
    return found.kind


def rings(account: Account) -> list[bytes]:
    """Everything that the ledger keeps of what is closed, to the last bit."""
    return [
        column.tobytes()
        for ring in (account.ledger._fine, account.ledger._hours)
        for column in (ring._total, ring._bad, ring._covered)
    ]


@pytest.mark.parametrize("window", WINDOWS, ids=str)
@pytest.mark.parametrize("slicing", [None, SLICES], ids=["events", "slices"])
@settings(max_examples=15)
@given(slices=st.integers(0, 900), seed=st.integers(0, 2**32 - 1))
def test_an_account_comes_back_to_the_last_bit(
    window: Window, slicing: Slicing | None, slices: int, seed: int
) -> None:
    before = read_back(window, slices=slices, seed=seed, slicing=slicing)
    archive = usable(stored(before))
    after = Account(window, slicing=slicing)
    archive.restore(after)
    assert archive.mark == MARK
    assert (after.oldest, after.origin) == (before.oldest, before.origin)
    assert (after.ledger.closed, after.ledger.anchor) == (
        before.ledger.closed,
        before.ledger.anchor,
    )
    assert rings(after) == rings(before)
    assert stored(after) == stored(before)


def cut_account(
    window: Window, hours: int, *, slicing: Slicing | None = None, seed: int = 1
) -> Account:
    """An account that has read slices of old hours for the corrections that cut these."""
    account = read_back(window, slicing=slicing)
    rng = np.random.default_rng(seed)
    anchor = account.ledger.anchor
    first = -(-(window.needs(NOON) - anchor) // HOUR) * HOUR + anchor + 5 * HOUR
    starts = range(first, first + hours * 2 * HOUR, 2 * HOUR)
    ranges = tuple(Range(hour + 600.0, hour + 1500.0) for hour in starts)
    for hour in account.correct([Correction("c", ranges)], NOON):
        whole = account.counts(hour, hour + HOUR)
        if slicing is not None:
            # Slices of which as many count, and as many of these are bad.
            total = np.full(SLICES_PER_HOUR, 100.0)
            bad = np.repeat(np.arange(SLICES_PER_HOUR // slicing.parts) < whole.bad, 2) * 50.0
            total[round(whole.total) * slicing.parts :] = 0.0
            covered = total > 0
        else:
            total = rng.dirichlet(np.full(SLICES_PER_HOUR, 0.7)) * whole.total
            bad = rng.dirichlet(np.full(SLICES_PER_HOUR, 0.3)) * whole.bad
            covered = total > 0
        account.cut(hour, Slices(hour // SLICE, total, bad, covered))
    return account


@pytest.mark.parametrize("slicing", [None, SLICES], ids=["events", "slices"])
@settings(max_examples=10, deadline=None)
@given(hours=st.integers(1, 60), seed=st.integers(0, 2**32 - 1))
def test_the_slices_of_cut_hours_come_back_to_the_last_bit(
    slicing: Slicing | None, hours: int, seed: int
) -> None:
    window = RollingWindow(30 * DAY)
    before = cut_account(window, hours, slicing=slicing, seed=seed)
    assert before.cuts()
    after = Account(window, slicing=slicing)
    usable(stored(before)).restore(after)
    assert stored(after) == stored(before)
    missing = after.correct(before.corrections, NOON)
    assert set(missing).isdisjoint(before.cuts())
    for one in before.corrections[0].ranges[:hours]:
        assert after._corrected(after.corrections).taken(one.start, one.end) == (
            before._corrected(before.corrections).taken(one.start, one.end)
        )
    objective = Objective(target=Decimal("99.9"), length=30 * DAY)
    assert after.evaluate(objective, NOON) == before.evaluate(objective, NOON)


def test_a_ledger_that_was_stored_without_cut_hours_is_still_read() -> None:
    archive = usable(base64.b64decode(FIRST_FORMAT))
    account = Account(WINDOWS[0])
    archive.restore(account)
    assert account.counts(0, NOON + HOUR) == Counts(1764.0, 147.0, 11700.0)
    assert account.cuts() == {}
    assert archive.mark == Mark(2.0, {NOON: (1.5, None)})


def test_without_cut_hours_an_earlier_version_can_read_what_is_stored() -> None:
    assert struct.unpack_from("<H", DATA, len(MAGIC) + 32) == (1,)
    data = stored(cut_account(WINDOWS[1], 3))
    assert struct.unpack_from("<H", data, len(MAGIC) + 32) == (VERSION,)


def test_of_very_many_cut_hours_the_oldest_are_stored_and_fit_in_any_case() -> None:
    account = read_back(WINDOWS[3], slices=0)
    rng = np.random.default_rng(1)
    start, closed = WINDOWS[3].needs(NOON), account.ledger.closed
    assert closed is not None
    count = 366 * DAY // SLICE
    total = np.exp(rng.random(count) * 30)
    account.ledger.put(Slices(closed // SLICE, total, total * rng.random(count), total > 0))
    hours = [start + HOUR * number for number in range(MOST_CUTS + 500)]
    cuts = {}
    for hour in hours:
        total = np.exp(rng.random(SLICES_PER_HOUR) * 30)
        bad = total * rng.random(SLICES_PER_HOUR)
        covered = rng.random(SLICES_PER_HOUR) > 0.5
        cuts[hour] = Rows(
            total.astype(np.float32), bad.astype(np.float32), covered.astype(np.uint8)
        )
    account._cuts.resume(cuts)
    data = stored(account)
    assert sorted(usable(data).cuts) == hours[:MOST_CUTS]
    assert len(data) < 512 * 1024


def test_a_year_of_nightly_corrections_takes_a_tenth_of_a_config_map() -> None:
    account = read_back(WINDOWS[3])
    start = WINDOWS[3].needs(NOON)
    rng = np.random.default_rng(1)
    account._cuts.resume(
        {
            start + edge * HOUR + day * DAY: Rows(
                rng.poisson(300, 12).astype(np.float32),
                rng.binomial(300, 0.01, 12).astype(np.float32),
                np.ones(12, np.uint8),
            )
            for day in range(373)
            for edge in (1, 4)
        }
    )
    assert len(stored(account)) < 100 * 1024


@given(
    counts=st.lists(
        st.tuples(st.floats(0, 2.0**53, width=32), st.floats(0, 2.0**53, width=32), st.booleans()),
        min_size=1,
        max_size=60,
    )
)
def test_whatever_was_counted_goes_on_the_same(counts: list[tuple[float, float, bool]]) -> None:
    total, bad, covered = (np.array(column) for column in zip(*counts, strict=True))
    accounts = Account(WINDOWS[0]), Account(WINDOWS[0])
    accounts[0].begin(NOON)
    accounts[0].ledger.put(Slices(NOON // SLICE, total, bad, covered))
    accounts[0].oldest = NOON
    usable(stored(accounts[0])).restore(accounts[1])
    end = NOON + len(counts) * SLICE
    more = Slices(end // SLICE + 3, np.array([5.0]), np.array([1.0]), np.array([True]))
    for account in accounts:
        account.ledger.put(more)
    assert rings(accounts[0]) == rings(accounts[1])
    assert accounts[0].counts(0, end + DAY) == accounts[1].counts(0, end + DAY)


def test_an_account_of_which_nothing_is_known_is_not_worth_an_archive() -> None:
    assert archived(Account(WINDOWS[0]), MARK) is None


def test_an_account_without_an_origin_has_none_afterwards() -> None:
    account = read_back(WINDOWS[0])
    account.origin = None
    assert usable(stored(account)).origin is None


def test_a_boundary_value_that_is_no_number_is_none_afterwards() -> None:
    mark = Mark(1.0, {NOON: (np.inf, -np.inf, np.nan, 1.5)})
    archive = usable(stored(read_back(WINDOWS[0]), mark))
    assert archive.mark.boundaries == {NOON: (None, None, None, 1.5)}


DATA = stored(read_back(WINDOWS[0]))


@given(at=st.integers(0, len(DATA) - 1), bit=st.integers(0, 7))
def test_any_bit_that_is_turned_is_found(at: int, bit: int) -> None:
    turned = DATA[:at] + bytes([DATA[at] ^ 1 << bit]) + DATA[at + 1 :]
    assert problem(turned) is Unusable.DAMAGED


@given(end=st.integers(0, len(DATA) - 1))
def test_any_end_that_is_missing_is_found(end: int) -> None:
    assert problem(DATA[:end]) is Unusable.DAMAGED


def test_anything_that_was_added_is_found() -> None:
    assert problem(DATA + b"\0") is Unusable.DAMAGED


@given(data=st.binary())
def test_no_bytes_at_all_are_taken_for_an_archive_or_raise(data: bytes) -> None:
    assert problem(data) is Unusable.DAMAGED
    assert problem(signed(data)) in {Unusable.DAMAGED, Unusable.NEWER}


def signed(rest: bytes) -> bytes:
    return MAGIC + sha256(rest).digest() + rest


def forged(*, version: int = VERSION, columns: bytes | None = None, **changes: Any) -> bytes:
    """An archive with a right checksum over something else."""
    rest = DATA[len(MAGIC) + 32 :]
    length = struct.unpack_from("<HI", rest)[1]
    header = json.loads(rest[6 : 6 + length]) | changes
    text = json.dumps(header).encode()
    body = rest[6 + length :] if columns is None else zlib.compress(columns)
    return signed(struct.pack("<HI", version, len(text)) + text + body)


def test_a_forgery_that_changes_nothing_is_as_good() -> None:
    assert usable(forged()).kept.closed == usable(DATA).kept.closed


@pytest.mark.parametrize(
    "changes",
    [
        {"closed": "soon"},
        {"closed": 1.5},
        {"closed": 2**60},
        {"anchor": -HOUR},
        {"oldest": None},
        {"origin": [1]},
        {"slices": -1},
        {"slices": 10**9},
        {"hours": 3},
        {"cuts": 1},
        {"cuts": "many"},
        {"cuts": 10**6},
        {"boundaries": [[1, 2, 3]]},
        {"boundaries": [[1, ["x"]]]},
        {"present": []},
        {"columns": b""},
        {"columns": b"\xff" * 10_000},
    ],
    ids=str,
)
def test_content_that_makes_no_sense_is_found_even_with_a_right_checksum(
    changes: dict[str, Any],
) -> None:
    assert problem(forged(**changes)) is Unusable.DAMAGED


def test_counts_that_are_no_numbers_are_found_even_with_a_right_checksum() -> None:
    archive = usable(DATA)
    archive.kept.hours.total[0] = np.nan
    assert problem(encode(archive, key="k")) is Unusable.DAMAGED


def test_a_newer_format_is_told_from_damage() -> None:
    found = decode(forged(version=VERSION + 1), key="k")
    assert isinstance(found, Problem)
    assert found.kind is Unusable.NEWER
    assert f"format {VERSION + 1}" in found.message


def test_what_something_else_counted_is_not_gone_on_with() -> None:
    assert problem(DATA, key="another") is Unusable.OTHER


@pytest.mark.parametrize("other", [RollingWindow(4 * HOUR), WINDOWS[2]], ids=str)
def test_an_account_of_another_window_is_refused_and_changes_nothing(other: Window) -> None:
    account = read_back(other)
    before = rings(account)
    with pytest.raises(ValueError, match="hours, not"):
        usable(DATA).restore(account)
    assert rings(account) == before


@pytest.mark.parametrize(
    ("window", "most"),
    list(zip(WINDOWS, [8 * 1024, 12 * 1024, 20 * 1024, 64 * 1024], strict=True)),
    ids=str,
)
def test_an_archive_is_far_smaller_than_a_config_map_may_be(window: Window, most: int) -> None:
    assert len(stored(read_back(window, slices=0))) < most


def test_an_archive_of_the_longest_window_fits_with_counts_that_cannot_be_compressed() -> None:
    account = read_back(WINDOWS[3], slices=0)
    rng = np.random.default_rng(1)
    first, count = account.ledger.closed, 366 * DAY // SLICE
    assert first is not None
    total = np.exp(rng.random(count) * 30)
    account.ledger.put(Slices(first // SLICE, total, total * rng.random(count), total > 0))
    assert len(stored(account)) < 128 * 1024
