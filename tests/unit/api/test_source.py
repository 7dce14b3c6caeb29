"""The models refuse what the API server refuses, in its words: the table is the same."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.api.reading import read
from sluice.api.source import MetricSource, SecretKey

TABLE = Path(__file__).parents[3] / "e2e/manifests/metricsource.yaml"
CASES: list[dict[str, Any]] = yaml.safe_load(TABLE.read_text())
OUR_WORDS = {
    "Required value": "this field is required",
    "unknown field": "there is no such field",
    "Duplicate value": "is there twice",
    "headers[0].value": "does not match",
    "should be greater than or equal to 1": "greater than or equal to 1",
    "dedupLabel: Invalid": "does not match",
    "host: Invalid": "does not match",
    "database: Invalid": "does not match",
    "engine: Unsupported value": "'Incremental' or 'Recorded'",
    "Unsupported value": "write 'VerifyFull', 'Require' or 'Disable'",
    "should be less than or equal to 65535": "less than or equal to 65535",
    "ruleLabels.release: Invalid": "does not match",
    "a key has": "a key has 1 to 317 characters",
}


def said(refused: str) -> str:
    found = [ours for theirs, ours in OUR_WORDS.items() if theirs in refused]
    return found[0] if found else refused.rpartition('": ')[2]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["case"])
def test_a_model_judges_as_the_api_server_does(case: dict[str, Any]) -> None:
    found = read(MetricSource, {"metadata": {"name": "a"}, "spec": case["spec"]})
    if "refused" in case:
        assert isinstance(found, list)
        assert said(case["refused"]) in "; ".join(map(str, found))
    else:
        assert isinstance(found, MetricSource)


def test_header_names_are_compared_as_http_does() -> None:
    headers = [{"name": "X-A", "value": "a"}, {"name": "x-a", "value": "b"}]
    body = {"prometheus": {"url": "http://a", "headers": headers}}
    found = read(MetricSource, {"metadata": {"name": "a"}, "spec": body})
    assert isinstance(found, list)
    assert "'x-a' is there twice" in str(found[0])


def test_every_secret_that_a_source_refers_to_is_known() -> None:
    everything = next(case for case in CASES if case["case"].startswith("everything"))
    found = read(MetricSource, {"metadata": {"name": "a"}, "spec": everything["spec"]})
    assert isinstance(found, MetricSource)
    assert {str(reference) for reference in found.spec.prometheus.secrets()} == {
        "mimir[token]",
        "mimir[ca.crt]",
        "client[tls.crt]",
        "client[tls.key]",
    }
    assert SecretKey(name="mimir", key="token") in set(found.spec.prometheus.secrets())
