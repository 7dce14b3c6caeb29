"""A namespace in which the custom resources are known."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.harness import ControlPlane

# Beside them is what kustomize reads.
DEFINITIONS = sorted((Path(__file__).parents[2] / "crds").glob("sluice.dev_*.yaml"))


@pytest.fixture(scope="session")
def namespace(control_plane: ControlPlane) -> Iterator[str]:
    control_plane.apply(*(path.read_text() for path in DEFINITIONS))
    files = (f"--filename={path}" for path in DEFINITIONS)
    control_plane.kubectl("wait", "--for=condition=Established", *files)
    with control_plane.namespace("manifests") as name:
        yield name
