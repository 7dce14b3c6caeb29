import pytest
from pydantic import ValidationError

from sluice.controller.settings import Settings
from sluice.settings import address

TWO_SLASHES = "two slashes and a host must follow the scheme"


def test_the_environment_sets_and_a_flag_beats_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLUICE_INTERVAL", "15")
    monkeypatch.setenv("SLUICE_WATCH_NAMESPACES", "shop, payments")
    assert Settings().interval == 15
    assert Settings().watch_namespaces == ("shop", "payments")
    assert Settings(interval=5).interval == 5
    monkeypatch.setenv("SLUICE_RESYNC", "argocd, flux")
    assert Settings().resync == ("argocd", "flux")


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("prometheus_url", "prometheus:9090", "write it as http://prometheus.monitoring:9090"),
        ("prometheus_url", "file:///etc/passwd", "write it as http://prometheus.monitoring:9090"),
        ("prometheus_url", "http:/prometheus:9090", TWO_SLASHES),
        ("prometheus_url", "http:prometheus:9090", TWO_SLASHES),
        ("prometheus_url", "https:///prometheus", TWO_SLASHES),
        ("prometheus_url", "HTTP:\\\\prometheus", TWO_SLASHES),
        ("prometheus_url", "http://", TWO_SLASHES),
        ("listen", "8080/tcp", "write it as ADDRESS:PORT"),
        ("interval", "0", "greater than or equal to 1"),
        ("concurrency", "many", "valid integer"),
        ("log_format", "xml", "'json' or 'console'"),
        ("scope", "namespace", "--scope=namespace needs --watch-namespaces"),
        ("scope", "Namespace", "'cluster' or 'namespace'"),
        ("certificate_days", "0", "greater than 0"),
        ("resync", "argocd,jenkins", "'argocd' or 'flux'"),
        ("own_workloads", "sluice", "sluice: write it as Deployment/NAME or Job/NAME"),
        ("own_workloads", "Deployment/sluice,Pod/x", "Pod/x: write it as Deployment/NAME"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_with_words(field: str, value: str, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Settings(**{field: value})


@pytest.mark.parametrize(
    ("listen", "parts"),
    [
        ("0.0.0.0:8080", ("0.0.0.0", 8080)),
        (":9000", ("0.0.0.0", 9000)),
        ("[::1]:80", ("::1", 80)),
    ],
)
def test_the_address_to_listen_on_is_split(listen: str, parts: tuple[str, int]) -> None:
    assert address(Settings(listen=listen).listen) == parts


def test_what_is_its_own_is_in_its_namespace_and_nothing_if_nobody_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert Settings().installation.within("sluice-system") == frozenset()
    monkeypatch.setenv("SLUICE_NAMESPACE", "ops")
    monkeypatch.setenv("SLUICE_OWN_WORKLOADS", "Deployment/sluice, Job/sluice-crds")
    found = Settings().installation
    assert {one.key for one in found.within("ops")} == {"Deployment/sluice", "Job/sluice-crds"}
    assert found.within("shop") == frozenset()
