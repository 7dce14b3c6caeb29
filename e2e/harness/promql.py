"""Ask a Prometheus."""

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True, slots=True)
class Sample:
    """One series of an instant query's answer."""

    labels: dict[str, str]
    time: float
    value: float


@dataclass(frozen=True, slots=True)
class Client:
    """A Prometheus at an address, with what it wants to see before it answers."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)
    context: ssl.SSLContext | None = None

    def api(self, path: str, **parameters: str | float) -> Any:
        """Call its API, for example `api("query", query="up")`, and return the answer's data."""
        return json.loads(self.open(f"/api/v1/{path}?{urlencode(parameters)}"))["data"]

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """Evaluate an expression that gives an instant vector."""
        when = {} if at is None else {"time": at}
        return [
            Sample(item["metric"], item["value"][0], float(item["value"][1]))
            for item in self.api("query", query=expression, **when)["result"]
        ]

    def value(self, expression: str, at: float | None = None) -> float | None:
        """The value of an expression that gives one series; None when it gives none."""
        samples = self.query(expression, at)
        if len(samples) > 1:
            raise ValueError(f"{expression} gives {len(samples)} series")
        return samples[0].value if samples else None

    def open(self, path: str, *, method: str = "GET") -> bytes:
        """Send a request and return the answer.

        Raises:
            ValueError: when Prometheus finds fault with the request; with what it says.
            OSError: when it does not answer, or is not ready to.
        """
        request = urllib.request.Request(self.url + path, method=method, headers=dict(self.headers))
        try:
            with urllib.request.urlopen(request, timeout=60, context=self.context) as answer:
                content: bytes = answer.read()
                return content
        except urllib.error.HTTPError as error:
            if error.code < 500:  # ours to mend: show what Prometheus says
                raise ValueError(f"{path}: {error.read().decode(errors='replace')}") from error
            raise
