"""A Kubernetes cluster to test with, whoever provides it."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from e2e.harness.client import Kubectl
from e2e.harness.kubeconfig import Token, write_kubeconfig
from e2e.harness.local import LocalControlPlane

RUN_LABEL = "e2e.sluice.dev/run"


class ForeignObjectError(RuntimeError):
    """An object that a test wants to write was there before, in a cluster that is not ours."""


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """A running control plane.

    Attributes:
        provider: who provides it: `existing`, `assets`, `kind` or `built`.
        kubeconfig: the administrator's kubeconfig.
        server: the API server's URL.
        directory: for scratch files; gone afterwards.
        run: the value of the label `e2e.sluice.dev/run` on what tests create.
        rolls_out: whether a Deployment's pods become Ready.
        kubectl: runs kubectl as the administrator: `kubectl("get", "pods")`.
    """

    provider: str
    kubeconfig: Path
    server: str
    directory: Path
    run: str
    rolls_out: bool
    kubectl: Kubectl
    local: LocalControlPlane | None = None

    @property
    def logs(self) -> Path | None:
        """The directory of the components' logs, where we own them."""
        return self.directory / "logs" if self.local else None

    def apply(self, *documents: str | Mapping[str, Any]) -> None:
        """Apply manifests (YAML text or objects), labelled as this run's.

        Raises:
            ForeignObjectError: in a cluster that is not ours, when one of them is there already and
                is not this run's: cleaning up would delete someone's object.
        """
        objects = [dict(item) for document in documents for item in _objects(document)]
        for item in objects:
            metadata = dict(item.get("metadata") or {})
            metadata["labels"] = {**(metadata.get("labels") or {}), RUN_LABEL: self.run}
            item["metadata"] = metadata
        if self.provider == "existing":
            self._refuse_foreign(objects)
        text = yaml.safe_dump_all(objects)
        self.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=text)

    @contextmanager
    def namespace(self, name: str) -> Iterator[str]:
        """A namespace called after `name`, deleted afterwards without waiting for it."""
        unique = f"{name}-{self.run}" if self.provider == "existing" else name
        self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": unique}})
        try:
            yield unique
        finally:
            self.kubectl("delete", "namespace", unique, "--wait=false", "--ignore-not-found")

    def service_account_kubeconfig(
        self, namespace: str, name: str, *, duration: str = "1h"
    ) -> Path:
        """A kubeconfig with a token of a ServiceAccount, to act as it from outside the cluster."""
        token = self.kubectl("-n", namespace, "create", "token", name, f"--duration={duration}")
        view = self.kubectl.json("config", "view", "--raw", "--minify", "--flatten")
        return write_kubeconfig(
            self.directory / f"{namespace}-{name}.kubeconfig",
            cluster=view["clusters"][0]["cluster"],
            credentials=Token(token.stdout.strip()),
            user=f"system:serviceaccount:{namespace}:{name}",
            namespace=namespace,
        )

    def stop_api_server(self, *, grace: float = 0.0) -> None:
        """Stop the API server: at once, or after `grace` seconds to end by itself.

        It refuses new connections at once, but serves the open ones on while clients watch, for up
        to a minute.
        """
        self._owned().stop_api_server(grace=grace)

    def start_api_server(self) -> None:
        """Start the API server again, with what it stored, and wait until it is ready."""
        self._owned().start_api_server()

    def stop_etcd(self) -> None:
        """Kill etcd; the API server goes on without it."""
        self._owned().stop_etcd()

    def start_etcd(self) -> None:
        """Start etcd again, with what it stored, and wait until the API server is ready."""
        self._owned().start_etcd()

    def _owned(self) -> LocalControlPlane:
        if self.local is None:
            raise RuntimeError(f"the API server of provider {self.provider} is not ours to stop")
        return self.local

    def _refuse_foreign(self, objects: list[dict[str, Any]]) -> None:
        for item in objects:  # one by one: a kind that is not there yet fails the whole request
            found = self.kubectl(
                *("get", "--ignore-not-found", "-o", "json", "-f", "-"),
                input=yaml.safe_dump(item),
                check=False,
            )
            answer = json.loads(found.stdout) if found.stdout.strip() else {"items": []}
            for live in answer.get("items", [answer]):  # one object comes without a list
                if live["metadata"].get("labels", {}).get(RUN_LABEL) != self.run:
                    name = f"{live['kind']} {live['metadata']['name']}"
                    raise ForeignObjectError(f"{name} was there before this run")


def _objects(document: str | Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    if isinstance(document, Mapping):
        return [document]
    return [item for item in yaml.safe_load_all(document) if item]
