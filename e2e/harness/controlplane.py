"""The one entry: a control plane from the first provider that has one."""

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from e2e.harness.cluster import ControlPlane
from e2e.harness.errors import NoControlPlane, RefusedError, UnavailableError
from e2e.harness.processes import scope
from e2e.harness.providers import PROVIDERS, Request


@contextmanager
def control_plane(
    *, api_server_flags: Sequence[str] = (), keep_logs: Path | None = None
) -> Iterator[ControlPlane]:
    """A Kubernetes control plane for as long as the `with` block runs.

    Tried in this order: an existing cluster (`SLUICE_TEST_KUBECONFIG`), the programs in
    `KUBEBUILDER_ASSETS`, kind, a control plane built from source with Go.

    Args:
        api_server_flags: further flags of kube-apiserver, for the providers that start one.
        keep_logs: a directory to copy the components' logs into at the end.

    Raises:
        NoControlPlane: with the reason of every provider that was tried.
    """
    reasons: list[tuple[str, str]] = []
    with ExitStack() as stack:
        directory = stack.enter_context(scope("sluice-controlplane-", keep_logs=keep_logs))
        # A letter first: kubectl reads a label such as 8e104217 as a number.
        run = f"r{secrets.token_hex(4)}"
        request = Request(directory, run, tuple(api_server_flags))
        for name, provider in PROVIDERS:
            try:
                plane = stack.enter_context(provider(request))
            except UnavailableError as error:
                reasons.append((name, str(error)))
                if isinstance(error, RefusedError):
                    break
                continue
            yield plane
            return
    raise NoControlPlane(reasons)
