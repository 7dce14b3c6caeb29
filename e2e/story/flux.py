"""Flux' own kustomize-controller, and a source that it applies from.

The source controller does not run: the test puts into the source's status what it would find.
Source: Flux, "OCIRepository", section "Artifact".
"""

import hashlib
import io
import itertools
import json
import os
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from e2e.harness import Daemon
from e2e.harness.gotools import FLUX, NoGoError, built
from e2e.harness.ports import free_port
from e2e.harness.serving import served
from e2e.stack import Stack
from e2e.story.manifests import Object
from e2e.story.team import Team

LABEL = "e2e/flux"
"""Of the Kustomizations that Flux is to see; others are for tests without it."""

_NAME = "shop"
_FETCHED_AT = "2026-08-20T10:00:00Z"


def start(stack: Stack, kubeconfig: Path) -> Daemon:
    """Start kustomize-controller in a control plane."""
    try:
        program = built(FLUX)
    except NoGoError as reason:
        pytest.skip(str(reason))
    addresses = [f"--{name}-addr=127.0.0.1:{free_port()}" for name in ("metrics", "health")]
    environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "RUNTIME_NAMESPACE": "default"}
    return stack.processes.start(
        "kustomize-controller",
        [program, f"--watch-label-selector={LABEL}=on", *addresses],
        env=environment,
    )


@dataclass(frozen=True)
class Repository:
    """An OCIRepository in a team's namespace; every `push` is a revision of it."""

    team: Team
    address: str
    artifacts: dict[str, bytes]
    numbers: Iterator[int] = field(default_factory=itertools.count)

    def push(self, *objects: Object) -> str:
        """Publish manifests as the newest revision; its name."""
        content = _packed(objects)
        digest = hashlib.sha256(content).hexdigest()
        path = f"/{digest}.tar.gz"
        self.artifacts[path] = content
        revision = f"v{next(self.numbers)}@sha256:{digest}"
        found = self.team.get("ocirepository", _NAME)["metadata"]["generation"]
        ready = {
            "type": "Ready",
            "status": "True",
            "reason": "Succeeded",
            "message": "stored artifact",
            "observedGeneration": found,
            "lastTransitionTime": _FETCHED_AT,
        }
        artifact = {
            "url": f"http://{self.address}{path}",
            "path": path,
            "revision": revision,
            "digest": f"sha256:{digest}",
            "size": len(content),
            "lastUpdateTime": _FETCHED_AT,
        }
        status = {"observedGeneration": found, "conditions": [ready], "artifact": artifact}
        patch = ("--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))
        self.team.kubectl("patch", "ocirepository", _NAME, *patch)
        return revision


@contextmanager
def repository(team: Team) -> Iterator[Repository]:
    """An OCIRepository without a revision yet."""
    artifacts: dict[str, bytes] = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = artifacts.get(self.path)
            self.send_response(200 if content is not None else 404)
            self.end_headers()
            self.wfile.write(content or b"")

        def log_message(self, *_: object) -> None:
            """What is fetched is told by Flux itself."""

    team.apply(
        {
            "apiVersion": "source.toolkit.fluxcd.io/v1",
            "kind": "OCIRepository",
            "metadata": {"name": _NAME},
            "spec": {"interval": "1h", "url": "oci://registry.invalid/shop"},
        }
    )
    with served(Handler) as address:
        yield Repository(team, address, artifacts)


def _packed(objects: tuple[Object, ...]) -> bytes:
    text = json.dumps({"apiVersion": "v1", "kind": "List", "items": list(objects)}).encode()
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        entry = tarfile.TarInfo("manifests.yaml")
        entry.size = len(text)
        archive.addfile(entry, io.BytesIO(text))
    return packed.getvalue()
