"""What the chart runs before Helm installs, upgrades and deletes."""

from typing import Any

import pytest
from typer.testing import CliRunner

from sluice.api.crds import RESOURCES
from sluice.cli.main import app
from tests.unit.chart.conftest import Helm
from tests.unit.chart.test_chart import found, is_hook, render


def hooks(documents: list[dict[str, Any]]) -> dict[str, set[str]]:
    """The names of hooks by the moment that they run at."""
    moments: dict[str, set[str]] = {}
    for one in documents:
        if is_hook(one["metadata"]):
            for moment in one["metadata"]["annotations"]["helm.sh/hook"].split(","):
                kind, name = one["kind"], one["metadata"]["name"]
                moments.setdefault(moment, set()).add(f"{kind}/{name}")
    return moments


RIGHTS = {f"{kind}/sluice-crds" for kind in ("ServiceAccount", "ClusterRole", "ClusterRoleBinding")}


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (
            (),
            {
                "pre-install": RIGHTS | {"Job/sluice-crds"},
                "pre-upgrade": RIGHTS | {"Job/sluice-crds"},
                "pre-delete": {"Job/sluice-thaw"},
            },
        ),
        (("hooks.upgradeCrds=false",), {"pre-delete": {"Job/sluice-thaw"}}),
        (("hooks.upgradeCrds=false", "hooks.thawOnUninstall=false"), {}),
    ],
)
def test_what_runs_when(helm: Helm, values: tuple[str, ...], expected: dict[str, set[str]]) -> None:
    documents = render(helm, "default", *(f"--set={value}" for value in values))
    assert hooks(documents) == expected


def test_rights_are_there_before_the_job_that_needs_them_and_gone_after_it(helm: Helm) -> None:
    for one in render(helm, "default"):
        notes = one["metadata"].get("annotations", {})
        if is_hook(one["metadata"]):
            assert notes["helm.sh/hook-weight"] == ("0" if one["kind"] == "Job" else "-10")
            assert notes["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


@pytest.mark.parametrize("name", ["sluice-crds", "sluice-thaw"])
def test_a_job_runs_a_command_that_there_is_with_options_that_it_has(helm: Helm, name: str) -> None:
    pods = found(render(helm, "full"), "Job", name)["spec"]["template"]["spec"]
    [container] = pods["containers"]
    command, *options = container["args"]
    shown = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200"}).output
    for option in options:
        assert option.partition("=")[0] in shown


def test_a_release_that_watches_namespaces_thaws_these_only(helm: Helm) -> None:
    def options(value_set: str) -> list[str]:
        job = found(render(helm, value_set), "Job", "sluice-thaw")
        args: list[str] = job["spec"]["template"]["spec"]["containers"][0]["args"]
        return args

    assert "--watch-namespaces=shop,payments" in options("namespaced")
    assert not [one for one in options("default") if one.startswith("--watch-namespaces")]
    assert "--system-namespace=sluice-system" in options("default")


def test_the_thaw_runs_as_the_controller_whose_account_the_kill_switch_goes_with(
    helm: Helm,
) -> None:
    for value_set, account in (("default", "sluice"), ("full", "sluice-existing")):
        job = found(render(helm, value_set), "Job", "sluice-thaw")
        assert job["spec"]["template"]["spec"]["serviceAccountName"] == account


def test_definitions_may_be_created_and_only_ours_be_changed(helm: Helm) -> None:
    change, create = found(render(helm, "default"), "ClusterRole", "sluice-crds")["rules"]
    assert change["verbs"] == ["patch"]
    assert set(change["resourceNames"]) == {resource.name for resource in RESOURCES}
    assert create["verbs"] == ["create"]


def test_no_selector_selects_the_pods_of_jobs(helm: Helm) -> None:
    documents = render(helm, "full")
    pods = found(documents, "Job", "sluice-thaw")["spec"]["template"]["metadata"]["labels"]
    for one in documents:
        spec = one.get("spec", {})
        selector = spec.get("podSelector", spec.get("selector", {}))
        labels = selector.get("matchLabels", selector)
        assert not (labels and labels.items() <= pods.items()), one["metadata"]["name"]
