"""To what an override is pinned, read from the manifests of the change that is to pass."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sluice.cli.check_files import Finding, read_all


@dataclass(frozen=True, slots=True)
class Pin:
    """What the workloads of some manifests are called and run, each once, in their order."""

    workloads: tuple[str, ...]
    images: tuple[str, ...]


def pin(files: Iterable[str], stdin: Callable[[], bytes]) -> Pin | Finding:
    """The pin to the workloads in `files`, or what is to be corrected first.

    What has no pod template, such as a Service beside the workload, says nothing.

    Args:
        files: files, directories or `-`, as `kubectl apply -f` takes them.
        stdin: reads standard input.
    """
    names: dict[str, None] = {}
    images: dict[str, None] = {}
    for found in read_all(files, stdin):
        if isinstance(found, Finding):
            return found
        template = _template(found.body)
        if template is None:
            continue
        name = _member(found.body, "metadata").get("name")
        run = _images(template)
        if not isinstance(name, str) or not run or not all(isinstance(one, str) for one in run):
            return Finding(found.where, "a workload needs metadata.name and containers with image")
        names[name] = None
        images |= dict.fromkeys(run)
    if not images:
        return Finding(", ".join(files), "there is no workload in it: no object has spec.template")
    return Pin(tuple(names), tuple(images))


def _template(body: Any) -> Mapping[str, Any] | None:
    return _member(_member(body, "spec"), "template") or None


def _images(template: Mapping[str, Any]) -> list[Any]:
    spec = _member(template, "spec")
    containers = [*(spec.get("initContainers") or []), *(spec.get("containers") or [])]
    return [one.get("image") if isinstance(one, Mapping) else None for one in containers]


def _member(body: Any, key: str) -> Mapping[str, Any]:
    found = body.get(key) if isinstance(body, Mapping) else None
    return found if isinstance(found, Mapping) else {}
