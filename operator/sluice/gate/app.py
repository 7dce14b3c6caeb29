"""The composition root of `sluice gate`: makes every part, starts them, and ends them in order."""

import asyncio
import signal
import time
from datetime import UTC, datetime

import structlog
from aiohttp import web

import sluice
from sluice.api.policy import Admission
from sluice.gate import kinds
from sluice.gate.certificate import Certificate
from sluice.gate.judge import Judge
from sluice.gate.memory import Memory
from sluice.gate.metrics import GateMetrics, Reading
from sluice.gate.server import REVIEW_LIMIT, Api
from sluice.gate.settings import GateSettings
from sluice.gate.throttle import Throttle
from sluice.gate.webhook import Webhook
from sluice.kube import kill_switch
from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.connection import configuration as load_configuration
from sluice.kube.kill_switch import Unread
from sluice.kube.reflector import Reflector
from sluice.kube.resources import OPTIONAL, OVERRIDES, POLICIES, ROLLOUTS, Resource
from sluice.kube.server_time import ServerTime
from sluice.settings import address
from sluice.telemetry import endpoints, logs

_log = structlog.get_logger(__name__)
_SWITCH_POLL = 5.0
_CERTIFICATE_POLL = 2.0
_REVISIONS_POLL = 0.5
_LOST = 60.0
"""Seconds without the API server after which what is known is too old to deny anything by it."""


class Gate:
    """Everything that `sluice gate` keeps between two requests."""

    def __init__(
        self,
        settings: GateSettings,
        api: ApiServer,
        certificate: Certificate | None = None,
        server_time: ServerTime | None = None,
    ) -> None:
        self._settings = settings
        self._api = api
        self._certificate = certificate
        self._server_time = server_time or ServerTime()
        self.metrics = GateMetrics()
        self.memory = Memory(clock=_utc_now)
        self.judge = Judge(self.memory, clock=_utc_now)
        self.ending = False
        # Policies first: what is kept of revisions depends on them.
        self.first = [self._reflector(POLICIES, where) for where in self._namespaces()]
        self.rest = [
            self._reflector(resource, where)
            for resource in (OVERRIDES, *kinds.WORKLOADS, *kinds.REVISIONS)
            if settings.argo_rollouts or resource is not ROLLOUTS
            for where in self._namespaces()
        ]
        self.metrics.watch(self._reading)

    def _namespaces(self) -> tuple[str | None, ...]:
        return self._settings.watch_namespaces or (None,)

    def _reflector(self, resource: Resource, namespace: str | None) -> Reflector:
        return Reflector(
            self._api,
            resource,
            self.memory,
            monotonic=time.monotonic,
            namespace=namespace,
            metadata_only=resource in kinds.WORKLOADS,
            optional=resource.kind in OPTIONAL,
        )

    def unsynced(self) -> str | None:
        """Why what is known cannot be relied on; None if it can."""
        waiting = [one for one in (*self.first, *self.rest) if not one.synced.is_set()]
        if waiting:
            return f"{waiting[0].resource.plural} have not been listed yet"
        if isinstance(self.judge.switch, Unread):
            return "the kill switch has not been read yet"
        if (lost := self._lost_for()) > _LOST:
            return f"the API server has not been heard of for {lost:.0f} s"
        return self._server_time.problem()

    def unready(self) -> str | None:
        """Why nobody should ask; None if anybody may."""
        return "it is ending" if self.ending else self.unsynced()

    def _lost_for(self) -> float:
        return max(one.lost_for for one in (*self.first, *self.rest))

    def _reading(self) -> Reading:
        now = self.judge.now
        expires = self._certificate.expires if self._certificate is not None else None
        return Reading(
            synced=self.unsynced() is None,
            killed=not isinstance(self.judge.switch, Unread) and self.judge.killed,
            frozen=sum(
                one.decision is not None and one.decision.effective(now) is Admission.DENY
                for one in self.memory.all_governors()
            ),
            unreadable=self.memory.count_unreadable(),
            lost_for=self._lost_for(),
            clock_offset=self._server_time.offset,
            certificate_expires=expires.timestamp() if expires is not None else None,
        )

    async def watch(self) -> None:
        """Keep memory in step with the cluster, for ever."""
        async with asyncio.TaskGroup() as tasks:
            for one in self.first:
                tasks.create_task(one.run())
            for one in self.first:
                await one.synced.wait()
            present = self.memory.unlisted()
            for one in self.rest:
                tasks.create_task(one.run())
            for one in self.rest:
                await one.synced.wait()
            self.memory.listed(present)
            _log.info(
                "the cluster has been listed", policies=len(list(self.memory.all_governors()))
            )
            while True:
                await self._list_revisions()
                await asyncio.sleep(_REVISIONS_POLL)

    async def _list_revisions(self) -> None:
        """What can be rolled back to in namespaces that have a policy only now."""
        for namespace in self.memory.unlisted():
            try:
                for resource in kinds.REVISIONS:
                    async for body in self._api.list(resource, namespace=namespace):
                        self.memory.put(resource, body)
            except ApiError as error:
                _log.warning("revisions not listed", namespace=namespace, error=error.message)
                return
            self.memory.listed([namespace])

    async def poll_switch(self) -> None:
        """Keep reading the kill switch; while it cannot be read it stays as it was."""
        while True:
            try:
                read = await kill_switch.read(self._api, namespace=self._settings.namespace)
            except ApiError as error:
                _log.warning("kill switch not read; it stays as it was", error=error.message)
            else:
                if read != self.judge.switch and not isinstance(self.judge.switch, Unread):
                    _log.warning("kill switch", engaged=read is not None)
                self.judge.switch = read
            await asyncio.sleep(_SWITCH_POLL)

    async def serve(self) -> web.AppRunner:
        """Listen: the API for everybody, and with a certificate the webhook as well.

        Raises:
            OSError: an address is in use or not ours.
        """
        settings = self._settings
        app = web.Application(client_max_size=REVIEW_LIMIT)
        webhook = Webhook(self.judge, self.metrics, unready=self.unsynced)
        throttle = Throttle(
            rate=settings.requests_per_second,
            burst=settings.requests_per_second,
            monotonic=time.monotonic,
        )
        api = Api(self.judge, self.metrics, throttle=throttle, unready=self.unsynced)
        app.router.add_post("/validate", webhook.handle)
        app.router.add_routes(api.routes())
        app.router.add_routes(
            endpoints.routes(page=self.metrics.page, unhealthy=lambda: None, unready=self.unready)
        )
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        await web.TCPSite(runner, *address(settings.listen)).start()
        if self._certificate is not None:
            where = address(settings.webhook_listen)
            await web.TCPSite(runner, *where, ssl_context=self._certificate.context).start()
        return runner


async def run(settings: GateSettings) -> None:
    """Run the gate until SIGTERM or SIGINT, or until a part of it fails.

    Raises:
        NoClusterError: there is no way to reach an API server.
        OSError: an address can't be listened on, or the certificate can't be read.
    """
    logs.configure(output=settings.log_format, level=settings.log_level)
    configuration = await load_configuration(
        kubeconfig=settings.kubeconfig, context=settings.context
    )
    # Every watch holds a connection.
    configuration.connection_pool_maxsize = 0
    _log.info("starting", version=sluice.__version__, cluster=configuration.host)
    certificate = None
    if settings.tls_cert is not None and settings.tls_key is not None:
        certificate = Certificate(settings.tls_cert, settings.tls_key)
    # Whatever a part of the gate wanted to write, it does not.
    server_time = ServerTime()
    api = ApiServer(configuration, fence=lambda: False, server_time=server_time)
    gate = Gate(settings, api, certificate, server_time)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    runner = await gate.serve()
    try:
        async with asyncio.TaskGroup() as tasks:
            work = [
                tasks.create_task(gate.watch(), name="watch"),
                tasks.create_task(gate.poll_switch(), name="kill switch"),
            ]
            if certificate is not None:
                work.append(tasks.create_task(_renew(certificate), name="certificate"))
            await stop.wait()
            _log.info("stopping")
            gate.ending = True
            await asyncio.sleep(settings.drain)
            for task in work:
                task.cancel()
    finally:
        await runner.cleanup()
        await api.close()
    _log.info("stopped")


async def _renew(certificate: Certificate) -> None:
    while True:
        await asyncio.sleep(_CERTIFICATE_POLL)
        certificate.refresh()


def _utc_now() -> datetime:
    return datetime.now(UTC)
