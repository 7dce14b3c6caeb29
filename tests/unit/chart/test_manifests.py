"""What installs Sluice without Helm on the command line: kustomize, Argo CD, Flux.

`UPDATE_GOLDEN=1 pytest tests/unit/chart` (`make manifests`) writes the rendered manifests again.
"""

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from e2e.harness import kubectl
from e2e.harness.gotools import NoGoError
from sluice.api.crds import RESOURCES
from tests.unit.chart.conftest import Helm
from tests.unit.chart.test_chart import CHART, ROOT, environment, found, is_hook, render

DEPLOY = ROOT / "deploy"
RENDERED = DEPLOY / "kustomize/base/sluice.yaml"
_HEAD = "# Rendered from the chart by `make manifests`: change deploy/helm/sluice instead.\n"
_OF_HELM = {"helm.sh/chart", "app.kubernetes.io/managed-by"}


def plain(helm: Helm) -> list[dict[str, Any]]:
    """The chart with its default values, without Helm's hooks and what says that Helm has it."""
    hooks = ("upgradeCrds", "thawOnUninstall")
    documents = render(helm, "sources", *(f"--set=hooks.{one}=false" for one in hooks))
    for one in documents:
        labels = one["metadata"]["labels"]
        one["metadata"]["labels"] = {
            key: value for key, value in labels.items() if key not in _OF_HELM
        }
    return documents


@pytest.fixture(scope="module")
def kustomize() -> Any:
    try:
        program = kubectl()
    except NoGoError as error:
        pytest.skip(f"no kubectl to run kustomize with: {error}")

    def run(directory: Path) -> list[dict[str, Any]]:
        answer = subprocess.run(
            [str(program), "kustomize", str(directory)],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        assert answer.returncode == 0, answer.stderr
        return [one for one in yaml.load_all(answer.stdout, yaml.CSafeLoader) if one]

    return run


def manifests(path: str) -> dict[str, dict[str, Any]]:
    read = yaml.safe_load_all((DEPLOY / path).read_text())
    return {one["kind"]: one for one in read}


def test_the_manifests_are_what_the_chart_renders(helm: Helm) -> None:
    documents = plain(helm)
    if os.environ.get("UPDATE_GOLDEN"):
        RENDERED.write_text(_HEAD + yaml.safe_dump_all(documents, sort_keys=False, width=100))
    assert documents == list(yaml.safe_load_all(RENDERED.read_text()))


def test_all_definitions_are_installed_with_them(kustomize: Any) -> None:
    names = {one["metadata"]["name"] for one in kustomize(ROOT / "crds")}
    assert names == {resource.name for resource in RESOURCES}


def test_the_base_is_the_definitions_a_restricted_namespace_and_the_rendered_chart(
    kustomize: Any, helm: Helm
) -> None:
    built = kustomize(DEPLOY / "kustomize/base")
    namespace = found(built, "Namespace", "sluice-system")
    assert namespace["metadata"]["labels"] == {"pod-security.kubernetes.io/enforce": "restricted"}
    rest = [one for one in built if one["kind"] not in {"Namespace", "CustomResourceDefinition"}]
    assert len(built) - len(rest) == 1 + len(RESOURCES)

    def by_name(documents: list[dict[str, Any]]) -> dict[tuple[str, str], dict[str, Any]]:
        return {(one["kind"], one["metadata"]["name"]): one for one in documents}

    assert by_name(rest) == by_name(plain(helm))


def test_the_overlay_sets_image_source_and_replicas(kustomize: Any) -> None:
    built = kustomize(DEPLOY / "kustomize/overlays/example")
    deployment = found(built, "Deployment")["spec"]
    assert deployment["replicas"] == 2
    [container] = deployment["template"]["spec"]["containers"]
    assert container["image"] == "registry.example.com/sluice:0.1.0"
    assert environment(built)["SLUICE_PROMETHEUS_URL"] == "http://prometheus.monitoring:9090"


@pytest.mark.parametrize(
    ("path", "kind", "place"),
    [
        ("argo-cd/application.yaml", "Application", ("source", "helm", "valuesObject")),
        ("flux/release.yaml", "HelmRelease", ("values",)),
    ],
)
def test_the_values_of_the_gitops_examples_are_values_of_the_chart(
    helm: Helm, tmp_path: Path, path: str, kind: str, place: tuple[str, ...]
) -> None:
    given = manifests(path)[kind]["spec"]
    for name in place:
        given = given[name]
    file = tmp_path / "values.yaml"
    file.write_text(yaml.safe_dump(given))
    answer = helm("template", "sluice", CHART, "--namespace", "sluice-system", "--values", file)
    assert answer.returncode == 0, answer.stderr
    documents = [one for one in yaml.load_all(answer.stdout, yaml.CSafeLoader) if one]
    # What these tools do themselves needs no Job; the thaw before an uninstall does.
    assert {one["metadata"]["name"] for one in documents if is_hook(one["metadata"])} == {
        "sluice-thaw"
    }
    assert found(documents, "Deployment")["spec"]["replicas"] == 2


def test_the_gitops_examples_point_at_the_chart_and_its_namespace() -> None:
    source = manifests("argo-cd/application.yaml")["Application"]["spec"]
    assert ROOT / source["source"]["path"] == CHART
    assert source["destination"]["namespace"] == "sluice-system"
    flux = manifests("flux/release.yaml")
    release = flux["HelmRelease"]["spec"]
    assert (ROOT / release["chart"]["spec"]["chart"]).resolve() == CHART
    assert release["targetNamespace"] == release["storageNamespace"] == "sluice-system"
    reference = release["chart"]["spec"]["sourceRef"]
    assert reference["name"] == flux[reference["kind"]]["metadata"]["name"]
