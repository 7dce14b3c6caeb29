"""Which objectives a policy looks at and which workloads it governs."""

import pytest

from sluice.api.policy import ObjectiveReference, WorkloadReference
from sluice.api.reasons import Reason
from sluice.policy.selection import Labelled, WorkloadName, select_objectives, select_workloads

SHOP = [
    Labelled("web", {"app": "shop", "tier": "front"}),
    Labelled("api", {"app": "shop"}),
    Labelled("cron", {}),
]


@pytest.mark.parametrize(
    ("reference", "names"),
    [
        ({"selector": {}}, ("api", "cron", "web")),
        ({"selector": {"matchLabels": {"app": "shop"}}}, ("api", "web")),
        ({"selector": {"matchLabels": {"app": "other"}}}, ()),
        (
            {"selector": {"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}},
            ("api", "cron"),
        ),
        ({"names": ["web", "api"]}, ("api", "web")),
    ],
)
def test_objectives_are_selected_by_label_or_by_name(
    reference: dict[str, object], names: tuple[str, ...]
) -> None:
    selection = select_objectives(ObjectiveReference.model_validate(reference), SHOP)
    assert selection.names == names
    assert selection.missing == ()


def test_a_name_that_does_not_exist_is_an_unknown_objective_that_says_what_to_do() -> None:
    reference = ObjectiveReference(names=["zebra", "web", "ghost"])
    selection = select_objectives(reference, SHOP)
    assert selection.names == ("web",)
    assert [it.name for it in selection.missing] == ["ghost", "zebra"]
    assert not any(it.known for it in selection.missing)
    assert {it.reason for it in selection.missing} == {Reason.OBJECTIVE_NOT_FOUND}
    assert "ServiceLevelObjective ghost does not exist" in selection.missing[0].message
    assert "spec.objectives.names" in selection.missing[0].message


def test_workloads_are_governed_by_label_and_kind() -> None:
    reference = WorkloadReference.model_validate({"selector": {"matchLabels": {"app": "shop"}}})
    kinds = {"api": "Deployment", "cron": "DaemonSet", "web": "StatefulSet"}
    existing = [(WorkloadName(kinds[it.name], it.name), it.labels) for it in SHOP]
    api, cron, web = (WorkloadName(kind, name) for name, kind in kinds.items())
    assert select_workloads(reference, existing) == (api, web)
    assert select_workloads(WorkloadReference(), existing) == (cron, api, web)
    only_sets = WorkloadReference(kinds=["StatefulSet", "DaemonSet"])
    assert select_workloads(only_sets, existing) == (cron, web)
