"""A controller that was told of no source: there are only those that the platform declares."""

from collections.abc import Iterator

import pytest

from e2e.stack import Stack
from e2e.story.conftest import Start
from e2e.story.manifests import objective
from e2e.story.team import OBJECTIVE, Team
from e2e.story.test_sources import NAME, Platform

pytestmark = [pytest.mark.controlplane, pytest.mark.prometheus]


@pytest.fixture
def platform(everything: Stack) -> Iterator[Platform]:
    found = Platform(everything)
    yield found
    found.clean()


def test_it_says_what_to_do_and_measures_from_what_is_declared(
    team: Team, platform: Platform, start: Start
) -> None:
    start(url=None)
    team.apply(objective(team.service.job))
    missing = team.until_condition("Stalled", "SourceNotFound", of=OBJECTIVE, name="availability")
    assert missing["message"] == (
        "spec.source.name: no source 'default'; there are: none; let the platform create a "
        "MetricSource called 'default' or start the controller with --prometheus-url"
    )
    platform.create_secret()
    platform.declare(team.stack.prometheus.url)
    team.apply(objective(team.service.job, source={"name": NAME}))
    team.until_condition("BudgetKnown", "BudgetKnown", of=OBJECTIVE, name="availability")
