"""The admission webhook: denies what is known to be frozen, and nothing for a fault of its own."""

import json
from collections.abc import Callable
from typing import Any

import structlog
from aiohttp import web

from sluice.gate.judge import Judge
from sluice.gate.metrics import GateMetrics
from sluice.gate.review import answer, asked
from sluice.policy.admission import Outcome, Verdict

_log = structlog.get_logger(__name__)
_ENDPOINT = "validate"


class Webhook:
    """Answers AdmissionReviews."""

    def __init__(
        self, judge: Judge, metrics: GateMetrics, *, unready: Callable[[], str | None]
    ) -> None:
        self._judge = judge
        self._metrics = metrics
        self._unready = unready

    async def handle(self, request: web.Request) -> web.Response:
        """One review; the only answers that are no review are those of HTTP itself."""
        with self._metrics.duration.labels(_ENDPOINT).time():
            try:
                body = await request.read()
            except web.HTTPRequestEntityTooLarge:
                self._count(Outcome.ALLOWED, "TooLarge")
                raise
            return web.json_response(self.review(body))

    def review(self, body: bytes) -> dict[str, Any]:
        """The answer to a review, whatever it is: an exception is a change that passes."""
        uid = ""
        try:
            request = json.loads(body)["request"]
            uid = str(request["uid"])
            verdict = self._verdict(request)
        except Exception:  # noqa: BLE001 - whatever it is, it must not stop deployments
            _log.exception("review failed, the change passes", uid=uid)
            self._metrics.exceptions.labels(_ENDPOINT).inc()
            self._count(Outcome.ALLOWED, "Exception")
            return answer(uid, None)
        return answer(uid, verdict)

    def _verdict(self, request: dict[str, Any]) -> Verdict | None:
        if self._unready() is not None:
            self._count(Outcome.ALLOWED, "NotReady")
            return None
        found = asked(request, self._judge.memory)
        if found is None:
            self._count(Outcome.ALLOWED, "NotJudged")
            return None
        verdict = self._judge.verdict(found.change, owner=found.owner)
        if verdict.counts and not request.get("dryRun"):
            self._judge.memory.passed(found.owner, found.change.after.deploys)
        self._count(verdict.outcome, verdict.rule)
        if verdict.annotations:
            change = found.change
            _log.info(
                "change judged",
                kind=change.kind,
                name=f"{change.namespace}/{change.name}",
                user=change.user,
                dry_run=bool(request.get("dryRun")),
                **verdict.annotations,
            )
        return verdict

    def _count(self, outcome: Outcome, rule: str) -> None:
        self._metrics.requests.labels(outcome.value, str(rule)).inc()
