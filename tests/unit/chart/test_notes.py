"""What Helm shows after an install."""

import pytest

from tests.unit.chart.conftest import Helm
from tests.unit.chart.test_chart import CHART, HERE


def notes(helm: Helm, value_set: str, *arguments: str) -> str:
    answer = helm(
        *("install", "sluice", CHART, "--namespace", "sluice-system", "--dry-run=client"),
        *("--values", HERE / f"values/{value_set}.yaml", *arguments),
    )
    assert answer.returncode == 0, answer.stderr
    return " ".join(answer.stdout.partition("NOTES:")[2].split())


@pytest.mark.parametrize(
    ("value_set", "arguments", "said", "not_said"),
    [
        ("sources", (), "create a MetricSource called default", "a namespace has no native gate"),
        ("default", (), "first lifts everything that is frozen", "There is no source yet"),
        ("namespaced", (), "a namespace has no native gate of its own", "There is no source yet"),
        ("namespaced", (), "other namespaces than shop, payments do nothing", "Would a deployment"),
        ("unprivileged", (), "NOTHING IS DENIED AT ADMISSION", "--clusterrole"),
        ("unprivileged", (), "--role=sluice-overrider", "has no native gate of its own"),
        ("webhook", (), "so is the webhook's configuration", "a namespace has no native gate"),
        (
            "default",
            ("--set", "hooks.thawOnUninstall=false"),
            "kubectl sluice thaw --all --uninstall --system-namespace=sluice-system It leaves",
            "first lifts everything",
        ),
        (
            "unprivileged",
            ("--set", "hooks.thawOnUninstall=false"),
            "--system-namespace=sluice-system --scope=namespace --watch-namespaces=sluice-system",
            "first lifts everything",
        ),
        (
            "default",
            ("--set", "hooks.upgradeCrds=false"),
            "sluice crds | kubectl apply --server-side --force-conflicts -f -",
            "THE KILL SWITCH IS ENGAGED",
        ),
        (
            "default",
            ("--set", "networkPolicy.enabled=true"),
            "name the sources in networkPolicy.sources",
            "There is no source yet",
        ),
        ("full", (), "Would a deployment pass?", "name the sources in networkPolicy.sources"),
    ],
)
def test_the_notes_say_what_the_values_mean(
    helm: Helm, value_set: str, arguments: tuple[str, ...], said: str, not_said: str
) -> None:
    text = notes(helm, value_set, *arguments)
    assert said in text
    assert not_said not in text
