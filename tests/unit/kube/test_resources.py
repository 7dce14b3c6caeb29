import pytest

from sluice.kube.resources import ADMISSION_POLICIES, CONFIG_MAPS, OBJECTIVES


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (OBJECTIVES.path(), "/apis/sluice.dev/v1alpha1/servicelevelobjectives"),
        (
            OBJECTIVES.path(namespace="shop", name="a", subresource="status"),
            "/apis/sluice.dev/v1alpha1/namespaces/shop/servicelevelobjectives/a/status",
        ),
        (CONFIG_MAPS.path(namespace="x", name="y"), "/api/v1/namespaces/x/configmaps/y"),
        (
            ADMISSION_POLICIES.path(namespace="ignored", name="p"),
            "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/p",
        ),
    ],
)
def test_a_path_is_laid_out_as_the_api_server_has_it(path: str, expected: str) -> None:
    assert path == expected
