from datetime import UTC, datetime

from sluice.api.metadata import ObjectMeta
from sluice.kube.events import Event, manifest

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)


def test_an_event_is_cut_to_what_the_api_takes() -> None:
    event = Event(
        kind="ErrorBudgetPolicy",
        metadata=ObjectMeta(name="p" * 253, namespace="shop", uid="1"),
        type="Warning",
        reason="StageEntered",
        action="Freeze",
        note="x" * 5000,
    )
    body = manifest(event, identity="h" * 500, now=NOW)
    assert len(body["note"]) == 1024
    assert len(body["reportingInstance"]) == 128
    assert len(body["metadata"]["name"]) <= 253
    assert body["eventTime"] == "2026-08-20T10:04:00.000000Z"
