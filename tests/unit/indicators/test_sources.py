import aiohttp
import pytest

from sluice.api.reasons import Reason
from sluice.indicators.failure import Failure
from sluice.indicators.prometheus import Prometheus
from sluice.indicators.sources import Sources


async def test_a_source_is_found_by_its_name() -> None:
    async with aiohttp.ClientSession() as session:
        source = Prometheus("default", "http://prometheus:9090", session)
        assert Sources({"default": source}).get("default") is source


@pytest.mark.parametrize(("names", "listed"), [(("b", "a"), "there are: a, b"), ((), "are: none")])
async def test_an_unknown_name_fails_with_those_there_are(
    names: tuple[str, ...], listed: str
) -> None:
    async with aiohttp.ClientSession() as session:
        sources = {name: Prometheus(name, "http://prometheus:9090", session) for name in names}
        failure = Sources(sources).get("other")
    assert isinstance(failure, Failure)
    assert failure.reason is Reason.SOURCE_NOT_FOUND
    assert "no source 'other'" in failure.message
    assert listed in failure.message
