"""What the chart renders, as a real API server takes it: every field known, every pod admitted."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import ControlPlane

pytestmark = pytest.mark.controlplane

GOLDEN = sorted((Path(__file__).parents[2] / "tests/unit/chart/golden").glob("*.yaml"))
FOREIGN = {"cert-manager.io", "monitoring.coreos.com"}
"""Groups whose definitions are somebody else's to install."""

Object = dict[str, Any]


@pytest.fixture(scope="module")
def strict(control_plane: ControlPlane) -> Iterator[str]:
    """A namespace that admits pods of the `restricted` standard only, with the account."""
    with control_plane.namespace("sluice-renders") as name:
        enforce = "pod-security.kubernetes.io/enforce=restricted"
        control_plane.kubectl("label", "namespace", name, enforce)
        control_plane.kubectl("-n", name, "create", "serviceaccount", "sluice")
        yield name


def ours(path: Path, namespace: str) -> list[Object]:
    """The objects of a render whose kinds are Kubernetes' own, all of them in one namespace."""
    found = []
    for one in yaml.load_all(path.read_text(), yaml.CSafeLoader):
        if one["apiVersion"].partition("/")[0] in FOREIGN:
            continue
        if "namespace" in one["metadata"]:
            one["metadata"]["namespace"] = namespace
        found.append(one)
    return found


def pods(path: Path, namespace: str) -> list[Object]:
    """A pod of each workload of a render."""
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": one["metadata"]["name"], "namespace": namespace},
            "spec": one["spec"]["template"]["spec"] | {"serviceAccountName": "sluice"},
        }
        for one in ours(path, namespace)
        if "template" in one.get("spec", {})
    ]


def tried(plane: ControlPlane, objects: list[Object]) -> tuple[int, str]:
    """Create them without storing them; the exit status, and what the API server said."""
    answer = plane.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server"),
        *("--validate=strict", "-f", "-"),
        input=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}),
        check=False,
    )
    return answer.returncode, answer.stderr


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_the_api_server_knows_every_field_and_warns_of_nothing(
    control_plane: ControlPlane, strict: str, path: Path
) -> None:
    assert len(ours(path, strict)) > 12
    assert tried(control_plane, ours(path, strict)) == (0, "")


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_every_pod_is_admitted_where_only_restricted_ones_are(
    control_plane: ControlPlane, strict: str, path: Path
) -> None:
    found = pods(path, strict)
    assert {one["metadata"]["name"] for one in found} >= {"sluice", "sluice-thaw"}
    assert tried(control_plane, found) == (0, "")


def test_a_pod_that_is_not_restricted_and_a_field_that_is_not_known_are_refused(
    control_plane: ControlPlane, strict: str
) -> None:
    [pod, *_] = pods(GOLDEN[0], strict)
    pod["spec"]["securityContext"]["runAsNonRoot"] = False
    code, said = tried(control_plane, [pod])
    assert code != 0
    assert 'violates PodSecurity "restricted' in said
    [one, *_] = ours(GOLDEN[0], strict)
    one["spec"]["maxUnavailableReplicas"] = 1
    code, said = tried(control_plane, [one])
    assert code != 0
    assert "maxUnavailableReplicas" in said
