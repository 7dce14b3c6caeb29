"""What the Secrets hold that a MetricSource refers to; read each time, never watched or kept."""

from sluice.api.reasons import Reason
from sluice.api.secrets import SecretKey
from sluice.api.source import MetricSourceSpec
from sluice.indicators.credentials import Secrets
from sluice.indicators.failure import Failure
from sluice.kube import secrets
from sluice.kube.api_server import ApiError, ApiServer

_FORBIDDEN = 403


async def read_secrets(
    api: ApiServer, declared: MetricSourceSpec, *, namespace: str
) -> Secrets | Failure:
    """What the entries hold that `declared` refers to.

    Args:
        api: where the Secrets are.
        declared: the source.
        namespace: the only one that Secrets are read from, the controller's own.

    Returns:
        The contents; or a failure `SecretNotFound` or `SecretForbidden`. They show no content.

    Raises:
        ApiError: the API server cannot tell.
    """
    found: dict[SecretKey, bytes] = {}
    for name in dict.fromkeys(reference.name for reference in declared.secrets()):
        where = f"Secret {namespace}/{name}"
        try:
            held = await secrets.read(api, name, namespace=namespace)
        except ApiError as error:
            if error.status != _FORBIDDEN:
                raise
            message = f"{where} may not be read: let the controller's ServiceAccount get it"
            return Failure(Reason.SECRET_FORBIDDEN, message)
        if held is None:
            message = f"{where} is not there: create it in the controller's namespace"
            return Failure(Reason.SECRET_NOT_FOUND, message)
        for reference in declared.secrets():
            if reference.name != name:
                continue
            if reference.key not in held:
                keys = ", ".join(sorted(held)) or "none"
                message = f"{where} has no key {reference.key!r}; its keys: {keys}"
                return Failure(Reason.SECRET_NOT_FOUND, message)
            found[reference] = held[reference.key]
    return found
