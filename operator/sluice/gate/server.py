"""The gate's HTTP: the verdict API, and what progressive delivery asks."""

import dataclasses
import json
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from aiohttp import web

from sluice.gate import kinds
from sluice.gate.answers import Asked, answer
from sluice.gate.delivery import CONFIRMATIONS, GoAhead, go_ahead
from sluice.gate.judge import Judge
from sluice.gate.metrics import GateMetrics
from sluice.gate.openapi import document
from sluice.gate.throttle import Throttle
from sluice.kube.resources import DEPLOYMENTS, ROLLOUTS

REVIEW_LIMIT = 8 * 1024 * 1024
"""Bytes of a review: two objects of the 1.5 MiB that etcd takes, and room for their encoding."""

_API_LIMIT = 64 * 1024
"""Bytes of any other request."""

_log = structlog.get_logger(__name__)
_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Api:
    """The endpoints that pipelines and controllers ask."""

    def __init__(
        self,
        judge: Judge,
        metrics: GateMetrics,
        *,
        throttle: Throttle,
        unready: Callable[[], str | None],
    ) -> None:
        self._judge = judge
        self._metrics = metrics
        self._throttle = throttle
        self._unready = unready
        self._document = document()

    def routes(self) -> list[web.RouteDef]:
        """Its routes."""
        return [
            web.get("/openapi.json", self._openapi),
            web.get(
                "/v1/verdict/{namespace}/{kind}/{name}", self._guarded("verdict", self._verdict)
            ),
            web.get("/v1/argo-rollouts/{namespace}/{name}", self._rollout),
            web.post("/v1/flagger/{hook}", self._guarded("flagger", self._flagger)),
        ]

    def _guarded(self, endpoint: str, handler: _Handler) -> _Handler:
        """`handler`, for as many requests as may be, and only once there is something to say."""

        async def guarded(request: web.Request) -> web.StreamResponse:
            if not self._throttle.admits():
                self._metrics.throttled.inc()
                return _problem(429, "There are too many requests: ask again in a second.")
            if (problem := self._unready()) is not None:
                return _problem(503, f"The gate cannot tell yet: {problem}.")
            with self._metrics.duration.labels(endpoint).time():
                try:
                    return await handler(request)
                except Exception:  # noqa: BLE001 - whoever asked has to read what to do
                    _log.exception("request failed", path=request.path)
                    self._metrics.exceptions.labels(endpoint).inc()
                    return _problem(500, "The gate failed at this request; its log says why.")

        return guarded

    async def _openapi(self, _: web.Request) -> web.Response:
        return web.json_response(self._document)

    async def _verdict(self, request: web.Request) -> web.Response:
        asked = request.match_info
        kind = kinds.kind_named(asked["kind"])
        if kind is None:
            known = ", ".join(sorted(one.kind for one in kinds.WORKLOADS))
            return _problem(404, f"There is no kind {asked['kind']!r}: ask for one of {known}.")
        query = request.query
        images = tuple(query.getall("image", []))
        about = Asked(user=query.get("user", ""), images=images)
        found = answer(self._judge, asked["namespace"], kind, asked["name"], asked=about)
        return web.json_response(text=found.model_dump_json(by_alias=True))

    async def _rollout(self, request: web.Request) -> web.Response:
        """Always 200: Argo Rollouts aborts after a few answers that are anything else."""
        with self._metrics.duration.labels("argo-rollouts").time():
            return web.json_response(dataclasses.asdict(self._may_go_on(request)))

    def _may_go_on(self, request: web.Request) -> GoAhead:
        if not self._throttle.admits():
            self._metrics.throttled.inc()
            return GoAhead(allowed=False, reason="TooManyRequests", message="Ask again later.")
        if (problem := self._unready()) is not None:
            return GoAhead(allowed=False, reason="NotReady", message=f"{problem}.")
        asked = request.match_info
        try:
            return go_ahead(
                self._judge,
                asked["namespace"],
                ROLLOUTS.kind,
                asked["name"],
                hash_label=request.query.get("podTemplateHash", ""),
            )
        except Exception:  # noqa: BLE001 - whatever it is, an error would abort the rollout
            _log.exception("rollout not judged, it passes", name=asked["name"])
            self._metrics.exceptions.labels("argo-rollouts").inc()
            return GoAhead(allowed=True, reason="Exception", message="The gate failed.")

    async def _flagger(self, request: web.Request) -> web.Response:
        hook = request.match_info["hook"]
        if hook not in CONFIRMATIONS:
            return _problem(
                404, f"There is no hook {hook!r}: use one of {', '.join(CONFIRMATIONS)}."
            )
        try:
            body = _hook_body(await request.read())
        except ValueError as error:
            return _problem(400, f"The hook's body makes no sense: {error}.")
        about = body["metadata"]
        kind = kinds.kind_named(str(about.get("kind", DEPLOYMENTS.kind)))
        if kind is None:
            return _problem(400, f"metadata.kind {about['kind']!r} is no kind of workload.")
        name = str(about.get("name", body["name"]))
        found = go_ahead(self._judge, str(body["namespace"]), kind, name)
        return web.json_response(dataclasses.asdict(found), status=200 if found.allowed else 403)


def _hook_body(raw: bytes) -> dict[str, Any]:
    if len(raw) > _API_LIMIT:
        raise ValueError(f"it has more than {_API_LIMIT} bytes")
    body = json.loads(raw)
    if isinstance(body, dict) and {"name", "namespace"} <= body.keys():
        metadata = body.get("metadata") or {}
        if isinstance(metadata, dict):
            return {**body, "metadata": metadata}
    raise ValueError("it needs `name` and `namespace`, and `metadata` is an object")


def _problem(status: int, text: str) -> web.Response:
    return web.json_response({"error": text}, status=status)
