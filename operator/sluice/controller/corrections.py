"""Brings the status of a BudgetCorrection up to date: where it applies, and what it changes."""

from collections.abc import Callable
from datetime import datetime

from sluice.api.correction import BudgetCorrection
from sluice.api.slo import ServiceLevelObjective
from sluice.controller.applicable import Applicable, selects
from sluice.controller.complaint import Complaints
from sluice.controller.correction_status import Known, status_of
from sluice.indicators.declared import window_of
from sluice.kube.api_server import ApiServer
from sluice.kube.cache import Cache, Key, Malformed
from sluice.kube.resources import CORRECTIONS

_AGAIN = 300.0
"""Seconds; while a correction's time goes on, what it changes grows with each slice."""


class Corrections:
    """The reconciler of BudgetCorrections."""

    def __init__(
        self,
        *,
        api: ApiServer,
        cache: Cache,
        applicable: Applicable,
        clock: Callable[[], datetime],
    ) -> None:
        self._api = api
        self._complaints = Complaints(api)
        self._cache = cache
        self._applicable = applicable
        self._clock = clock

    async def reconcile(self, key: Key) -> float | None:
        """Write the status if it changed; seconds until the correction is due again."""
        correction, now = self._cache.get(key), self._clock()
        if isinstance(correction, Malformed):
            await self._complaints.tell(CORRECTIONS, correction, now=now)
        if not isinstance(correction, BudgetCorrection):
            self._applicable.forget(key.namespace, key.name)
            return None
        status = status_of(correction, self._known(correction, now), now)
        if status != correction.status:
            metadata = {
                "name": key.name,
                "namespace": key.namespace,
                "uid": correction.metadata.uid,
            }
            body = {"metadata": metadata, "status": status.to_json()}
            await self._api.apply(CORRECTIONS, body, subresource="status")
        begins = status.next.start if status.next is not None else None
        left = _AGAIN if begins is None else (begins - now).total_seconds() + 1
        return min(_AGAIN, max(1.0, left))

    def objectives(self, correction: BudgetCorrection) -> list[ServiceLevelObjective]:
        """The objectives that a correction selects, by name."""
        objectives = self._cache.objectives(correction.metadata.namespace)
        return [one for one in objectives if selects(correction, one)]

    def _known(self, correction: BudgetCorrection, now: datetime) -> Known:
        namespace, name = correction.metadata.namespace, correction.metadata.name
        objectives = self.objectives(correction)
        matched = [one.metadata.name for one in objectives]
        wanted = correction.spec.objectives.names or []
        effects = ((it, self._applicable.effect(namespace, it, name)) for it in matched)
        at = now.timestamp()
        return Known(
            ranges=self._applicable.ranges(correction, now),
            matched=matched,
            missing=sorted(set(wanted) - set(matched)),
            since=min(
                (window_of(one.spec.window).bounds(at).start for one in objectives), default=at
            ),
            effects=[(it, effect) for it, effect in effects if effect is not None],
        )
