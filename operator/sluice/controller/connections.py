"""Makes the clients of sources, each with its guard, from what is declared and its Secrets."""

import time

import aiohttp

from sluice.api.postgresql import PostgreSQLSource
from sluice.api.reasons import Reason
from sluice.api.source import MetricSourceSpec, PrometheusSource
from sluice.indicators.credentials import Secrets, credentials
from sluice.indicators.failure import Failure
from sluice.indicators.guard import Guarded, GuardedDatabase, GuardedSource
from sluice.indicators.login import login
from sluice.indicators.postgresql import PostgreSQL
from sluice.indicators.prometheus import Prometheus


class Connections:
    """Where clients come from.

    Args:
        session: an open HTTP session, which they share.
        query_timeout: seconds that a request to a Prometheus may take.
    """

    def __init__(self, session: aiohttp.ClientSession, *, query_timeout: float) -> None:
        self._session = session
        self._query_timeout = query_timeout

    def connect(self, name: str, declared: MetricSourceSpec, secrets: Secrets) -> Guarded | Failure:
        """The client of a source called `name`.

        Returns:
            It, unconnected; or a failure `InvalidSecret`, or `InvalidSpec` for a URL that is none.
        """
        client = self._client(name, declared, secrets)
        most = declared.max_concurrent
        if isinstance(client, Failure):
            return client
        if isinstance(client, PostgreSQL):
            return GuardedDatabase(client, monotonic=time.monotonic, most=most)
        return GuardedSource(client, monotonic=time.monotonic, most=most)

    def _client(
        self, name: str, declared: MetricSourceSpec, secrets: Secrets
    ) -> Prometheus | PostgreSQL | Failure:
        if declared.postgresql is not None:
            return _postgresql(name, declared.postgresql, secrets)
        assert declared.prometheus is not None
        return self._prometheus(name, declared.prometheus, secrets)

    def _prometheus(
        self, name: str, declared: PrometheusSource, secrets: Secrets
    ) -> Prometheus | Failure:
        carried = credentials(declared, secrets)
        if isinstance(carried, Failure):
            return carried
        try:
            return Prometheus(
                name,
                declared.url,
                self._session,
                credentials=carried,
                dedup_label=declared.dedup_label or "",
                timeout=self._query_timeout,
            )
        except ValueError as error:
            return Failure(Reason.INVALID_SPEC, f"spec.prometheus.url: {error}")


def _postgresql(name: str, declared: PostgreSQLSource, secrets: Secrets) -> PostgreSQL | Failure:
    logged_in = login(declared, secrets)
    if isinstance(logged_in, Failure):
        return logged_in
    return PostgreSQL(name, declared, logged_in)
