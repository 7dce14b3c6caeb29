"""What becomes of objects that the API server has let in."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from e2e.harness import ControlPlane
from sluice.api import API_VERSION

pytestmark = pytest.mark.controlplane

SLO = {
    "objective": "99.9",
    "window": {"rolling": "30d"},
    "indicator": {"ratio": {"total": {"metric": "all"}, "bad": {"metric": "bad"}}},
    "owner": "payments",
}
POLICY: dict[str, Any] = {"objectives": {"selector": {}}}
OVERRIDE = {
    "policy": "default",
    "reason": "INC-4711",
    "createdBy": "alice",
    "expiresAt": "2099-01-01T00:00:00Z",
}
CORRECTION = {
    "objectives": {"selector": {}},
    "effect": "Exclude",
    "once": {"start": "2026-08-20T10:00:00Z", "end": "2026-08-20T11:00:00Z"},
    "reason": "the data centre moved",
    "createdBy": "alice",
}
SOURCE = {"prometheus": {"url": "http://prometheus.monitoring:9090"}}
AN_HOUR_OF_2020 = "2020-01-01T00:00:00Z"


def condition(name: str, status: str) -> dict[str, str]:
    return {
        "type": name,
        "status": status,
        "reason": "Testing",
        "lastTransitionTime": AN_HOUR_OF_2020,
    }


class Objects:
    """Objects of one namespace, made and shown by kubectl."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = ("-n", namespace)

    def create(self, kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        manifest = {
            "apiVersion": API_VERSION,
            "kind": kind,
            "metadata": {"name": name},
            "spec": spec,
        }
        text = json.dumps(manifest)
        answer = self.kubectl("create", "-o", "json", "-f", "-", input=text).stdout
        created: dict[str, Any] = json.loads(answer)
        return created

    def patch_status(self, kind: str, name: str, status: dict[str, Any]) -> None:
        patch = json.dumps({"status": status})
        self.kubectl("patch", kind, name, "--subresource=status", "--type=merge", "-p", patch)

    def row(self, *arguments: str) -> dict[str, str]:
        """The one row that `kubectl get` shows, by column; cut where the header's columns begin."""
        header, line = self.kubectl("get", *arguments).stdout.splitlines()
        names = [name for name in header.split("  ") if name.strip()]
        starts = [header.index(name) for name in names]
        ends = [*starts[1:], None]
        return {
            name.strip(): line[start:end].strip()
            for name, start, end in zip(names, starts, ends, strict=True)
        }

    def kubectl(self, *arguments: str, input: str | None = None, check: bool = True) -> Any:  # noqa: A002
        return self._plane.kubectl(*self._namespace, *arguments, input=input, check=check)


@pytest.fixture
def objects(control_plane: ControlPlane, namespace: str) -> Iterator[Objects]:
    yield Objects(control_plane, namespace)
    # Sources are of no namespace that could go with them, and a controller would use them.
    control_plane.kubectl("delete", "metricsources", "--all")


@pytest.mark.parametrize(
    ("kind", "spec"),
    [
        ("ServiceLevelObjective", SLO),
        ("ErrorBudgetPolicy", POLICY),
        ("GateOverride", OVERRIDE),
        ("BudgetCorrection", CORRECTION),
        ("MetricSource", SOURCE),
    ],
)
def test_a_new_object_is_marked_as_not_looked_at(
    objects: Objects, kind: str, spec: dict[str, Any]
) -> None:
    created = objects.create(kind, "new", spec)
    assert created["status"]["observedGeneration"] == -1


def test_defaults_are_written_into_a_new_policy(objects: Objects) -> None:
    created = objects.create("ErrorBudgetPolicy", "defaults", POLICY)
    spec = created["spec"]
    assert spec["mode"] == "Observe"
    assert [(stage["name"], stage["admission"]) for stage in spec["stages"]] == [
        ("Healthy", "Allow"),
        ("Warning", "Warn"),
        ("Exhausted", "Deny"),
    ]
    assert spec["recovery"] == {
        "above": "5",
        "for": "30m",
        "stagger": {"perMinute": 10, "within": "30m"},
    }
    assert spec["whenBlind"] == {"holdFor": "1h", "then": "Open"}
    assert spec["overrides"] == {"maxDuration": "24h"}
    assert spec["workloads"] == {"kinds": ["Deployment", "StatefulSet", "DaemonSet", "Rollout"]}
    assert spec["exemptions"] == {
        "changeTypeKey": "sluice.dev/change-type",
        "templateKeys": ["kubectl.kubernetes.io/restartedAt"],
    }


def test_an_override_cannot_be_changed(objects: Objects) -> None:
    objects.create("GateOverride", "fixed", OVERRIDE)
    later = json.dumps({"spec": {"expiresAt": "2100-01-01T00:00:00Z"}})
    answer = objects.kubectl("patch", "gor", "fixed", "--type=merge", "-p", later, check=False)
    assert answer.returncode != 0
    assert "an override cannot be changed: delete it and create another" in answer.stderr
    objects.kubectl("label", "gor", "fixed", "team=payments")


def test_a_correction_cannot_be_changed(objects: Objects) -> None:
    objects.create("BudgetCorrection", "fixed", CORRECTION)
    longer = json.dumps({"spec": {"once": {"end": "2026-08-20T12:00:00Z"}}})
    answer = objects.kubectl("patch", "bc", "fixed", "--type=merge", "-p", longer, check=False)
    assert answer.returncode != 0
    assert "a correction cannot be changed: delete it and create another" in answer.stderr
    objects.kubectl("label", "bc", "fixed", "team=payments")


def test_status_is_written_by_its_subresource_only(objects: Objects) -> None:
    objects.create("ServiceLevelObjective", "measured", SLO)
    forged = json.dumps({"status": {"sli": "100.000"}})
    objects.kubectl("patch", "slo", "measured", "--type=merge", "-p", forged)
    assert objects.row("slo", "measured")["SLI"] == ""
    objects.patch_status("slo", "measured", {"sli": "99.950"})
    assert objects.row("slo", "measured")["SLI"] == "99.950"


@pytest.mark.parametrize("short_name", ["slo", "sslo", "servicelevelobjective"])
def test_an_objective_shows_what_a_reader_needs(objects: Objects, short_name: str) -> None:
    name = f"shown-as-{short_name}"
    objects.create("ServiceLevelObjective", name, SLO)
    objects.patch_status(
        "slo",
        name,
        {
            "sli": "99.942",
            "level": "Warning",
            "window": {
                "name": "2026-Q3",
                "start": "2026-07-01T00:00:00Z",
                "end": "2026-08-20T10:04:00Z",
                "covered": "100.000",
            },
            "errorBudget": {
                "consumed": "57.834",
                "remaining": "42.166",
                "toDate": "42.166",
                "events": {"total": "1000", "bad": "1", "allowed": "1"},
                "time": {"total": "43m12s", "remaining": "18m12s", "perDay": "1m26s"},
            },
            "burnRates": [{"window": "5m", "value": "0.4"}, {"window": "1h", "value": "0.9"}],
            "corrections": {"applied": 2},
            "conditions": [condition("Ready", "True"), condition("BudgetKnown", "True")],
        },
    )
    row = objects.row(short_name, name, "-o", "wide")
    assert row.pop("AGE")
    assert row == {
        "NAME": name,
        "OBJECTIVE": "99.9",
        "WINDOW": "2026-Q3",
        "SLI": "99.942",
        "REMAINING": "42.166",
        "BURN 1H": "0.9",
        "LEVEL": "Warning",
        "CORRECTIONS": "2",
        "OWNER": "payments",
        "BUDGETKNOWN": "True",
    }


def test_a_policy_shows_its_stage_and_since_when(objects: Objects) -> None:
    objects.create("ErrorBudgetPolicy", "shown", POLICY | {"mode": "Enforce"})
    objects.patch_status(
        "ebp",
        "shown",
        {
            "stage": "Exhausted",
            "decision": {
                "admission": "Deny",
                "since": AN_HOUR_OF_2020,
                "reason": "StageEntered",
                "message": "frozen",
                "objective": "checkout-availability",
                "remaining": "12.000",
            },
            "workloads": {"governed": 3},
            "conditions": [condition("Frozen", "True"), condition("BudgetKnown", "True")],
        },
    )
    row = objects.row("ebp", "shown", "-o", "wide")
    assert row.pop("AGE")
    assert row.pop("SINCE").endswith("d")
    assert row == {
        "NAME": "shown",
        "MODE": "Enforce",
        "STAGE": "Exhausted",
        "ADMISSION": "Deny",
        "FROZEN": "True",
        "OBJECTIVE": "checkout-availability",
        "REMAINING": "12.000",
        "GOVERNED": "3",
        "BUDGETKNOWN": "True",
    }


def test_an_override_shows_who_why_and_until_when(objects: Objects) -> None:
    objects.create("GateOverride", "shown", OVERRIDE)
    objects.patch_status("gor", "shown", {"conditions": [condition("Active", "True")]})
    row = objects.row("gor", "shown")
    assert row.pop("AGE")
    assert row == {
        "NAME": "shown",
        "EFFECT": "Allow",
        "POLICY": "default",
        "ACTIVE": "True",
        "EXPIRES": "2099-01-01T00:00:00Z",
        "BY": "alice",
        "REASON": "INC-4711",
    }


def test_a_correction_shows_what_when_who_and_why(objects: Objects) -> None:
    objects.create("BudgetCorrection", "shown", CORRECTION)
    status = {
        "matched": 3,
        "last": {"start": "2026-08-20T10:00:00Z", "end": "2026-08-20T11:00:00Z"},
        "conditions": [condition("Applied", "True")],
    }
    objects.patch_status("bc", "shown", status)
    row = objects.row("bc", "shown")
    assert row.pop("AGE")
    assert row == {
        "NAME": "shown",
        "EFFECT": "Exclude",
        "APPLIED": "True",
        "OBJECTIVES": "3",
        "LAST": "2026-08-20T10:00:00Z",
        "NEXT": "",
        "BY": "alice",
        "REASON": "the data centre moved",
    }


def test_a_source_shows_where_it_is_and_whether_it_answers(objects: Objects) -> None:
    objects.create("MetricSource", "shown", SOURCE)
    objects.patch_status("msrc", "shown", {"conditions": [condition("Ready", "False")]})
    row = objects.row("msrc", "shown")
    assert row.pop("AGE")
    assert row == {
        "NAME": "shown",
        "URL": "http://prometheus.monitoring:9090",
        "READY": "False",
        "REASON": "Testing",
    }


def test_one_category_lists_all_kinds(objects: Objects) -> None:
    objects.create("ServiceLevelObjective", "listed", SLO)
    objects.create("ErrorBudgetPolicy", "listed", POLICY)
    objects.create("GateOverride", "listed", OVERRIDE)
    objects.create("BudgetCorrection", "listed", CORRECTION)
    objects.create("MetricSource", "listed", SOURCE)
    listed = objects.kubectl("get", "sluice", "-o", "name").stdout.split()
    assert {name for name in listed if name.endswith("/listed")} == {
        "servicelevelobjective.sluice.dev/listed",
        "errorbudgetpolicy.sluice.dev/listed",
        "gateoverride.sluice.dev/listed",
        "budgetcorrection.sluice.dev/listed",
        "metricsource.sluice.dev/listed",
    }


def test_an_unknown_field_is_dropped_where_the_client_asks_for_leniency(objects: Objects) -> None:
    manifest = {
        "apiVersion": API_VERSION,
        "kind": "ErrorBudgetPolicy",
        "metadata": {"name": "lenient"},
        "spec": POLICY | {"colour": "red"},
    }
    text = json.dumps(manifest)
    answer = objects.kubectl("create", "--validate=warn", "-o", "json", "-f", "-", input=text)
    assert 'Warning: unknown field "spec.colour"' in answer.stderr
    assert "colour" not in json.loads(answer.stdout)["spec"]


def test_two_field_owners_can_share_the_list_of_conditions(objects: Objects) -> None:
    objects.create("ErrorBudgetPolicy", "shared", POLICY)
    for owner, name in (("one", "Ready"), ("two", "Enforcing")):
        manifest = {
            "apiVersion": API_VERSION,
            "kind": "ErrorBudgetPolicy",
            "metadata": {"name": "shared"},
            "status": {"conditions": [condition(name, "True")]},
        }
        objects.kubectl(
            *("apply", "--server-side", "--subresource=status", f"--field-manager={owner}"),
            *("--validate=false", "-f", "-"),
            input=json.dumps(manifest),
        )
    live = json.loads(objects.kubectl("get", "ebp", "shared", "-o", "json").stdout)
    assert [each["type"] for each in live["status"]["conditions"]] == ["Ready", "Enforcing"]
