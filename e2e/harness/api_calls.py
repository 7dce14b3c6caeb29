"""What a request to an API server is about, read from its method and URL.

Source: kubernetes.io/docs/reference/using-api/api-concepts, "Resource URIs".
"""

from dataclasses import dataclass

_WRITES = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_GENERATED = frozenset({"events", "selfsubjectreviews"})
"""Resources whose objects have other names each time."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request.

    Attributes:
        verb: as RBAC names it: get, list, watch, create, update, patch or delete.
        resource: the plural, and the subresource behind a slash if there is one.
        namespace: empty for what is the cluster's.
        name: empty for a collection, and where names are made up for each object.
    """

    verb: str
    resource: str
    namespace: str = ""
    name: str = ""

    @property
    def writes(self) -> bool:
        """Whether it would change something."""
        return self.verb in _WRITES.values()

    def __str__(self) -> str:
        return " ".join(part for part in (self.verb, self.resource, self.name) if part)


def call_of(method: str, path: str, *, watches: bool = False) -> Call:
    """The call that a request with `method` for `path` (without its query) is.

    `watches` says whether its query asks for a watch.
    """
    parts = path.strip("/").split("/")
    if parts[0] not in {"api", "apis"} or len(parts) < (about := 2 if parts[0] == "api" else 3) + 1:
        return Call(_WRITES.get(method, "get"), path)
    rest, namespace = parts[about:], ""
    if rest[0] == "namespaces" and len(rest) > 2:
        namespace, rest = rest[1], rest[2:]
    plural, name, subresource = (*rest[:3], "", "")[:3]
    verb = _WRITES.get(method) or ("watch" if watches else "get" if name else "list")
    resource = f"{plural}/{subresource}" if subresource else plural
    return Call(verb, resource, namespace, "" if plural in _GENERATED else name)
