"""Keeps the webhook's certificate: reads what there is, plans, and writes what differs.

Two objects are written, whose names the chart's Role names: the Secret that the gates serve from,
and the `caBundle` of the ValidatingWebhookConfiguration that calls them.
"""

import asyncio
import base64
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from sluice.certificates.issuing import issue
from sluice.certificates.pair import Authority, authorities
from sluice.certificates.rotation import Stored, Terms, plan
from sluice.certificates.store import bundle, contents, stored
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import SECRETS, WEBHOOK_CONFIGURATIONS
from sluice.telemetry.metrics import Metrics

HOSTS = "sluice.dev/certificate-hosts"
"""The annotation that marks a Secret as ours to write: whom its certificate is for, by commas."""
CONFIGURATION = "sluice.dev/webhook-configuration"
"""The annotation that names the configuration which must trust it."""

_LONGEST_PAUSE = 15.0
_log = structlog.get_logger(__name__)

Manifest = dict[str, Any]


class NotKeptError(Exception):
    """The certificate cannot be kept; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class _Found:
    """What there is in the cluster."""

    secret: Manifest
    stored: Stored
    hosts: frozenset[str]
    configuration: Manifest | None

    @property
    def bundles(self) -> list[bytes]:
        """What each webhook trusts."""
        webhooks = (self.configuration or {}).get("webhooks") or []
        return [base64.b64decode(one["clientConfig"].get("caBundle", "")) for one in webhooks]

    def trusts(self, authority: Authority) -> bool:
        """Whether all webhooks do; where there are none nobody has to."""
        return all(authority.pem.encode("ascii") in one for one in self.bundles)


class WebhookCertificate:
    """The certificate in one Secret.

    Args:
        api: reads and writes both objects.
        metrics: where writes are counted, as target `certificate`.
        secret: the Secret's name.
        namespace: where it is.
        lifetime: how long a certificate is valid.
        clock: the present time, with a zone.
        monotonic: seconds, for how long something has been seen.
    """

    def __init__(
        self,
        *,
        api: ApiServer,
        metrics: Metrics,
        secret: str,
        namespace: str,
        lifetime: timedelta,
        clock: Callable[[], datetime],
        monotonic: Callable[[], float],
    ) -> None:
        self._api = api
        self._metrics = metrics
        self._secret = secret
        self._namespace = namespace
        self._terms = Terms(lifetime)
        self._clock = clock
        self._monotonic = monotonic
        self._seen: tuple[Authority, float] | None = None

    async def run(self) -> None:
        """Keep it for ever; what was seen before is of the past, for another process has led."""
        self._seen, said = None, ""
        pause = min(_LONGEST_PAUSE, self._terms.settle.total_seconds() / 3)
        while True:
            problem = ""
            try:
                await self.keep()
            except (ApiError, NotKeptError) as error:
                self._metrics.writes.labels("certificate", "error").inc()
                problem = str(error)
            if problem and problem != said:
                _log.error("webhook's certificate not kept; trying again", error=problem)
            said = problem
            await asyncio.sleep(pause)

    async def keep(self) -> None:
        """Renew the certificate if it is time, and have what is served trusted.

        Raises:
            ApiError: the API server refused something, or somebody else has just written.
            NotKeptError: there is no Secret, or it is somebody else's.
        """
        found, now = await self._read(), self._clock()
        first = plan(
            found.stored,
            hosts=found.hosts,
            configured=_configured(found.bundles),
            trusted_for=self._trusted_for(found),
            now=now,
            terms=self._terms,
        )
        kept = found.stored
        if first.issue is not None:
            pair = issue(found.hosts, now=now, lifetime=self._terms.lifetime)
            kept = kept.with_coming(pair, first.trusted)
            _log.info(
                "certificate renewed", why=first.issue, ends=f"{pair.ends:%Y-%m-%dT%H:%M:%SZ}"
            )
        elif first.trusted != kept.trusted:
            kept = Stored(kept.served, kept.coming, first.trusted)
        # Stored, then trusted, and only then served: who ends in between begins where it ended.
        found = await self._trust(await self._store(found, kept))
        again = plan(
            found.stored,
            hosts=found.hosts,
            configured=(),
            trusted_for=self._trusted_for(found),
            now=now,
            terms=self._terms,
        )
        if again.serve:
            await self._store(found, found.stored.serving_coming())
            _log.info("certificate served", secret=self._secret)

    async def _read(self) -> _Found:
        secret = await self._api.get(SECRETS, self._secret, namespace=self._namespace)
        where = f"Secret {self._namespace}/{self._secret}"
        if secret is None:
            raise NotKeptError(
                f"{where} is not there, and this process may not create it: `helm upgrade` does"
            )
        notes = secret["metadata"].get("annotations") or {}
        hosts = frozenset(filter(None, notes.get(HOSTS, "").split(",")))
        if not hosts or not notes.get(CONFIGURATION):
            raise NotKeptError(
                f"{where} has no annotations {HOSTS} and {CONFIGURATION}, so that it is somebody "
                "else's: name it in gate.certificate.existingSecret, or delete it and run "
                "`helm upgrade`"
            )
        configuration = await self._api.get(WEBHOOK_CONFIGURATIONS, notes[CONFIGURATION])
        data = {name: base64.b64decode(text) for name, text in (secret.get("data") or {}).items()}
        return _Found(secret, stored(data), hosts, configuration)

    def _trusted_for(self, found: _Found) -> timedelta | None:
        """How long this process has seen all webhooks trust the coming pair's authority."""
        coming = found.stored.coming
        if coming is None or not found.trusts(coming.authority):
            self._seen = None
            return None
        now = self._monotonic()
        if self._seen is None or self._seen[0] != coming.authority:
            self._seen = (coming.authority, now)
        return timedelta(seconds=now - self._seen[1])

    async def _store(self, found: _Found, kept: Stored) -> _Found:
        """Write the Secret, if it is to keep something else; only what was read is overwritten."""
        if kept == found.stored:
            return found
        body = {
            "metadata": {"resourceVersion": found.secret["metadata"]["resourceVersion"]},
            "data": {name: _encoded(text) for name, text in contents(kept).items()},
        }
        secret = await self._api.merge(SECRETS, self._secret, body, namespace=self._namespace)
        self._metrics.writes.labels("certificate", "ok").inc()
        return _Found(secret, kept, found.hosts, found.configuration)

    async def _trust(self, found: _Found) -> _Found:
        """Have all webhooks trust exactly what is stored."""
        wanted = bundle(found.stored)
        if found.configuration is None or all(one == wanted.encode() for one in found.bundles):
            return found
        meta = found.configuration["metadata"]
        webhooks = [
            {**one, "clientConfig": {**one["clientConfig"], "caBundle": _encoded(wanted)}}
            for one in found.configuration["webhooks"]
        ]
        body = {"metadata": {"resourceVersion": meta["resourceVersion"]}, "webhooks": webhooks}
        configuration = await self._api.merge(WEBHOOK_CONFIGURATIONS, meta["name"], body)
        self._metrics.writes.labels("certificate", "ok").inc()
        _log.info("authorities trusted", webhooks=meta["name"], count=len(found.stored.trusted))
        return _Found(found.secret, found.stored, found.hosts, configuration)


def _configured(bundles: Iterable[bytes]) -> tuple[Authority, ...]:
    """All that any webhook trusts."""
    return tuple(one for each in bundles for one in authorities(each))


def _encoded(text: str | None) -> str | None:
    return None if text is None else base64.b64encode(text.encode("ascii")).decode("ascii")
