"""An API server in memory that answers the reads of the command line, and what may not be read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from sluice.kube.api_server import ApiError
from sluice.kube.resources import Resource

Object = dict[str, Any]


class ApiInMemory:
    """Objects by resource and name; `forbidden` holds plurals that may not be read or written."""

    def __init__(self, *, user: str = "ann") -> None:
        self.user = user
        self.objects: dict[tuple[str, str], Object] = {}
        self.forbidden: set[str] = set()
        self.unknown: set[str] = set()
        self.created: list[tuple[Resource, Object, bool]] = []
        self.changed: list[Object] = []
        self.refusal: ApiError | None = None
        self.granted = True

    def put(self, resource: Resource, *bodies: Object) -> "ApiInMemory":
        for body in bodies:
            self.objects[resource.plural, body["metadata"]["name"]] = body
        return self

    async def list(
        self, resource: Resource, *, namespace: str | None = None, **_: Any
    ) -> AsyncIterator[Object]:
        self._ask(resource)
        for (plural, _name), body in list(self.objects.items()):
            if plural == resource.plural and namespace in {None, body["metadata"]["namespace"]}:
                yield body

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None
    ) -> Object | None:
        self._ask(resource)
        found = self.objects.get((resource.plural, name))
        return found if found and namespace in {None, found["metadata"]["namespace"]} else None

    async def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        dry_run: bool = False,
    ) -> Object:
        if resource.plural == "selfsubjectreviews":
            return {"status": {"userInfo": {"username": self.user}}}
        if resource.plural == "selfsubjectaccessreviews":
            return {"status": {"allowed": self.granted}}
        self._ask(resource)
        self.created.append((resource, body, dry_run))
        name = body["metadata"].get("name") or f"{body['metadata']['generateName']}x7f2k"
        return {**body, "metadata": {**body["metadata"], "name": name, "namespace": namespace}}

    async def apply(self, resource: Resource, body: Object, **_: Any) -> Object:
        return self._change(resource, body)

    async def merge(self, resource: Resource, name: str, body: Object, **_: Any) -> Object:
        return self._change(resource, {"metadata": {"name": name}, **body})

    def _change(self, resource: Resource, body: Object) -> Object:
        self._ask(resource)
        self.changed.append(body)
        if self.refusal is not None:
            raise self.refusal
        return body

    def _ask(self, resource: Resource) -> None:
        if resource.plural in self.forbidden:
            text = f'GET /: User "{self.user}" cannot list resource "{resource.plural}"'
            raise ApiError(status=403, reason="Forbidden", message=text)
        if resource.plural in self.unknown:
            raise ApiError(status=404, reason="NotFound", message="GET /: page not found")

    def with_api(self, work: Callable[[Any], Any], **_: Any) -> Any:
        return asyncio.run(work(self))

    def serve(self, monkeypatch: pytest.MonkeyPatch, *modules: Any) -> None:
        """Answer the commands in these modules."""
        for module in modules:
            monkeypatch.setattr(module, "with_api", self.with_api)
