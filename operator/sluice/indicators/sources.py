"""The sources of counts, by name."""

from collections.abc import Mapping
from dataclasses import dataclass

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus


@dataclass(frozen=True, slots=True)
class Sources:
    """The sources that objectives may name."""

    by_name: Mapping[str, Prometheus]

    def get(self, name: str) -> Prometheus | Failure:
        """The source called `name`, or a failure that lists those there are."""
        source = self.by_name.get(name)
        if source is not None:
            return source
        known = ", ".join(sorted(self.by_name)) or "none"
        return Failure(
            Reason.SOURCE_NOT_FOUND, f"spec.source.name: no source {name!r}; there are: {known}"
        )
