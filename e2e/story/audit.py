"""What an account asked of the API server, from the API server's own audit log.

Source: Kubernetes, "Auditing", audit.k8s.io/v1.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from e2e.chart.rights import Right

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived, ResponseStarted]
rules: [{level: Metadata}]
"""
"""Every request, without its body. A watch is logged when it ends."""

_CREATED = 201


@dataclass(frozen=True, slots=True)
class Request:
    """One request about an object or a collection."""

    verb: str
    resource: str
    namespace: str
    name: str
    status: int

    @property
    def needs(self) -> Iterator[Right]:
        """The rights that it needs; what it creates it may not name in advance."""
        yield self.verb, self.resource, "" if self.verb == "create" else self.name
        if self.verb == "patch" and self.status == _CREATED:
            yield "create", self.resource, ""  # a server-side apply of what was not there


def requests(log: Path, user: str) -> list[Request]:
    """The requests of `user`, those about the API itself left out."""
    events = map(json.loads, log.read_text().splitlines())
    return [
        _request(event)
        for event in events
        if event["user"]["username"] == user and "objectRef" in event
    ]


def _request(event: dict[str, Any]) -> Request:
    about = event["objectRef"]
    kind = "/".join(about[part] for part in ("resource", "subresource") if part in about)
    return Request(
        verb=event["verb"],
        resource=f"{kind}.{about.get('apiGroup', '')}".rstrip("."),
        namespace=about.get("namespace", ""),
        name=about.get("name", ""),
        status=event["responseStatus"]["code"],
    )
