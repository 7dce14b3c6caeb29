"""Reads Secrets by name, one at a time: the right to list them is not needed and not asked for."""

import base64
from collections.abc import Mapping

from sluice.kube.api_server import ApiServer
from sluice.kube.resources import SECRETS


async def read(api: ApiServer, name: str, *, namespace: str) -> Mapping[str, bytes] | None:
    """What the Secret holds, by key; None if there is none. Raises `ApiError`."""
    found = await api.get(SECRETS, name, namespace=namespace)
    if found is None:
        return None
    return {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
