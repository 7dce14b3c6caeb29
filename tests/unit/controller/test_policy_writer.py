"""The writer against an API that refuses; how it writes is tested end to end."""

from datetime import UTC, datetime
from typing import Any

import pytest

from sluice.api.policy import ErrorBudgetPolicy
from sluice.controller.policy_writer import FINALIZER, Gates, PolicyWriter
from sluice.enforcement.target import Target
from sluice.kube.api_server import ApiError
from sluice.kube.cache import Cache
from sluice.telemetry.metrics import Metrics

NOW = datetime(2026, 8, 20, 10, 4, tzinfo=UTC)
GATE = {"kind": "ValidatingAdmissionPolicy", "metadata": {"name": "g", "annotations": {}}}


class Refusing:
    """Stands for an API server that answers every write with one error."""

    def __init__(self, *, status: int, reason: str = "", message: str = "no") -> None:
        self.error = ApiError(status=status, reason=reason, message=message)
        self.calls = 0

    async def apply(self, *_: Any, **__: Any) -> dict[str, Any]:
        self.calls += 1
        raise self.error

    merge = apply


class Accepting:
    """Stands for an API server that takes everything and remembers it."""

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []

    async def apply(self, _: Any, body: dict[str, Any], **__: Any) -> dict[str, Any]:
        self.bodies.append(body)
        return {**body, "spec": {"objectives": {"names": ["a"]}}}


def writer(api: Any) -> PolicyWriter:
    return PolicyWriter(api=api, cache=Cache(), metrics=Metrics(), post=lambda _: None)


def policy() -> ErrorBudgetPolicy:
    return ErrorBudgetPolicy.model_validate(
        {
            "metadata": {"name": "default", "namespace": "shop", "uid": "p-1"},
            "spec": {"objectives": {"names": ["a"]}},
        }
    )


@pytest.mark.parametrize("status", [400, 403, 422])
async def test_a_gate_that_is_refused_is_told_and_not_raised(status: int) -> None:
    answer = await writer(Refusing(status=status, message="too long")).gates(
        policy(), Gates(), [GATE]
    )
    assert answer is not None
    assert "The API server refuses a gate: too long." in answer


async def test_a_cluster_without_native_admission_is_told_what_it_needs() -> None:
    answer = await writer(Refusing(status=404)).gates(policy(), Gates(), [GATE])
    assert answer is not None
    assert "needs Kubernetes 1.30" in answer


async def test_a_right_that_is_missing_is_named_with_what_has_it() -> None:
    said = 'User "system:serviceaccount:sluice-system:sluice" cannot list resource "x"'
    answer = await writer(Refusing(status=403, message=said)).gates(policy(), Gates(), [GATE])
    assert answer is not None
    assert answer.endswith(f"{said}. The chart's ClusterRole has this right: apply it again.")


@pytest.mark.parametrize("status", [0, 409, 429, 500, 503])
async def test_a_gate_that_could_be_written_later_is_tried_again(status: int) -> None:
    with pytest.raises(ApiError):
        await writer(Refusing(status=status)).gates(policy(), Gates(), [GATE])


def target() -> Target:
    live = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web", "namespace": "shop", "uid": "w", "resourceVersion": "1"},
        "spec": {},
    }
    return Target.of(live)


class Change:
    """Stands for planned changes of a workload."""

    clear = None
    apply: dict[str, Any] | None = None
    force = False
    problems = ()


async def test_a_workload_that_is_gone_is_no_failure_and_one_that_refuses_is_named() -> None:
    change: Any = Change()
    change.apply = {"metadata": {"name": "web", "namespace": "shop"}}
    assert await writer(Refusing(status=404)).workloads([(target(), change)]) == ()
    assert await writer(Refusing(status=403, message="no right")).workloads(
        [(target(), change)]
    ) == ("Deployment shop/web: no right",)


async def test_a_status_that_did_not_change_is_not_written() -> None:
    api = Accepting()
    assert await writer(api).status(policy(), policy().status) == policy()
    assert api.bodies == []


class Unlistable(Accepting):
    """Stands for an API server that does not let gates be listed."""

    def __init__(self, status: int) -> None:
        super().__init__()
        self.status = status

    async def list(self, *_: Any, **__: Any) -> Any:
        raise ApiError(status=self.status, reason="", message="no list")
        yield  # an asynchronous generator, as the real one is


@pytest.mark.parametrize(
    ("status", "wanted", "says"),
    [
        (404, [GATE], "needs Kubernetes 1.30"),
        (404, [], None),  # where there are no gates there is none to lift
        (403, [GATE], "no list"),
        (403, [], "no list"),
    ],
)
async def test_gates_that_cannot_be_looked_at_are_told_and_not_raised(
    status: int, wanted: list[Any], says: str | None
) -> None:
    told = writer(Unlistable(status))
    existing = await told.gates_of(policy(), expected=True)
    answer = await told.gates(policy(), existing, wanted)
    assert answer == says if says is None else says in str(answer)


async def test_a_finalizer_that_somebody_else_owns_too_is_removed_all_the_same() -> None:
    class Restored(Accepting):
        async def apply(self, *_: Any, **__: Any) -> dict[str, Any]:
            found = self.stored()
            found["metadata"]["finalizers"] = ["else/where", "sluice.dev/thaw"]
            return found

        async def merge(self, *arguments: Any, **_: Any) -> dict[str, Any]:
            self.bodies.append(arguments[2])
            return self.stored()

        def stored(self) -> dict[str, Any]:
            meta = {"name": "default", "namespace": "shop", "uid": "p-1", "resourceVersion": "7"}
            return {"metadata": meta, "spec": {"objectives": {"names": ["a"]}}}

    api = Restored()
    held = policy().model_copy(
        update={"metadata": policy().metadata.model_copy(update={"finalizers": [FINALIZER]})}
    )
    await writer(api).release(held)
    meta = {"uid": "p-1", "resourceVersion": "7", "finalizers": ["else/where"]}
    assert api.bodies == [{"metadata": meta}]
