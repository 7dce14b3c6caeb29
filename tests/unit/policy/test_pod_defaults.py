"""A template as somebody wrote it and as Kubernetes stored it are the same one."""

from typing import Any

import pytest

from sluice.policy.fingerprint import fingerprint
from sluice.policy.pod_defaults import canonical, without_defaults

WRITTEN: dict[str, Any] = {
    "metadata": {"labels": {"run": "web"}},
    "spec": {
        "serviceAccountName": "robot",
        "containers": [
            {
                "name": "web",
                "image": "example.com:5000/web:2",
                "args": ["--verbose"],
                "env": [
                    {"name": "EMPTY"},
                    {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
                ],
                "ports": [{"containerPort": 80}],
                "readinessProbe": {"httpGet": {"port": 80}},
                "livenessProbe": {"grpc": {"port": 81}},
                "resources": {"requests": {"cpu": "0.5", "memory": "1024Mi"}, "limits": {"cpu": 1}},
            }
        ],
        "volumes": [
            {"name": "scratch"},
            {"name": "secret", "secret": {"secretName": "s"}},
            {"name": "all", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ],
    },
}
STORED: dict[str, Any] = {
    "metadata": {"creationTimestamp": None, "labels": {"run": "web"}},
    "spec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "serviceAccount": "robot",
        "serviceAccountName": "robot",
        "containers": [
            {
                "name": "web",
                "image": "example.com:5000/web:2",
                "imagePullPolicy": "IfNotPresent",
                "args": ["--verbose"],
                "env": [
                    {"name": "EMPTY", "value": ""},
                    {
                        "name": "IP",
                        "valueFrom": {
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}
                        },
                    },
                ],
                "ports": [{"containerPort": 80, "protocol": "TCP"}],
                "readinessProbe": {
                    "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "livenessProbe": {
                    "grpc": {"port": 81, "service": ""},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
                "resources": {
                    "requests": {"cpu": "500m", "memory": "1Gi"},
                    "limits": {"cpu": "1"},
                },
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
            }
        ],
        "volumes": [
            {"name": "scratch", "emptyDir": {}},
            {"name": "secret", "secret": {"secretName": "s", "defaultMode": 420}},
            {
                "name": "all",
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                },
            },
        ],
    },
}


def of(**container: Any) -> dict[str, Any]:
    return {"spec": {"containers": [{"name": "web", "image": "web:1", **container}]}}


def test_a_template_as_written_is_the_one_as_stored() -> None:
    assert canonical(STORED) == canonical(WRITTEN)
    assert fingerprint(STORED).equals(fingerprint(WRITTEN))


def test_what_is_left_is_what_somebody_wrote_and_no_quantity_is_rewritten() -> None:
    left = without_defaults(STORED)
    assert left["spec"]["containers"][0]["resources"]["requests"]["cpu"] == "500m"
    assert without_defaults(left) == left
    assert "creationTimestamp" not in left["metadata"]
    assert set(left["spec"]) == {"serviceAccountName", "containers", "volumes"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (of(), of(imagePullPolicy="Always")),
        (of(image="web"), of(image="web", imagePullPolicy="IfNotPresent")),
        (of(), of(terminationMessagePolicy="FallbackToLogsOnError")),
        (of(), of(ports=[{"containerPort": 80, "protocol": "UDP"}])),
        (of(resources={"limits": {"cpu": "1"}}), of(resources={"limits": {"cpu": "1m"}})),
        (of(resources={"limits": {"memory": "1M"}}), of(resources={"limits": {"memory": "1Mi"}})),
        (of(), of(livenessProbe={"exec": {"command": ["true"]}})),
        (of(tty=True), of(tty=1)),
        # All namespaces, which is not the same as the pod's own.
        ({"spec": {"affinity": {"namespaceSelector": {}}}}, {"spec": {"affinity": {}}}),
    ],
)
def test_what_means_something_else_is_another_one(
    one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert not fingerprint(one).equals(fingerprint(other))


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("web", "Always"),
        ("web:latest", "Always"),
        ("web:latest@sha256:00", "Always"),
        ("example.com:5000/web", "Always"),
        ("web:1", "IfNotPresent"),
        ("web@sha256:00", "IfNotPresent"),
        ("example.com:5000/web:1", "IfNotPresent"),
    ],
)
def test_when_an_image_is_pulled_depends_on_its_tag(image: str, policy: str) -> None:
    assert canonical(of(image=image, imagePullPolicy=policy)) == canonical(of(image=image))
    other = {"Always": "IfNotPresent", "IfNotPresent": "Always"}[policy]
    assert canonical(of(image=image, imagePullPolicy=other)) != canonical(of(image=image))


@pytest.mark.parametrize(
    ("one", "other"),
    [("1", 1), ("1000m", "1"), ("0.5", "500m"), ("1Gi", "1024Mi"), ("1e3", "1k"), ("1E", "1e18")],
)
def test_a_quantity_is_what_it_amounts_to(one: Any, other: Any) -> None:
    left, right = (of(resources={"requests": {"x": value}}) for value in (one, other))
    assert canonical(left) == canonical(right)


@pytest.mark.parametrize(
    "odd", ["", "m", "x", "1x", "nan", "Infinity", "1e999999999", True, [], {}]
)
def test_what_is_no_quantity_stays_as_it_is(odd: Any) -> None:
    found = canonical(of(resources={"limits": {"a": "1", "x": [odd]}}))
    assert found["spec"]["containers"][0]["resources"]["limits"]["x"] == [odd]
    canonical(of(resources={"limits": {"a": "1", "x": odd}}))


def test_a_port_of_the_host_is_filled_in_on_its_network() -> None:
    ports = [{"containerPort": 80, "hostPort": 80}]
    on_host = {"spec": {"hostNetwork": True, "containers": [{"name": "web", "ports": ports}]}}
    (port,) = canonical(on_host)["spec"]["containers"][0]["ports"]
    assert port == {"containerPort": 80}
    assert canonical(of(ports=ports))["spec"]["containers"][0]["ports"] == ports
