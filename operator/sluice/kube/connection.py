"""How to reach the API server: from inside the cluster, or by a kubeconfig.

kopf and the client each want the same facts in their own form; both are made from one
configuration, so that they can't disagree.
"""

import os
from pathlib import Path
from typing import Any

import kopf
from kubernetes.aio import client, config

_IMPERSONATION = ("as", "as-uid", "as-groups", "as-user-extra")
"""Fields of a kubeconfig's user. Source: client-go, `clientcmd/api/v1.AuthInfo`."""


class NoClusterError(Exception):
    """There is no usable way to reach an API server; the message says what was tried."""


async def configuration(
    *, kubeconfig: Path | None = None, context: str | None = None
) -> client.Configuration:
    """The client's configuration: `kubeconfig` if given, else the pod's, else KUBECONFIG's.

    Raises:
        NoClusterError: none of them is usable, or its user impersonates somebody: neither of the
            clients can do that.
    """
    where = kubeconfig or os.environ.get("KUBECONFIG", "~/.kube/config")
    found = client.Configuration()
    in_cluster = "KUBERNETES_SERVICE_HOST" in os.environ
    try:
        if kubeconfig is None and context is None and in_cluster:
            config.load_incluster_config(client_configuration=found)
        else:
            loader = await config.load_kube_config(
                config_file=str(kubeconfig) if kubeconfig else None,
                context=context,
                client_configuration=found,
                persist_config=False,
            )
            _refuse_impersonation(loader, where)
    except (config.ConfigException, OSError, ValueError) as error:
        raise NoClusterError(
            f"no Kubernetes cluster: not running in a pod, and {where} is not usable ({error}). "
            "Set --kubeconfig or KUBECONFIG."
        ) from error
    return found


def _refuse_impersonation(loader: Any, where: object) -> None:
    user = loader._user  # noqa: SLF001 - which user a merged kubeconfig chose is told nowhere else
    named = [name for name in _IMPERSONATION if user is not None and user.safe_get(name)]
    if named:
        raise NoClusterError(
            f"{where}: the user of context {loader.current_context['name']!r} impersonates "
            f"somebody ({', '.join(named)}), which Sluice cannot: it would act as the user itself. "
            "Use --context to name a context whose user does not."
        )


def kopf_connection(found: client.Configuration) -> kopf.ConnectionInfo:
    """The same connection for kopf's own HTTP session, with the token as it is now."""
    if found.refresh_api_key_hook is not None:
        found.refresh_api_key_hook(found)
    token = found.api_key.get("BearerToken", "")
    scheme, _, credential = token.partition(" ")
    return kopf.ConnectionInfo(
        server=found.host,
        ca_path=found.ssl_ca_cert,
        insecure=not found.verify_ssl,
        username=found.username,
        password=found.password,
        scheme=scheme.capitalize() if credential else None,
        token=credential or token or None,
        certificate_path=found.cert_file,
        private_key_path=found.key_file,
    )


def current_namespace(*, kubeconfig: Path | None = None, context: str | None = None) -> str:
    """The namespace that the kubeconfig's context names; `default` where it names none."""
    try:
        contexts, active = config.list_kube_config_contexts(str(kubeconfig) if kubeconfig else None)
    except (config.ConfigException, OSError, ValueError):
        return "default"
    chosen = next((c for c in contexts if c["name"] == context), active)
    return str(chosen.get("context", {}).get("namespace") or "default")
