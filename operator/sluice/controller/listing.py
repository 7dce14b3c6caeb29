"""Objects of a namespace as manifests can be made from them."""

from collections.abc import AsyncIterator, Mapping
from typing import Any

from sluice.kube.api_server import ApiServer
from sluice.kube.resources import Resource


async def listed(
    api: ApiServer, resource: Resource, namespace: str
) -> AsyncIterator[Mapping[str, Any]]:
    """The objects with their kind, which a list's items do not carry. Raises `ApiError`."""
    kind = {"apiVersion": resource.api_version, "kind": resource.kind}
    async for item in api.list(resource, namespace=namespace):
        yield {**kind, **item}
