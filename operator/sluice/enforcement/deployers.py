"""What deploys a workload, and how it is asked to try again what a freeze denied.

Argo CD gives a commit up after a few tries, and a HelmRelease stalls; Flux' Kustomizations come
back by themselves, later. Who deploys a workload is written on it, where its team may write too: so
only what itself tells of a denial by the very policy is asked, and for what it tried before.
Source: Argo CD, "Resource Tracking", "Sync Applications with Kubectl" and "Automated Sync Policy";
Flux, "Kustomization" and "Helm Releases", section "Triggering a reconcile".
"""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

Object = Mapping[str, Any]

_FAILED = frozenset({"Failed", "Error"})
_REQUESTED_AT = "reconcile.fluxcd.io/requestedAt"
_RESET_AT = "reconcile.fluxcd.io/resetAt"
_TRACKING_ID = "argocd.argoproj.io/tracking-id"
_INSTANCE = "argocd.argoproj.io/instance"
_REFRESH = "argocd.argoproj.io/refresh"
_FLUX = {
    "Kustomization": "kustomize.toolkit.fluxcd.io",
    "HelmRelease": "helm.toolkit.fluxcd.io",
}


class Deployer(NamedTuple):
    """An object of a GitOps tool that deploys a workload; its namespace is empty if not told."""

    kind: str
    namespace: str
    name: str


def mark(namespace: str, policy: str) -> str:
    """What every denial by a policy says, of a freeze or a limit, wherever it is quoted."""
    return f"by ErrorBudgetPolicy {namespace}/{policy}:"


def deployers(workload: Object) -> Iterator[Deployer]:
    """What deploys a workload, as its labels and annotations tell."""
    metadata = workload["metadata"]
    labels, notes = metadata.get("labels") or {}, metadata.get("annotations") or {}
    for kind, group in _FLUX.items():
        if name := labels.get(f"{group}/name"):
            yield Deployer(kind, labels.get(f"{group}/namespace", ""), name)
    # `<application>:<group>/<kind>:<namespace>/<name>`, the tracked object; a copy names another.
    tracked = str(notes.get(_TRACKING_ID, "")).partition(":")[0] or labels.get(_INSTANCE, "")
    if tracked:
        yield Deployer("Application", "", tracked)


def request(found: Object, denied: str, token: str) -> dict[str, Any] | None:
    """A JSON merge patch that asks for what `denied` stopped; None if there is nothing to ask for.

    Args:
        found: the Application, Kustomization or HelmRelease as it is.
        denied: what the denials of the policy say, see `mark`.
        token: a text that was not used for a request before, such as the time.
    """
    asked = _sync(found, denied) if found["kind"] == "Application" else _flux(found, denied, token)
    if asked is None:
        return None
    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
    return {**asked, "metadata": {**asked.get("metadata", {}), **version}}


def _flux(found: Object, denied: str, token: str) -> dict[str, Any] | None:
    if (found.get("spec") or {}).get("suspend") or not _tells(found, denied):
        return None
    notes = {_REQUESTED_AT: token}
    if found["kind"] == "HelmRelease":
        notes[_RESET_AT] = token  # the same text: else it is not taken for a reset
    return {"metadata": {"annotations": notes}}


def _sync(found: Object, denied: str) -> dict[str, Any] | None:
    """The automated sync that failed once more; a person's is not repeated without that person."""
    if found.get("operation"):
        return None
    state = (found.get("status") or {}).get("operationState") or {}
    operation = state.get("operation") or {}
    automated = (operation.get("initiatedBy") or {}).get("automated")
    if state.get("phase") in _FAILED and automated and _quoted(state, denied):
        again = {key: operation[key] for key in ("sync", "retry") if key in operation}
        reason = {"name": "Reason", "value": "Sluice: the freeze that denied it has ended"}
        # Automated: sync windows hold for it as they did before.
        by = {"username": "sluice", "automated": True}
        return {"operation": {**again, "initiatedBy": by, "info": [reason]}}
    if _tells(found, denied):  # a comparison by server-side apply was denied
        return {"metadata": {"annotations": {_REFRESH: "normal"}}}
    return None


def _quoted(state: Object, denied: str) -> bool:
    resources = (state.get("syncResult") or {}).get("resources") or []
    texts = [state.get("message"), *(one.get("message") for one in resources)]
    return any(denied in str(text or "") for text in texts)


def _tells(found: Object, denied: str) -> bool:
    conditions = (found.get("status") or {}).get("conditions") or []
    return any(denied in str(one.get("message") or "") for one in conditions)
