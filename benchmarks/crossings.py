"""Budgets that are spent and come back: what keeps a fleet's policies freezing and thawing.

The first objective of each namespace is about six hours in place of thirty days. Its service spends
most of the budget at once; some minutes later it answers so many requests well that the failures
are a small share again. Both are counters that move, so that all of it goes through Prometheus.
"""

from collections import Counter
from collections.abc import Sequence

from benchmarks import exporter
from benchmarks.fleet import TOGETHER, Object, namespace_of, objective, team

WINDOW = "6h"
HOURS = 7.0
"""Hours of data that the window needs, which begins at a full hour."""

_REQUESTS = round(6 * 3600 * exporter.RATES["200"])
_ALLOWED = 0.001
_SPENT = 0.9
_DILUTED = 4


class Crossings:
    """What the services have counted beside their even traffic.

    A namespace is known by the number of its first objective.
    """

    def __init__(self) -> None:
        self._injected: Counter[tuple[int, str]] = Counter()
        self._requests: dict[int, int] = {}

    def injected(self, service: int, code: str) -> int:
        """Events of a code that were injected so far."""
        return self._injected[service, code]

    def spend(self, first: int) -> None:
        """Fail as many requests as take nine tenths of the budget of a namespace's service."""
        requests = self._requests.get(first, _REQUESTS)
        self._injected[first, "500"] += round(requests * _ALLOWED * _SPENT)

    def recover(self, first: int) -> None:
        """Answer so many well that a fifth of that is spent."""
        requests = self._requests.get(first, _REQUESTS)
        self._injected[first, "200"] += _DILUTED * requests
        self._requests[first] = (1 + _DILUTED) * requests


def enforced(first: int, end: int) -> Sequence[Object]:
    """A namespace whose policy denies by the budgets of its objectives, with a workload."""
    namespace = namespace_of(first)
    *members, policy = team(first, end)
    members[1] = short(first)
    policy["spec"] |= {"mode": "Enforce", "recovery": {"above": "5", "for": "1m"}}
    labels = {"app": "web"}
    web = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": namespace, "labels": labels},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "web:1"}]},
            },
        },
    }
    return [*members, web, policy]


def short(first: int) -> Object:
    """The objective of a namespace that is about six hours."""
    found = objective(first)
    found["spec"]["window"] = {"rolling": WINDOW}
    return found


def namespaces(size: int) -> range:
    """The first objective of each namespace of a fleet."""
    return range(0, size, TOGETHER)
