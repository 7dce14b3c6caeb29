"""What the user may see of a cluster: a right that is missing is told, and the rest goes on."""

from dataclasses import dataclass
from typing import Any

from sluice.kube.api_server import ApiError, ApiServer
from sluice.kube.resources import Resource

Object = dict[str, Any]
_FORBIDDEN = 403


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be read, and why; `forbidden` if a right is missing for it."""

    problem: str
    forbidden: bool = False


class Reader:
    """Reads with the user's own rights, and remembers what could not be read."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self.problems: list[str] = []

    async def list(
        self,
        resource: Resource,
        namespace: str | None,
        *,
        metadata_only: bool = False,
        optional: bool = False,
    ) -> list[Object] | Unread:
        """All objects of `namespace` (of all if None); of an `optional` kind nothing is missed."""
        kind = {"apiVersion": resource.api_version, "kind": resource.kind}
        try:
            found = self._api.list(resource, namespace=namespace, metadata_only=metadata_only)
            return [{**item, **kind} async for item in found]
        except ApiError as error:
            return self._unread(error, "list", resource, namespace, note=not optional)

    async def get(
        self, resource: Resource, name: str, namespace: str, *, optional: bool = False
    ) -> Object | Unread | None:
        """An object; None if there is none."""
        try:
            return await self._api.get(resource, name, namespace=namespace)
        except ApiError as error:
            return self._unread(error, "get", resource, namespace, note=not optional)

    def _unread(
        self, error: ApiError, verb: str, resource: Resource, namespace: str | None, *, note: bool
    ) -> Unread:
        problem = problem_of(error, verb, resource, namespace)
        if note and problem not in self.problems:
            self.problems.append(problem)
        return Unread(problem, forbidden=error.status == _FORBIDDEN)


def problem_of(error: ApiError, verb: str, resource: Resource, namespace: str | None) -> str:
    """Why a request failed, for who has to do something about it: the verb, on what, where."""
    what = f"{resource.plural}.{resource.group}" if resource.group else resource.plural
    where = "in all namespaces" if namespace is None else f"in namespace {namespace}"
    if error.status == _FORBIDDEN:
        instead = "; or name one by --namespace" if namespace is None else ""
        return f"missing right: {verb} {what} {where}: ask for it{instead}"
    if error.not_found:
        return f"the cluster does not know {what}: is Sluice installed in it?"
    return error.message
