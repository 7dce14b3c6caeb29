"""The operator's handbook tells of every metric, and of none that there is not."""

import re
from pathlib import Path

from e2e.first_ten.handbook import advice
from sluice.controller.policy_writer import Gates
from tests.unit.chart.metrics import exported
from tests.unit.controller.test_policy_writer import GATE, Refusing, policy, writer

ROOT = Path(__file__).parents[2]
HANDBOOK = (ROOT / "docs/operations.md").read_text()
_OF_HISTOGRAMS = ("_bucket", "_sum", "_count", "_created")


def test_every_metric_is_explained_once_and_no_other_one_is() -> None:
    explained = re.findall(r"^\| `(sluice_\w+)` \|", HANDBOOK, re.MULTILINE)
    there = {_family(name) for name in exported() if not name.endswith("_created")}
    assert sorted(explained) == sorted(there)


async def test_what_an_older_kubernetes_makes_the_controller_say_is_quoted() -> None:
    """All other quotes are read on a real API server by e2e/first_ten."""
    said = await writer(Refusing(status=404)).gates(policy(), Gates(), [GATE])
    assert said is not None
    advice(8).assert_quotes(said, "refuses a gate", "needs Kubernetes 1.30")


def test_every_alert_that_it_names_is_one_of_the_guide() -> None:
    guide = (ROOT / "docs/guides/monitoring.md").read_text()
    named = set(re.findall(r"`(Sluice\w+)`", HANDBOOK))
    assert named
    assert named <= set(re.findall(r"^\| `(Sluice\w+)` \|", guide, re.MULTILINE))


def _family(sample: str) -> str:
    for suffix in _OF_HISTOGRAMS:
        if sample.endswith(suffix):
            return sample.removesuffix(suffix)
    return sample
