"""How a kind is told to hold its rollouts, or its chaos: one field with one value.

A field is named by its path, such as `spec.paused`, and its value is JSON text, `null` for none.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NONE = "null"


@dataclass(frozen=True, slots=True)
class Hold:
    """One field, of the spec or an annotation, that holds what a kind does.

    Attributes:
        path: where the field is.
        value: what holds, as a JSON value.
        unset: the value that is the same as none, because leaving the field out gives it.
        takes_over: whether a value that an update left there may be replaced, to be restored later.
            Where the API server fills a field in, it counts as set by whoever created the object,
            so that it tells nothing of a wish; only what is declared by server-side apply does.
        restores: whether a JSON value can be set again after it was replaced.
    """

    path: tuple[str, ...]
    value: Any
    unset: Any
    takes_over: bool
    restores: Callable[[Any], bool]

    @property
    def field(self) -> str:
        """The field's name in undo records."""
        if self.path[:-1] == ("metadata", "annotations"):
            return f"metadata.annotations[{self.path[-1]}]"
        return ".".join(self.path)

    @property
    def text(self) -> str:
        """What holds, as JSON text."""
        return json.dumps(self.value)

    def read(self, live: Mapping[str, Any]) -> str:
        """The field of an object as JSON text; `null` for none and for what is the same."""
        found: Any = live
        for key in self.path:
            found = found.get(key) if isinstance(found, Mapping) else None
        return NONE if found is None or found == self.unset else json.dumps(found)

    def restorable(self, previous: str) -> str:
        """`previous` if that is the text of a value that can be set again, else `null`.

        It may come from an annotation, which whoever may edit the workload may edit.
        """
        try:
            found = json.loads(previous)
        except ValueError:
            return NONE
        return previous if self.restores(found) else NONE

    def owned_by(self, managed: Any) -> bool:
        """Whether a field manager's FieldsV1 tells that it owns the field."""
        return any(managed_key == "f:" + self.path[-1] for managed_key in self._keys(managed))

    def _keys(self, managed: Any) -> Iterator[str]:
        found = managed
        for key in self.path[:-1]:
            found = found.get(f"f:{key}") if isinstance(found, Mapping) else None
        yield from found if isinstance(found, Mapping) else ()

    def put(self, body: dict[str, Any], text: str) -> None:
        """Set the field in a manifest or a patch."""
        for key in self.path[:-1]:
            body = body.setdefault(key, {})
        body[self.path[-1]] = json.loads(text)


def nothing(value: Any) -> bool:
    """That no value is to be set again: leaving the field out gives it."""
    del value
    return False
