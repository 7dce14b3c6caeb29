"""The composition root of `sluice run`: makes every part, starts them, and ends them in order."""

import asyncio
import contextlib
import gc
import math
import signal
import time
from datetime import UTC, datetime, timedelta

import structlog

import sluice
from sluice.controller.assembly import Assembly
from sluice.controller.settings import Settings
from sluice.controller.webhook_certificate import WebhookCertificate
from sluice.kube import kill_switch, watch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import configuration as load_configuration
from sluice.kube.lease import Lease
from sluice.kube.server_time import ServerTime
from sluice.settings import address
from sluice.telemetry import endpoints, logs

_log = structlog.get_logger(__name__)
_LIST_AGAIN = 600.0
_LIST_RETRY = 5.0
# An API server that was away makes every watch list anew, one after the other.
_LISTED_ANEW = 2.0
_SWITCH_POLL = 5.0
_LEASE_POLL = 0.5
_STUCK = 120.0
# A pod has ten seconds to end, and the next leader waits for this one.
_FLUSH = 3.0
_LAST_EVENTS = 1.0
# Python looks for garbage in cycles after 700 new objects. Of ten thousand objectives a million is
# kept, in no cycle; to look at them all again and again stopped a start for a second each time.
_GARBAGE = (50_000, 20, 20)
_RULES_RETRY = 15.0


class WatchEndedError(Exception):
    """kopf has ended although nobody asked it to: the process must be started anew."""


async def run(settings: Settings) -> None:
    """Run the controller until SIGTERM or SIGINT, or until a part of it fails.

    Raises:
        NoClusterError: there is no way to reach an API server.
        OSError: the address of the endpoints can't be listened on.
    """
    gc.set_threshold(*_GARBAGE)
    logs.configure(output=settings.log_format, level=settings.log_level)
    configuration = await load_configuration(
        kubeconfig=settings.kubeconfig, context=settings.context
    )
    _log.info("starting", version=sluice.__version__, cluster=configuration.host)
    server_time = ServerTime()
    lease_api = ApiServer(configuration, server_time=server_time)
    lease = Lease(
        lease_api,
        namespace=settings.namespace,
        name=settings.lease_name,
        identity=settings.identity,
        monotonic=time.monotonic,
        fit=server_time.reliable,
    )
    alone = not settings.leader_elect

    def leading() -> bool:
        return server_time.reliable() if alone else lease.held

    def alone_for() -> float:
        if alone:
            return math.inf if server_time.reliable() else 0.0
        return lease.remaining

    api = ApiServer(configuration, fence=alone_for, server_time=server_time)
    parts = Assembly(settings, api, configuration, leading=leading, server_time=server_time)
    stop, kopf_stop = asyncio.Event(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    server = await endpoints.serve(
        address=address(settings.listen),
        page=parts.metrics.page,
        unhealthy=lambda: _unhealthy(parts),
        unready=lambda: _unready(parts),
    )
    try:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(_lead(parts, _certificate(settings, parts)), name="lead"),
                tasks.create_task(_list_again(parts), name="list"),
                tasks.create_task(_list_names(parts), name="names"),
                tasks.create_task(parts.events.run(), name="events"),
                tasks.create_task(_poll_switch(parts, settings.namespace), name="kill switch"),
            ]
            if parts.rollouts is not None:
                work.append(tasks.create_task(parts.rollouts.run(), name="rollouts"))
            if settings.leader_elect:
                work.append(tasks.create_task(lease.run(), name="lease"))
            kopf_task = tasks.create_task(_watch(parts, settings, stop, kopf_stop), name="watch")
            await stop.wait()
            _log.info("stopping")
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
            if parts.leading():
                await parts.ledgers.flush(seconds=_FLUSH)
                await parts.events.flush(seconds=_LAST_EVENTS)
            await lease.release()
            kopf_stop.set()
            if not parts.synced:
                kopf_task.cancel()  # kopf was not started yet: nothing listens to its flag
            with contextlib.suppress(asyncio.CancelledError):
                await kopf_task
    finally:
        await server.cleanup()
        await parts.close()
        await api.close()
        await lease_api.close()
    _log.info("stopped")


def _unready(parts: Assembly) -> str | None:
    return parts.server_time.problem() if parts.synced else "the first full list is not there yet"


def _unhealthy(parts: Assembly) -> str | None:
    silent = time.monotonic() - parts.dispatcher.alive_at
    if parts.leading() and parts.synced and silent > _STUCK:
        return f"the scheduler has not turned for {silent:.0f} s"
    return None


async def _watch(
    parts: Assembly, settings: Settings, stop: asyncio.Event, kopf_stop: asyncio.Event
) -> None:
    """List everything once, then watch; kopf is started only when there is something to watch."""
    while not await _list_all(parts):
        await asyncio.sleep(_LIST_RETRY)
        if stop.is_set():
            return
    if parts.rollouts is not None:
        await parts.rollouts.listed()
    parts.synced = True
    ready = asyncio.Event()

    async def take_signals() -> None:
        await ready.wait()
        # kopf has put its own handlers in place; the end must begin with us, see `run`.
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    signals = asyncio.create_task(take_signals())
    try:
        await watch.run(
            parts.watched,
            parts.observe,
            parts.configuration,
            namespaces=settings.watch_namespaces,
            ready=ready,
            stop=kopf_stop,
        )
        if ready.is_set() and not stop.is_set():
            raise WatchEndedError("the watch has ended by itself")
    finally:
        signals.cancel()
        stop.set()


async def _list_all(parts: Assembly, *, names_only: bool = False) -> bool:
    try:
        for resource in parts.watched:
            await parts.take_list(resource, names_only=names_only)
    except ApiError as error:
        hint = (
            "CRDs are missing: run sluice crds --apply; no restart is needed"
            if error.not_found
            else "trying again"
        )
        _log.error("list failed", error=error.message, hint=hint)
        return False
    return True


async def _list_names(parts: Assembly) -> None:
    """Find what went while a watch was away: when kopf lists anew it tells of what is there."""
    while True:
        await parts.listed_anew.wait()
        await asyncio.sleep(_LISTED_ANEW)
        parts.listed_anew.clear()
        if not await _list_all(parts, names_only=True):
            parts.listed_anew.set()
            await asyncio.sleep(_LIST_RETRY)


async def _list_again(parts: Assembly) -> None:
    """Repair whatever else a watch may have missed, see `sluice.kube.cache`."""
    while True:
        await asyncio.sleep(_LIST_AGAIN)
        if await _list_all(parts):
            await _sweep(parts)
            await parts.sweep_ledgers()


async def _sweep(parts: Assembly) -> None:
    try:
        await parts.sweep()
    except ApiError as error:
        _log.warning("gates of deleted policies not swept", error=error.message)


def _certificate(settings: Settings, parts: Assembly) -> WebhookCertificate | None:
    """What keeps the certificate of the gate's webhook, if this process is to."""
    if settings.certificate_secret is None:
        return None
    return WebhookCertificate(
        api=parts.api,
        metrics=parts.metrics,
        secret=settings.certificate_secret,
        namespace=settings.namespace,
        lifetime=timedelta(days=settings.certificate_days),
        clock=lambda: datetime.now(UTC),
        monotonic=time.monotonic,
    )


async def _lead(parts: Assembly, certificate: WebhookCertificate | None) -> None:
    """Work the schedule off while this process leads; start anew whenever it comes to lead."""
    while True:
        while not (parts.leading() and parts.synced):
            parts.dispatcher.alive_at = time.monotonic()
            await asyncio.sleep(_LEASE_POLL)
        await parts.begin()
        await _sweep(parts)
        work = [
            asyncio.create_task(parts.dispatcher.run()),
            asyncio.create_task(_keep_ledgers(parts)),
            asyncio.create_task(_keep_rules(parts)),
        ]
        if certificate is not None:
            work.append(asyncio.create_task(certificate.run()))
        try:
            # Leading ends by time, not by an event that could be waited for.
            while parts.leading() and not any(task.done() for task in work):  # noqa: ASYNC110
                await asyncio.sleep(_LEASE_POLL)
        finally:
            for task in work:
                task.cancel()
            await asyncio.gather(*work, return_exceptions=True)
        for task in work:
            if not task.cancelled():
                task.result()


async def _keep_ledgers(parts: Assembly) -> None:
    """Store what is counted; what could not be deleted by the last leader is looked for first."""
    await parts.sweep_ledgers()
    await parts.ledgers.run()


async def _keep_rules(parts: Assembly) -> None:
    """Have the counts of objectives recorded whose sources say so."""
    while True:
        pause = _RULES_RETRY
        try:
            pause = await parts.keep_rules()
        except ApiError as error:
            _log.warning("rules not kept; trying again", error=error.message)
        await asyncio.sleep(pause)


async def _poll_switch(parts: Assembly, namespace: str) -> None:
    away = False
    while True:
        try:
            parts.switch(await kill_switch.read(parts.api, namespace=namespace))
        except ApiError as error:
            _log.warning("kill switch not read; it stays as it was", error=error.message)
            away = True
        else:
            if away:  # After minutes without an API server evaluations wait for minutes, too.
                parts.dispatcher.try_again()
            away = False
        await asyncio.sleep(_SWITCH_POLL)
