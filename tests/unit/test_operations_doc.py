"""The operator's handbook tells of every metric, and of none that there is not."""

import re
from pathlib import Path

from tests.unit.chart.metrics import exported

ROOT = Path(__file__).parents[2]
HANDBOOK = (ROOT / "docs/operations.md").read_text()
_OF_HISTOGRAMS = ("_bucket", "_sum", "_count", "_created")


def test_every_metric_is_explained_once_and_no_other_one_is() -> None:
    explained = re.findall(r"^\| `(sluice_\w+)` \|", HANDBOOK, re.MULTILINE)
    there = {_family(name) for name in exported() if not name.endswith("_created")}
    assert sorted(explained) == sorted(there)


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
