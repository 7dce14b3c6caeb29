"""AdmissionReview in, AdmissionReview out.

A denial is always 403 Forbidden: other codes make Flux and `kubectl --force` delete the object and
create it again. Source: Kubernetes, "Dynamic Admission Control", admission.k8s.io/v1.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sluice.gate import kinds
from sluice.gate.memory import Memory
from sluice.policy.admission import Change, State, Verdict

_FORBIDDEN = 403
_JUDGED = {"CREATE", "UPDATE"}


@dataclass(frozen=True, slots=True)
class Asked:
    """What the API server asks about.

    Attributes:
        change: The change to judge.
        owner: The uid of the workload whose revisions it may go back to; empty for any.
    """

    change: Change
    owner: str


def asked(request: Mapping[str, Any], memory: Memory) -> Asked | None:
    """The change that a review's `request` is about; None if it is nothing that is judged.

    Raises:
        KeyError, TypeError, AttributeError: the request makes no sense.
    """
    group, kind = request["kind"]["group"], request["kind"]["kind"]
    creates = request["operation"] == "CREATE"
    if request.get("subResource") or request["operation"] not in _JUDGED:
        return None
    starts = kinds.starts_deployment(kind)
    if not kinds.is_governable(group, kind) or (starts and not creates):
        return None
    body = request["object"]
    if kind == kinds.JOB and not kinds.is_hook(body):
        return None
    metadata, namespace = body["metadata"], request["namespace"]
    # The name of an object with `generateName` is not made yet.
    name = metadata.get("name") or str(metadata.get("generateName", "")).rstrip("-")
    before = None if creates else _state(kind, request["oldObject"])
    change = Change(
        kind=kind,
        namespace=namespace,
        name=name,
        user=str(request["userInfo"].get("username", "")),
        after=_state(kind, body),
        before=before,
        deleting=bool(metadata.get("deletionTimestamp")),
        starts=starts,
        recreated=creates and not starts and memory.was_deleted(kind, (namespace, name)),
        also_called=_also_called(kind, body),
    )
    return Asked(change, "" if starts else str(metadata.get("uid", "")))


def _state(kind: str, body: Mapping[str, Any]) -> State:
    # A hook's Job is judged by what it runs, a promotion by the fact that it is one.
    deploys = None if kind == kinds.PROMOTION else kinds.deploys(body)
    return State(
        labels=kinds.labels_of(kind, body),
        controlled=kinds.is_controlled(body),
        deploys=deploys,
        annotations=body["metadata"].get("annotations") or {},
    )


def _also_called(kind: str, body: Mapping[str, Any]) -> tuple[str, ...]:
    stage = (body.get("spec") or {}).get("stage") if kind == kinds.PROMOTION else None
    return () if stage is None else (str(stage),)


def answer(uid: str, verdict: Verdict | None) -> dict[str, Any]:
    """The review that goes back; without a verdict the change passes and nothing is said."""
    response: dict[str, Any] = {"uid": uid, "allowed": verdict is None or verdict.allowed}
    if verdict is not None:
        if not verdict.allowed:
            response["status"] = {
                "status": "Failure",
                "code": _FORBIDDEN,
                "reason": "Forbidden",
                "message": verdict.message,
            }
        if verdict.warnings:
            response["warnings"] = list(verdict.warnings)
        if verdict.annotations:
            response["auditAnnotations"] = verdict.annotations
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": response,
    }
