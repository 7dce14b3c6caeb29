"""The reference of the chart's values, from the comments in values.yaml."""

import json
import re
from collections.abc import Iterator
from typing import Any

import yaml

_HEAD = """\
# Values of the chart

Made from the comments in [values.yaml](../../deploy/helm/sluice/values.yaml); what is not in
[values.schema.json](../../deploy/helm/sluice/values.schema.json) is refused by Helm. `<release>`
is the release's name, with `-sluice` behind it where it does not contain `sluice`.

| value | default | what |
|---|---|---|
"""
WHOLE = frozenset({"resources", "labels"})
"""Values that are set as a whole although their default has several parts."""
_KEY = re.compile(r"( *)([A-Za-z][A-Za-z0-9]*):")


def commented(text: str) -> Iterator[tuple[tuple[str, ...], str]]:
    """Each value that has a comment directly above it, by its path, with the comment."""
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("#"):
            comment.append(line.lstrip().removeprefix("#").strip())
            continue
        if found := _KEY.match(line):
            path[len(found[1]) // 2 :] = [found[2]]
            if comment:
                yield tuple(path), " ".join(comment)
        comment = []


def reference(text: str) -> str:
    """The page, as Markdown."""
    values = yaml.safe_load(text)
    rows = (
        f"| `{'.'.join(path)}` | {_default(values, path)} | {_cell(about)} |"
        for path, about in commented(text)
    )
    return _HEAD + "\n".join(rows) + "\n"


def _default(values: Any, path: tuple[str, ...]) -> str:
    for name in path:
        values = values[name]
    inner = isinstance(values, dict) and bool(values) and path[-1] not in WHOLE
    return "" if inner else f"`{json.dumps(values)}`"


def _cell(text: str) -> str:
    parts = text.replace("|", r"\|").split("`")
    # What is in code is shown as it is; elsewhere a `<` would begin a tag.
    parts[::2] = [part.replace("<", "&lt;") for part in parts[::2]]
    return "`".join(parts)
