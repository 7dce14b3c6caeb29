"""When a certificate is renewed, what stays trusted meanwhile, and when a new one is served."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sluice.certificates.issuing import issue
from sluice.certificates.pair import Authority, Pair
from sluice.certificates.rotation import MOST, Plan, Stored, Terms, plan

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
DAY = timedelta(days=1)
TERMS = Terms(lifetime=90 * DAY)
HOSTS = frozenset({"sluice-gate.sluice-system.svc"})


def pair(*, ends: timedelta, hosts: frozenset[str] = HOSTS, lifetime: timedelta = 90 * DAY) -> Pair:
    """A pair that ends so long after `NOW`."""
    return issue(hosts, now=NOW + ends - lifetime, lifetime=lifetime)


def serving(one: Pair, *more: Authority) -> Stored:
    return Stored(served=one, trusted=(one.authority, *more))


def planned(
    stored: Stored,
    *,
    configured: tuple[Authority, ...] = (),
    trusted_for: float | None = None,
    now: datetime = NOW,
) -> Plan:
    seconds = None if trusted_for is None else timedelta(seconds=trusted_for)
    return plan(
        stored,
        hosts=HOSTS,
        configured=configured,
        trusted_for=seconds,
        now=now,
        terms=TERMS,
    )


def with_authority_until(ends: timedelta) -> Stored:
    """A good certificate whose authority ends before it does, as somebody else may have made it."""
    found = pair(ends=80 * DAY)
    authority = replace(found.authority, ends=NOW + ends)
    return serving(replace(found, authority=authority, ends=authority.ends))


@pytest.mark.parametrize(
    ("stored", "why"),
    [
        (lambda: serving(pair(ends=31 * DAY)), None),
        (lambda: serving(pair(ends=30 * DAY)), "the certificate ends at 2026-09-19T10:04:00Z"),
        (lambda: serving(pair(ends=-DAY)), "the certificate ends at 2026-08-19T10:04:00Z"),
        (lambda: with_authority_until(31 * DAY), None),
        (lambda: with_authority_until(29 * DAY), "the certificate ends at 2026-09-18T10:04:00Z"),
        (Stored, "there is no certificate yet"),
        (
            lambda: Stored(problems=("tls.crt: certificate or key are no PEM",)),
            "tls.crt: certificate or key are no PEM",
        ),
        (
            lambda: serving(pair(ends=80 * DAY, hosts=frozenset({"old.svc"}))),
            "the certificate is for old.svc, and must be for sluice-gate.sluice-system.svc",
        ),
        (
            lambda: serving(pair(ends=200 * DAY)),
            "the certificate is not valid before 2026-12-08T09:59:00Z",
        ),
    ],
)
def test_a_new_certificate_is_made_when_it_must_be_and_not_before(
    stored: Callable[[], Stored], why: str | None
) -> None:
    assert planned(stored()).issue == why


def test_no_second_one_is_made_while_the_new_one_waits_to_be_trusted() -> None:
    old = serving(pair(ends=29 * DAY))
    found = old.with_coming(pair(ends=89 * DAY), old.trusted)
    assert planned(found) == Plan(None, found.trusted, serve=False)


def test_a_new_one_that_waited_for_too_long_is_replaced() -> None:
    old = serving(pair(ends=DAY))
    found = old.with_coming(pair(ends=29 * DAY), old.trusted)
    assert planned(found).issue == "the certificate ends at 2026-09-18T10:04:00Z"


@pytest.mark.parametrize(
    ("served_ends", "trusted_for", "serve"),
    [
        (29 * DAY, None, False),
        (29 * DAY, 0, False),
        (29 * DAY, 59.9, False),
        (29 * DAY, 60, True),
        # Nobody trusts the old one any more: there is nothing to wait for.
        (-DAY, None, True),
    ],
)
def test_a_new_one_is_served_once_it_has_been_trusted_for_a_while(
    served_ends: timedelta, trusted_for: float | None, serve: bool
) -> None:
    old = serving(pair(ends=served_ends))
    found = old.with_coming(pair(ends=89 * DAY), old.trusted)
    assert planned(found, trusted_for=trusted_for).serve is serve


def test_the_first_one_is_served_at_once() -> None:
    found = Stored().with_coming(pair(ends=89 * DAY), ())
    assert planned(found).serve


def test_an_authority_is_trusted_until_it_ends_and_no_longer() -> None:
    ended, old, new = (pair(ends=days * DAY) for days in (-1, 20, 80))
    found = serving(new, old.authority, ended.authority)
    assert planned(found).trusted == (new.authority, old.authority)


def test_what_the_api_server_trusts_stays_trusted_when_the_secret_was_emptied() -> None:
    served = pair(ends=80 * DAY)
    assert planned(Stored(), configured=(served.authority,)).trusted == (served.authority,)


def test_what_somebody_else_had_trusted_does_not_while_the_secret_is_whole() -> None:
    found, foreign = serving(pair(ends=80 * DAY)), pair(ends=800 * DAY, lifetime=900 * DAY)
    assert planned(found, configured=(foreign.authority,)).trusted == found.trusted


def test_a_secret_that_is_emptied_again_and_again_does_not_fill_the_configuration() -> None:
    trusted: tuple[Authority, ...] = ()
    for _ in range(3 * MOST):
        made = Stored().with_coming(
            pair(ends=90 * DAY), planned(Stored(), configured=trusted).trusted
        )
        trusted = made.trusted
    assert len(trusted) == MOST
    assert made.coming is not None
    assert trusted[0] == made.coming.authority


@dataclass
class Cluster:
    """Gates that read the Secret late, and API servers that learn of the configuration late."""

    stored: Stored
    now: datetime = NOW
    trusting: tuple[Authority, ...] = ()
    since: datetime | None = None

    def turn(self) -> None:
        """One look of the controller."""
        found = self.stored
        first = self._plan(found)
        if first.issue is not None:
            found = found.with_coming(
                issue(HOSTS, now=self.now, lifetime=TERMS.lifetime), first.trusted
            )
        else:
            found = replace(found, trusted=first.trusted)
        if self.trusting != found.trusted:
            self.trusting, self.since = found.trusted, self.now
        if self._plan(found).serve:
            found = found.serving_coming()
        self.stored = found

    def _plan(self, found: Stored) -> Plan:
        trusted = found.coming is not None and found.coming.authority in self.trusting
        since = self.now - self.since if trusted and self.since is not None else None
        return plan(
            found,
            hosts=HOSTS,
            configured=self.trusting,
            trusted_for=since,
            now=self.now,
            terms=TERMS,
        )


@given(
    looks=st.lists(st.integers(min_value=15, max_value=20 * 24 * 3600), min_size=1, max_size=40),
)
def test_whatever_a_gate_still_serves_is_trusted_as_long_as_it_is_valid(looks: list[int]) -> None:
    """However seldom the controller looks, as long as it does so before a certificate ends."""
    cluster = Cluster(Stored())
    cluster.turn()
    ever: list[Pair] = []
    for seconds in looks:
        assert cluster.stored.served is not None
        ever.append(cluster.stored.served)
        cluster.now += timedelta(seconds=seconds)
        cluster.turn()
        for one in ever:
            assert not one.usable(cluster.now) or one.authority in cluster.trusting
        assert cluster.stored.served.usable(cluster.now)


def test_a_certificate_that_comes_into_use_was_trusted_for_a_while_before() -> None:
    cluster = Cluster(Stored())
    cluster.turn()
    cluster.now += 61 * DAY
    first = cluster.stored.served
    cluster.turn()
    coming = cluster.stored.coming
    assert (cluster.stored.served, coming is not None) == (first, True)
    trusted_at = cluster.now
    while cluster.stored.served == first:
        cluster.now += timedelta(seconds=15)
        cluster.turn()
    assert cluster.stored.served == coming
    assert cluster.now - trusted_at == TERMS.settle
