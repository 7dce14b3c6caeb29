"""Leader election by a Lease, fenced by expiry.

The holder renews every two seconds and begins no write nine seconds after its last renewal; another
may take the Lease twelve seconds after it last saw it change, and so leads within fifteen. Ages are
measured on each process' own monotonic clock, from what it saw itself, so that clocks which
disagree do no harm.
Source: k8s.io/client-go/tools/leaderelection, its documentation and constants.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import structlog

from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import LEASES

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds that all of it takes.

    Attributes:
        duration: a Lease's life.
        renew_deadline: how long the holder trusts its last renewal.
        retry: between two attempts.
        attempt: after which one is given up: a request that hangs must not cost the leadership, as
            long as there is time for another.
        release: after which a process that ends leaves its Lease to expire.
    """

    duration: float = 12.0
    renew_deadline: float = 9.0
    retry: float = 2.0
    attempt: float = 3.0
    release: float = 3.0


class Lease:
    """One candidate for the leadership."""

    def __init__(
        self,
        api: ApiServer,
        *,
        namespace: str,
        name: str,
        identity: str,
        monotonic: Callable[[], float],
        timing: Timing | None = None,
        fit: Callable[[], bool] = lambda: True,
    ) -> None:
        self._api = api
        self._namespace = namespace
        self._name = name
        self._identity = identity
        self._monotonic = monotonic
        self._timing = timing or Timing()
        self._fit = fit
        self._renewed: float | None = None
        self._seen: tuple[Any, ...] | None = None
        self._seen_at = 0.0
        self.changed = asyncio.Event()

    @property
    def held(self) -> bool:
        """Whether this process may write now: it renewed recently enough for nobody else to.

        One that is not fit to lead does not, and gives the Lease up.
        """
        if self._renewed is None or not self._fit():
            return False
        return self._monotonic() - self._renewed < self._timing.renew_deadline

    @property
    def remaining(self) -> float:
        """Seconds until another process may write; 0 if this one may not."""
        if self._renewed is None or not self.held:
            return 0.0
        return self._renewed + self._timing.duration - self._monotonic()

    async def run(self) -> None:
        """Keep trying to get and to renew the Lease, for ever."""
        before = False
        while True:
            try:
                async with asyncio.timeout(self._timing.attempt):
                    await self._try()
            except ApiError as error:
                _log.warning("lease not renewed", lease=self._name, error=error.message)
            except TimeoutError:
                problem = f"no answer within {self._timing.attempt:g} s"
                _log.warning("lease not renewed", lease=self._name, error=problem)
            if self.held != before:
                before = self.held
                _log.info("leadership changed", leading=before, identity=self._identity)
                self.changed.set()
            await asyncio.sleep(self._pause())

    def _pause(self) -> float:
        """Seconds until the next attempt; somebody else's Lease is looked at when it expires."""
        if self._renewed is None and self._seen is not None:
            left = self._seen_at + self._timing.duration - self._monotonic()
            if 0 < left < self._timing.retry:
                return left
        return self._timing.retry

    async def release(self) -> None:
        """Give the Lease up, so that a standby need not wait for it to expire."""
        if not self.held:
            return
        self._renewed = None
        try:
            async with asyncio.timeout(self._timing.release):
                await self._give_up(
                    await self._api.get(LEASES, self._name, namespace=self._namespace)
                )
        except ApiError as error:
            _log.warning("lease not released", lease=self._name, error=error.message)
        except TimeoutError:
            problem = f"no answer within {self._timing.release:g} s; it will expire"
            _log.warning("lease not released", lease=self._name, error=problem)

    async def _give_up(self, lease: dict[str, Any] | None) -> None:
        self._renewed = None
        if lease is not None and lease["spec"].get("holderIdentity") == self._identity:
            lease["spec"] |= {"holderIdentity": "", "leaseDurationSeconds": 1}
            await self._api.replace(LEASES, lease, namespace=self._namespace)

    async def _try(self) -> None:
        # The renewal counts from before the request: the answer may have been long on its way.
        started = self._monotonic()
        lease = await self._api.get(LEASES, self._name, namespace=self._namespace)
        if not self._fit():
            await self._give_up(lease)
            return
        if lease is None:
            await self._write(None, transitions=0)
        elif lease["spec"].get("holderIdentity") == self._identity:
            await self._write(lease, transitions=lease["spec"].get("leaseTransitions", 0))
        elif self._free(lease):
            await self._write(lease, transitions=lease["spec"].get("leaseTransitions", 0) + 1)
        else:
            self._renewed = None
            return
        self._renewed = started

    def _free(self, lease: dict[str, Any]) -> bool:
        spec = lease["spec"]
        if not spec.get("holderIdentity"):
            return True
        seen = (spec.get("holderIdentity"), spec.get("renewTime"), spec.get("leaseTransitions"))
        if seen != self._seen:
            self._seen, self._seen_at = seen, self._monotonic()
            return False
        return self._monotonic() - self._seen_at >= self._timing.duration

    async def _write(self, lease: dict[str, Any] | None, *, transitions: int) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {
            "holderIdentity": self._identity,
            "leaseDurationSeconds": int(self._timing.duration),
            "renewTime": now,
            "leaseTransitions": transitions,
        }
        if lease is None:
            body = {"metadata": {"name": self._name}, "spec": {**spec, "acquireTime": now}}
            await self._api.create(LEASES, body, namespace=self._namespace)
            return
        if lease["spec"].get("holderIdentity") != self._identity:
            spec["acquireTime"] = now
        # resourceVersion comes along in the body: of two candidates one gets a conflict.
        await self._api.replace(
            LEASES, {**lease, "spec": {**lease["spec"], **spec}}, namespace=self._namespace
        )
