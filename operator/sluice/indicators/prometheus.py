"""A client of Prometheus' HTTP API that raises nothing: every failure is a value.

Queries are sent by POST, so that their length is no matter.
"""

import asyncio
import errno
import os
import re
import ssl
from collections.abc import Callable
from typing import Any, TypeVar

import aiohttp
from yarl import URL

from sluice.api.reasons import Reason
from sluice.indicators.answers import Answer, Raw, read_data, read_metric_type, read_series
from sluice.indicators.credentials import Credentials
from sluice.indicators.failure import Failure

_CHUNK = 1 << 16
# Until then a SYN is sent again after 1, 3 and 7 seconds (RFC 6298): three that are lost are no
# coincidence.
_CONNECT_SECONDS = 10.0
_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
_T = TypeVar("_T")
# A MiB of JSON takes 0.3 s and 15 MiB to read: what is longer must not keep the event loop, nor
# fill the memory with several at once.
_LARGE = 1 << 18
_ABOUT_US = re.compile(r"ALERT_(\w*CERTIFICATE\w*|UNKNOWN_CA|ACCESS_DENIED)")
"""Alerts about the client's certificate, as OpenSSL names them. Source: RFC 8446 section 6.2."""


class Prometheus:
    """A source of counts that speaks Prometheus' API: Prometheus, Thanos, Mimir and others.

    Args:
        name: what the source is called in messages.
        url: the base URL; a user and a password in it are not shown in messages.
        session: an open HTTP session, which may be shared.
        credentials: what requests carry; they are not sent anywhere else, as no redirect is
            followed, and not shown in messages.
        dedup_label: see `Source`.
        timeout: seconds for one request, its answer included.
        max_bytes: a longer answer is refused.
        max_series: so is one of more series.

    Raises:
        ValueError: the URL is not one of HTTP; said without showing it, as it may hold a password.
    """

    def __init__(
        self,
        name: str,
        url: str,
        session: aiohttp.ClientSession,
        *,
        credentials: Credentials | None = None,
        dedup_label: str = "",
        timeout: float = 30.0,
        max_bytes: int = 8 << 20,
        max_series: int = 100_000,
    ) -> None:
        self.name = name
        self.dedup_label = dedup_label
        self._url = _base(name, url)
        self._session = session
        self._credentials = credentials or Credentials()
        self._timeout = timeout
        self._connect = min(_CONNECT_SECONDS, timeout / 2)
        self._max_bytes = max_bytes
        self._large = asyncio.Semaphore(1)
        self._max_series = max_series
        shown = self._url.with_user(None).with_query(None).with_fragment(None)
        self._where = f"source {name!r} ({shown})"

    async def instant(self, query: str, at: float) -> Answer:
        """The vector that `query` gives at `at`."""
        return await self._query("query", "vector", query=query, time=f"{at:.3f}")

    async def samples(self, selector: str, seconds: int, at: float) -> Answer:
        """The samples as they were scraped, of the last `seconds` before `at`."""
        query = f"{selector}[{seconds}s]"
        return await self._query("query", "matrix", query=query, time=f"{at:.3f}")

    async def range(self, query: str, start: float, end: float, step: float) -> Answer:
        """What `query` gives at `start` and every `step` seconds after it, up to `end`."""
        times = {"start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        return await self._query("query_range", "matrix", query=query, **times)

    async def metric_type(self, metric: str) -> str | Failure | None:
        """The type that targets state for `metric`, such as `counter`; None if none is known."""
        raw = await self._call("GET", "metadata", {"metric": metric})
        return await self._parsed(raw, lambda data: read_metric_type(data, metric, self._where))

    async def _query(self, path: str, kind: str, **parameters: str) -> Answer:
        raw = await self._call("POST", path, parameters)
        return await self._parsed(
            raw, lambda data: self._bounded(read_series(data, kind, self._where))
        )

    async def _parsed(
        self, raw: Raw | Failure, read: Callable[[Any], _T | Failure]
    ) -> _T | Failure:
        """What `read` makes of an answer's data; of large answers one at a time, in a thread."""
        if isinstance(raw, Failure):
            return self._shown(raw)

        def parse() -> _T | Failure:
            return self._shown(read(read_data(raw, self._where)))

        if len(raw.body) <= _LARGE:
            return parse()
        async with self._large:
            return await asyncio.to_thread(parse)

    def _bounded(self, answer: Answer) -> Answer:
        if isinstance(answer, Failure) or len(answer) <= self._max_series:
            return answer
        return Failure(
            Reason.SOURCE_ERROR,
            f"{self._where} gave an answer of {len(answer)} series, more than {self._max_series}: "
            "make the selector narrower",
            divisible=True,
        )

    def _shown(self, answer: _T | Failure) -> _T | Failure:
        return self._credentials.hide(answer) if isinstance(answer, Failure) else answer

    async def _call(self, method: str, path: str, parameters: dict[str, str]) -> Raw | Failure:
        post = method == "POST"
        # Queries are long, and yarl encodes them five times as fast as aiohttp's own forms.
        encoded = URL.build(query=parameters).raw_query_string
        try:
            async with (
                asyncio.timeout(self._timeout),
                self._session.request(
                    method,
                    self._url / "api/v1" / path,
                    params=None if post else parameters,
                    data=encoded.encode() if post else None,
                    headers={**self._credentials.headers, **(_FORM if post else {})},
                    # True is the system's trust; False would be none at all.
                    ssl=self._credentials.tls or True,
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=None, sock_connect=self._connect),
                ) as response,
            ):
                return await self._read(response)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            return self._failure(error)

    async def _read(self, response: aiohttp.ClientResponse) -> Raw | Failure:
        body = bytearray()
        async for chunk in response.content.iter_chunked(_CHUNK):
            body += chunk
            if len(body) > self._max_bytes:
                return Failure(
                    Reason.SOURCE_ERROR,
                    f"{self._where} gave an answer of more than {self._max_bytes} bytes: "
                    "make the selector narrower",
                    divisible=True,
                )
        return Raw(response.status, response.content_type, bytes(body))

    def _failure(self, error: aiohttp.ClientError | OSError | UnicodeError) -> Failure:
        """What the failing of a request means for the reader."""
        if isinstance(error, aiohttp.ConnectionTimeoutError):
            return self._unreachable(
                f"{self._url.host}:{self._url.port} has not taken the connection within "
                f"{self._connect:g} s, as when a network policy drops it or the Service "
                "has no such port"
            )
        if isinstance(error, TimeoutError):
            return Failure(
                Reason.SOURCE_TIMEOUT,
                f"{self._where} has not answered within {self._timeout:g} s: it may be overloaded",
                divisible=True,
            )
        if _ABOUT_US.search(str(error)):
            return Failure(
                Reason.SOURCE_UNAUTHORIZED,
                f"{self._where} does not accept our certificate, or wants one ({error}): "
                "check its credentials",
            )
        match error:
            case aiohttp.ClientConnectorDNSError():
                problem = f"cannot resolve host {error.host!r} ({error.os_error.strerror})"
            case UnicodeError():
                problem = f"its host name is not one of DNS ({error})"
            case aiohttp.ClientConnectorCertificateError():
                problem = f"its certificate is not trusted ({error.certificate_error})"
            case aiohttp.ClientConnectorError():
                problem = _unconnected(error)
            case _:
                problem = f"the connection broke ({str(error) or type(error).__name__})"
        return self._unreachable(problem)

    def _unreachable(self, problem: str) -> Failure:
        return Failure(
            Reason.SOURCE_UNREACHABLE,
            f"{self._where} cannot be reached: {problem}; check its URL, and that it runs",
        )


def _unconnected(error: aiohttp.ClientConnectorError) -> str:
    """Why there is no connection; asyncio's own words are those of a programmer."""
    cause, where = error.os_error, f"{error.host}:{error.port}"
    if isinstance(cause, ssl.SSLError):
        return f"no TLS with {where} ({cause.reason or cause})"
    if cause.errno == errno.ECONNREFUSED:
        return f"connection refused at {where}"
    # Without a number several addresses have failed, each in its own way.
    return f"no connection to {where} ({os.strerror(cause.errno) if cause.errno else cause})"


def _base(name: str, url: str) -> URL:
    problem = f"source {name!r}: its URL must be like http://prometheus.monitoring:9090"
    try:
        base = URL(url)
    except ValueError:
        # Its message shows parts of the URL, and a traceback would show it.
        raise ValueError(problem) from None
    if base.scheme not in {"http", "https"} or not base.host:
        raise ValueError(problem)
    return base
