"""CEL literals as the API server itself reads them: equal to the JSON that they were made from."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.harness import ControlPlane, wait_until
from sluice.enforcement import cel

pytestmark = pytest.mark.controlplane

GROUP = "literals.e2e.sluice.dev"
NASTY = [
    "",
    "'",
    '"',
    "'''",
    '"""',
    "\\",
    "\\'",
    "\\n",
    "\n\r\t\x00\x07\x7f\x85\u2028",
    "') || true || ('",
    "${HOME} $(x) {{ x }} `id`",
    "é ß 中文 🚢 \U0010ffff \ufffd",
    "x" * 30_000,
]


def values() -> list[Any]:
    """Nasty strings alone and as keys, the edges of numbers, and random nests of all of them."""
    chance = random.Random(20260820)
    leaves = [*NASTY[:-1], 0, -1, 2**63 - 1, -(2**63), 1.5, -1e-9, 1e300, True, False, None]

    def nest(depth: int) -> Any:
        match chance.randrange(3) if depth else 0:
            case 1:
                return [nest(depth - 1) for _ in range(chance.randrange(4))]
            case 2:
                return {chance.choice(NASTY[:-1]): nest(depth - 1) for _ in range(3)}
            case _:
                return chance.choice(leaves)

    deep: Any = "bottom"
    for _ in range(40):
        deep = {"a": [deep]}
    return [*leaves, NASTY[-1], dict.fromkeys(NASTY, 1), deep, *(nest(4) for _ in range(60))]


def manifest(literal: str) -> dict[str, Any]:
    rule = {"apiGroups": [GROUP], "apiVersions": ["v1"], "resources": ["literals"]}
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": GROUP},
        "spec": {
            "matchConstraints": {"resourceRules": [{**rule, "operations": ["CREATE"]}]},
            "validations": [{"expression": f"object.values == {literal}", "message": "differs"}],
        },
    }


CRD = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": f"literals.{GROUP}"},
    "spec": {
        "group": GROUP,
        "scope": "Cluster",
        "names": {"kind": "Literal", "plural": "literals", "singular": "literal"},
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {
                        "type": "object",
                        "x-kubernetes-preserve-unknown-fields": True,
                    }
                },
            }
        ],
    },
}

BINDING = {
    "apiVersion": "admissionregistration.k8s.io/v1",
    "kind": "ValidatingAdmissionPolicyBinding",
    "metadata": {"name": GROUP},
    "spec": {"policyName": GROUP, "validationActions": ["Deny"]},
}


@pytest.fixture
def literals(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """A kind of object that may hold any JSON."""
    control_plane.apply(CRD)
    wait = ("wait", "--for=condition=Established", "--timeout=30s")
    control_plane.kubectl(*wait, f"crd/literals.{GROUP}")
    try:
        yield control_plane
    finally:
        for kind in ("validatingadmissionpolicybinding", "validatingadmissionpolicy"):
            control_plane.kubectl("delete", kind, GROUP, "--ignore-not-found")
        control_plane.kubectl("delete", "crd", f"literals.{GROUP}")


def create(plane: ControlPlane, value: Any) -> str:
    """What the API server says of an object with `value`; empty if it takes it."""
    body = {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Literal",
        "metadata": {"name": "one"},
        "values": value,
    }
    arguments = ("create", "--dry-run=server", "--validate=false", "-f", "-")
    return plane.kubectl(*arguments, input=json.dumps(body), check=False).stderr


def test_the_api_server_reads_every_literal_as_the_value_that_it_was_made_from(
    literals: ControlPlane,
) -> None:
    value = values()
    literal = cel.json(value)
    assert len(literal) < cel.MAX_EXPRESSION
    literals.apply(manifest(literal), BINDING)
    wait_until(
        lambda: "differs" in create(literals, [*value, "more"]), timeout=30, what="the policy"
    )
    assert create(literals, value) == ""
    for number, one in enumerate(value):
        if isinstance(one, str) and one:
            other = [*value[:number], one[:-1], *value[number + 1 :]]
            assert "differs" in create(literals, other)
