"""A namespace in which the custom resources are known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import ControlPlane

CRDS = Path(__file__).parents[2] / "crds"


@pytest.fixture(scope="session")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    control_plane.apply(*(path.read_text() for path in sorted(CRDS.glob("*.yaml"))))
    control_plane.kubectl("wait", "--for=condition=Established", "-f", str(CRDS))
    with control_plane.namespace("manifests") as name:
        yield name
