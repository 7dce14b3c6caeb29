"""What somebody may do, as the API server's authorizer sees it."""

import json
from dataclasses import dataclass
from typing import Any

from e2e.harness import ControlPlane

Right = tuple[str, str, str]
"""A verb, a resource with its group (`deployments.apps`) and the one object's name, or empty."""


@dataclass(frozen=True, slots=True)
class Rights:
    """Asks the authorizer, acting as somebody else."""

    plane: ControlPlane

    def of(self, user: str, namespace: str) -> set[Right]:
        """Everything that `user` may do in `namespace`, beyond what anybody with a login may."""
        return self._all(user, namespace) - self._all("system:nobody-in-particular", namespace)

    def _all(self, user: str, namespace: str) -> set[Right]:
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SelfSubjectRulesReview",
            "spec": {"namespace": namespace},
        }
        answer = self.plane.kubectl(
            # Validation of a review needs the right to list CRDs, which is not what is asked about.
            *("create", "--validate=false", "-o", "json", "-f", "-"),
            *(f"--as={user}", "--as-group=system:authenticated"),
            input=json.dumps(review),
        )
        status: dict[str, Any] = json.loads(answer.stdout)["status"]
        assert not status["incomplete"]
        return {
            (verb, f"{resource}.{group}".rstrip("."), name)
            for rule in status["resourceRules"]
            for verb in rule["verbs"]
            for group in rule["apiGroups"]
            for resource in rule["resources"]
            for name in rule.get("resourceNames") or [""]
        }
