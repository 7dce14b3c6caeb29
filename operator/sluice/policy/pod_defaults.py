"""A pod template without what Kubernetes fills in, so that as written and as stored are the same.

The API server fills defaults into the templates of Deployments and of ReplicaSets, not into that of
an Argo Rollout, whose revisions are ReplicaSets. Two templates of which one is the other with its
defaults filled in have the same form here. Whatever could mean something else is left in.
Source: Kubernetes 1.36, pkg/apis/core/v1: `SetObjectDefaults_PodTemplate` and the parts of it;
apimachinery, pkg/api/resource: `Quantity`.
"""

from collections.abc import Mapping
from decimal import Decimal, DecimalException
from typing import Any

_FIELD = {"apiVersion": "v1"}
_HTTP = {"path": "/", "scheme": "HTTP"}
_PROBE = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
    "httpGet": _HTTP,
    "grpc": {"service": ""},
}
_CONTAINER = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
    "ports": [{"protocol": "TCP"}],
    "env": [
        {"value": "", "valueFrom": {"fieldRef": _FIELD, "fileKeyRef": {"optional": False}}},
    ],
    "livenessProbe": _PROBE,
    "readinessProbe": _PROBE,
    "startupProbe": _PROBE,
    "lifecycle": {"postStart": {"httpGet": _HTTP}, "preStop": {"httpGet": _HTTP}},
}
_DOWNWARD = {"items": [{"fieldRef": _FIELD}]}
_VOLUME = {
    "secret": {"defaultMode": 0o644},
    "configMap": {"defaultMode": 0o644},
    "downwardAPI": {"defaultMode": 0o644, **_DOWNWARD},
    "projected": {
        "defaultMode": 0o644,
        "sources": [{"downwardAPI": _DOWNWARD, "serviceAccountToken": {"expirationSeconds": 3600}}],
    },
    "hostPath": {"type": ""},
    "ephemeral": {"volumeClaimTemplate": {"spec": {"volumeMode": "Filesystem"}}},
    "iscsi": {"iscsiInterface": "default"},
    "rbd": {"pool": "rbd", "user": "admin", "keyring": "/etc/ceph/keyring"},
    "azureDisk": {
        "cachingMode": "ReadWrite",
        "fsType": "ext4",
        "readOnly": False,
        "kind": "Shared",
    },
    "scaleIO": {"storageMode": "ThinProvisioned", "fsType": "xfs"},
}
_TEMPLATE = {
    "spec": {
        "restartPolicy": "Always",
        "dnsPolicy": "ClusterFirst",
        "schedulerName": "default-scheduler",
        "terminationGracePeriodSeconds": 30,
        "containers": [_CONTAINER],
        "initContainers": [_CONTAINER],
        "volumes": [_VOLUME],
    }
}
"""Of an object its fields, of a list what holds for each member, of anything else the default."""

_NOTHING_IF_EMPTY = frozenset(
    {
        *("metadata", "labels", "annotations", "nodeSelector"),
        *("resources", "limits", "requests", "securityContext", "emptyDir"),
    }
)
"""Objects that say nothing when they are empty. Others do: `namespaceSelector: {}` is all."""

_QUANTITIES = frozenset({"limits", "requests", "overhead"})
_POWERS = {
    **dict(zip("numkMGTPE", (-9, -6, -3, 3, 6, 9, 12, 15, 18), strict=True)),
    "": 0,
}
_BINARY = {f"{letter}i": 1024**power for power, letter in enumerate("KMGTPE", start=1)}

_MOST_DIGITS = 40
"""Quantities of more digits are nobody's; written out they could fill the memory."""


def without_defaults(template: Mapping[str, Any]) -> dict[str, Any]:
    """`template` as somebody would write it who leaves out all that Kubernetes fills in.

    What is not shaped like a pod template is left as it is.
    """
    cut: dict[str, Any] = _cut(template, _TEMPLATE)
    spec = cut.get("spec")
    if not isinstance(spec, dict):
        return cut
    account = spec.pop("serviceAccount", None)
    if account is not None:
        spec.setdefault("serviceAccountName", account)
    for group in ("initContainers", "containers"):
        for container in _objects(spec.get(group)):
            _without_dependent(container, on_host=spec.get("hostNetwork") is True)
    return cut


def canonical(template: Mapping[str, Any]) -> dict[str, Any]:
    """`without_defaults`, with one way to write each quantity: 0.5 CPUs are 500m."""
    found: dict[str, Any] = _with_values(without_defaults(template), quantities=False)
    return found


def _cut(value: Any, shape: Any) -> Any:
    if isinstance(value, Mapping):
        shapes = shape if isinstance(shape, Mapping) else {}
        cut = {key: _cut(member, shapes.get(key)) for key, member in value.items()}
        return {key: member for key, member in cut.items() if not _is_default(key, member, shapes)}
    if isinstance(value, list):
        each = shape[0] if isinstance(shape, list) else None
        return [_cut(member, each) for member in value]
    return value


def _is_default(key: str, value: Any, shapes: Mapping[str, Any]) -> bool:
    if value is None or value == []:
        return True
    if value == {}:
        return key in _NOTHING_IF_EMPTY
    default = shapes.get(key)
    # In Python True is 1 and False is 0.
    return type(value) is type(default) and bool(value == default)


def _without_dependent(container: dict[str, Any], *, on_host: bool) -> None:
    """Leave defaults out that depend on another field."""
    image = container.get("image")
    if isinstance(image, str) and container.get("imagePullPolicy") == _pulled(image):
        del container["imagePullPolicy"]
    for port in _objects(container.get("ports")) if on_host else ():
        if port.get("hostPort") == port.get("containerPort"):
            port.pop("hostPort", None)


def _pulled(image: str) -> str:
    """The default of `imagePullPolicy`: a tag that may move is looked up each time."""
    _, _, tag = image.rpartition("/")[2].partition(":")
    moves = "@" not in image and tag in {"", "latest"}
    return "Always" if moves or image.partition("@")[0].endswith(":latest") else "IfNotPresent"


def _objects(found: Any) -> list[dict[str, Any]]:
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _with_values(value: Any, *, quantities: bool) -> Any:
    if isinstance(value, Mapping):
        return {
            key: _with_values(member, quantities=key in _QUANTITIES)
            if not quantities
            else _quantity(member)
            for key, member in value.items()
        }
    if isinstance(value, list):
        return [_with_values(member, quantities=False) for member in value]
    return value


def _quantity(value: Any) -> Any:
    """A quantity's value as text that all ways to write it share; what is none stays as it is."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return value
    text = str(value)
    number = text.rstrip("numkMGTPEi")
    suffix = text[len(number) :]
    try:
        exact = Decimal(number)
        if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
            return value
        factor = _BINARY.get(suffix)
        exact = exact.scaleb(_POWERS[suffix]) if factor is None else exact * factor
        return f"{exact.normalize():f}"
    except (DecimalException, KeyError):
        return value
