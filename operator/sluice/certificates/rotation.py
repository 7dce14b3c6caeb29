"""When a certificate is renewed, and in which order, so that what is served is always trusted.

A new certificate is served only once its authority has been trusted for a while; an authority is
trusted until it ends, so that it does not matter how long a replica goes on serving the old one.
Pure: the time, and for how long the new one has been trusted, are parameters.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sluice.certificates.pair import Authority, Pair

_LONGEST_SETTLE = timedelta(seconds=60)
MOST = 8
"""Authorities that are trusted at once, also if something empties the Secret again and again."""


@dataclass(frozen=True, slots=True)
class Terms:
    """How long a certificate is valid, and what follows from it."""

    lifetime: timedelta

    @property
    def renew_before(self) -> timedelta:
        """How long before its end a certificate is renewed."""
        return self.lifetime / 3

    @property
    def settle(self) -> timedelta:
        """How long an authority is trusted before its certificate is served.

        Each API server learns of the configuration by a watch of its own.
        """
        return min(_LONGEST_SETTLE, self.lifetime / 10)


@dataclass(frozen=True, slots=True)
class Stored:
    """What there is.

    Attributes:
        served: the pair that the gates serve, or will as soon as they have read it.
        coming: the one that takes its place once it is trusted.
        trusted: the authorities that the API server is to trust, newest first.
        problems: why a pair that is there is no use.
    """

    served: Pair | None = None
    coming: Pair | None = None
    trusted: tuple[Authority, ...] = ()
    problems: tuple[str, ...] = ()

    def with_coming(self, pair: Pair, trusted: Iterable[Authority]) -> "Stored":
        """With a new pair, which nobody serves yet, and its authority beside `trusted`."""
        return replace(self, coming=pair, trusted=(pair.authority, *trusted)[:MOST], problems=())

    def serving_coming(self) -> "Stored":
        """With the new pair in the place of the old one."""
        return replace(self, served=self.coming, coming=None)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done.

    Attributes:
        issue: why a new pair is to be made; None if none is.
        trusted: the authorities, beside that of a new pair, that are to be trusted.
        serve: whether the coming pair is to be served from now on.
    """

    issue: str | None
    trusted: tuple[Authority, ...]
    serve: bool


def plan(
    stored: Stored,
    *,
    hosts: frozenset[str],
    configured: Iterable[Authority],
    trusted_for: timedelta | None,
    now: datetime,
    terms: Terms,
) -> Plan:
    """What is to be done now.

    Args:
        stored: what there is.
        hosts: what a certificate must be for.
        configured: the authorities that the API server trusts. Where it is not known what is
            served, because the Secret was emptied, they stay, for the gates may serve it still.
        trusted_for: how long all webhooks have trusted the coming pair's authority; None if not.
        now: the time.
        terms: how long certificates are valid.
    """
    served = stored.served is not None and stored.served.usable(now)
    known = stored.trusted if stored.served is not None else (*stored.trusted, *configured)
    trusted = tuple(one for one in dict.fromkeys(known) if one.ends > now)[:MOST]
    issue = _due(stored, hosts=hosts, now=now, terms=terms)
    long_enough = trusted_for is not None and trusted_for >= terms.settle
    serve = issue is None and stored.coming is not None and (long_enough or not served)
    return Plan(issue, trusted, serve)


def _due(stored: Stored, *, hosts: frozenset[str], now: datetime, terms: Terms) -> str | None:
    """Why a new pair is to be made, in words; None if none is."""
    newest = stored.coming or stored.served
    if newest is None:
        return "; ".join(stored.problems) or "there is no certificate yet"
    if newest.hosts != hosts:
        wanted, there = (", ".join(sorted(some)) for some in (hosts, newest.hosts))
        return f"the certificate is for {there or 'nobody'}, and must be for {wanted}"
    if now < newest.begins:
        return f"the certificate is not valid before {newest.begins:%Y-%m-%dT%H:%M:%SZ}"
    if newest.ends - now <= terms.renew_before:
        return f"the certificate ends at {newest.ends:%Y-%m-%dT%H:%M:%SZ}"
    return None
