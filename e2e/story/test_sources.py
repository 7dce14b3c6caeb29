"""Sources that the platform declares: named before they are there, their Secrets later still."""

import json
from collections.abc import Iterator

import pytest

from e2e.stack import NAMESPACE, Controller, Stack, condition
from e2e.story.manifests import Object, objective
from e2e.story.team import OBJECTIVE, Team

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]

NAME = "e2e-mimir"
TOKEN = "t0ken-of-the-story"
# A Secret is read again every 20 seconds while a source gives nothing.
PATIENCE = 45.0


class Platform:
    """The people who own sources."""

    def __init__(self, stack: Stack) -> None:
        self._stack = stack

    def declare(self, url: str) -> None:
        source = {
            "apiVersion": "sluice.dev/v1alpha1",
            "kind": "MetricSource",
            "metadata": {"name": NAME},
            "spec": {"prometheus": {"url": url, "bearerToken": {"name": NAME, "key": "token"}}},
        }
        self._stack.plane.kubectl("apply", "-f", "-", input=json.dumps(source))

    def create_secret(self) -> None:
        literal = f"--from-literal=token={TOKEN}"
        self._stack.plane.kubectl("-n", NAMESPACE, "create", "secret", "generic", NAME, literal)

    def withdraw(self) -> None:
        self._stack.plane.kubectl("delete", "metricsource", NAME, "--ignore-not-found")

    def source(self) -> Object:
        found: Object = self._stack.plane.kubectl.json("get", "metricsource", NAME)
        return found

    def until_ready(self, reason: str) -> Object:
        self._stack.until(
            f"{NAME}: {reason}",
            lambda: condition(self.source(), "Ready").get("reason") == reason,
            timeout=PATIENCE,
        )
        return condition(self.source(), "Ready")

    def told(self) -> set[tuple[str, str]]:
        """Type and reason of the Events that `kubectl describe` shows of the source."""
        shown = self._stack.plane.kubectl("describe", "metricsource", NAME).stdout
        lines = shown.partition("Events:")[2].splitlines()
        return {
            (line.split()[0], line.split()[1]) for line in lines[1:] if not set(line) <= {*" -"}
        }

    def clean(self) -> None:
        self.withdraw()
        self._stack.plane.kubectl("-n", NAMESPACE, "delete", "secret", NAME, "--ignore-not-found")


@pytest.fixture
def platform(everything: Stack) -> Iterator[Platform]:
    found = Platform(everything)
    yield found
    found.clean()


def spent(team: Team) -> bool:
    """Whether 30 points are gone, about: a window that begins at a full hour has some too many."""
    remaining = team.field(OBJECTIVE, "availability", ".status.errorBudget.remaining")
    return remaining != "" and 69 < float(remaining) < 72


def test_an_objective_waits_for_its_source_and_goes_on_when_it_moves(
    team: Team, controller: Controller, platform: Platform
) -> None:
    team.apply(objective(team.service.job, source={"name": NAME}))
    missing = team.until_condition("Stalled", "SourceNotFound", of=OBJECTIVE, name="availability")
    assert f"no source '{NAME}'; there are: default" in missing["message"]

    url = team.stack.prometheus.url
    platform.declare(url)
    assert platform.until_ready("SecretNotFound")["message"] == (
        f"Secret {NAMESPACE}/{NAME} is not there: create it in the controller's namespace"
    )
    blind = team.until_condition("Ready", "SecretNotFound", of=OBJECTIVE, name="availability")
    assert f"`kubectl describe metricsource {NAME}` tells why" in blind["message"]
    assert NAMESPACE not in blind["message"]

    platform.create_secret()
    platform.until_ready("Reconciled")
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="availability")
    team.service.spend(30)
    team.until("spent", lambda: spent(team))

    platform.declare("http://127.0.0.1:1")
    platform.until_ready("SourceUnreachable")
    team.until_condition("Ready", "SourceUnreachable", of=OBJECTIVE, name="availability")
    assert spent(team)

    failed, answered = ("Warning", "SourceUnreachable"), ("Normal", "Reconciled")
    team.until("Events", lambda: {failed, answered} <= platform.told())

    platform.declare(f"{url}/")
    platform.until_ready("Reconciled")
    team.until_condition("Ready", "Reconciled", of=OBJECTIVE, name="availability", timeout=5)

    platform.withdraw()
    team.until_condition("Stalled", "SourceNotFound", of=OBJECTIVE, name="availability")
    assert TOKEN not in controller.log
