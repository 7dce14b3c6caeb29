"""What only the API server knows: the defaults of a manifest, and what its gates say to a change.

Both are dry-runs: nothing is stored.
"""

from typing import Any

from sluice.cli.explain_change import UnusableChangeError
from sluice.cli.explain_model import ServerAnswer
from sluice.cli.reader import problem_of
from sluice.cli.workload_name import WorkloadName
from sluice.kube.api_server import ApiError, ApiServer

Object = dict[str, Any]

MANAGER = "kubectl-sluice"
_FORBIDDEN = 403
_FROZEN = ("denied request: FROZEN", "denied the request: FROZEN")


async def defaulted(api: ApiServer, workload: WorkloadName, manifest: Object) -> Object:
    """A manifest with the defaults of the API server filled in.

    Templates are equal or not only with these. They are had by a dry-run that creates the workload
    under another name, for creating passes a freeze.

    Raises:
        UnusableChangeError: the manifest is refused, or a right is missing.
    """
    metadata = manifest.get("metadata") or {}
    kept = {key: metadata[key] for key in ("labels", "annotations") if key in metadata}
    body = {
        "apiVersion": manifest.get("apiVersion") or workload.resource.api_version,
        "metadata": {**kept, "generateName": "sluice-explain-", "namespace": workload.namespace},
        "spec": manifest.get("spec") or {},
    }
    try:
        return await api.create(workload.resource, body, namespace=workload.namespace, dry_run=True)
    except ApiError as error:
        if _lacks_right(error):
            problem = problem_of(error, "create", workload.resource, workload.namespace)
            text = f"{problem} (a dry-run fills in the manifest's defaults), or use --image"
            raise UnusableChangeError(text) from error
        raise UnusableChangeError(f"the manifest is refused: {error.message}") from error


async def try_out(
    api: ApiServer,
    workload: WorkloadName,
    *,
    changed: Object | None = None,
    manifest: Object | None = None,
) -> ServerAnswer:
    """What the API server says to a change, of the template or by applying a manifest."""
    try:
        if manifest is not None:
            await _apply(api, workload, manifest)
        else:
            await _patch(api, workload, changed or {})
    except ApiError as error:
        return _refusal(error, workload)
    return ServerAnswer(outcome="Allowed", message="")


async def _apply(api: ApiServer, workload: WorkloadName, manifest: Object) -> None:
    metadata = {
        **(manifest.get("metadata") or {}),
        "name": workload.name,
        "namespace": workload.namespace,
    }
    body = {**manifest, "metadata": metadata}
    await api.apply(workload.resource, body, manager=MANAGER, dry_run=True)


async def _patch(api: ApiServer, workload: WorkloadName, changed: Object) -> None:
    pod = changed["spec"]["template"]["spec"]
    groups = {key: pod[key] for key in ("initContainers", "containers") if pod.get(key)}
    await api.merge(
        workload.resource,
        workload.name,
        {"spec": {"template": {"spec": groups}}},
        namespace=workload.namespace,
        manager=MANAGER,
        dry_run=True,
    )


def _refusal(error: ApiError, workload: WorkloadName) -> ServerAnswer:
    frozen = error.status == _FORBIDDEN and any(text in error.message for text in _FROZEN)
    if frozen:
        return ServerAnswer(outcome="Denied", message=error.message)
    if _lacks_right(error):
        problem = problem_of(error, "patch", workload.resource, workload.namespace)
        return ServerAnswer(outcome="Unknown", message=problem)
    return ServerAnswer(outcome="Unknown", message=f"refused, not by a freeze: {error.message}")


def _lacks_right(error: ApiError) -> bool:
    """Whether the authorizer refused, not admission. Source: `responsewriters.Forbidden`."""
    return error.status == _FORBIDDEN and '" cannot ' in error.message
