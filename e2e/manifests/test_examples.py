"""The examples work as they are."""

from pathlib import Path

import pytest

from e2e.harness import ControlPlane

pytestmark = [pytest.mark.controlplane, pytest.mark.usefixtures("namespace")]

# These are of other projects: tests/unit/gate and tests/integration/gitops look at them.
OF_OTHERS = {"gates", "gitops"}
EXAMPLES = sorted(
    path
    for path in (Path(__file__).parents[2] / "examples").iterdir()
    if path.name not in OF_OTHERS
)


def test_all_examples_are_applied_by_one_command_and_again_without_a_change(
    control_plane: ControlPlane,
) -> None:
    if control_plane.provider == "existing":
        pytest.skip("the examples' namespaces could be somebody's in a cluster that is not ours")
    files = [argument for path in EXAMPLES for argument in ("-f", str(path))]
    apply = ("apply", "-R", *files)
    # Another test may have used these namespaces and not have waited for their end.
    control_plane.kubectl(
        "delete", "namespace", "shop", "payments", "budgets", "--ignore-not-found"
    )
    try:
        created = control_plane.kubectl(*apply).stdout.splitlines()
        assert len(created) >= 9
        assert not [line for line in created if not line.endswith(" created")]
        again = control_plane.kubectl(*apply).stdout.splitlines()
        assert not [line for line in again if not line.endswith(" unchanged")]
    finally:
        control_plane.kubectl("delete", "-R", *files, "--ignore-not-found")
