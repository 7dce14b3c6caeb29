"""How the API server is reached by a kubeconfig."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from sluice.kube.connection import NoClusterError, configuration


def kubeconfig(directory: Path, **user: Any) -> Path:
    """Two contexts, the current one of a user with these fields."""
    path = directory / "config"
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "odd",
        "clusters": [{"name": "c", "cluster": {"server": "https://cluster.example:6443"}}],
        "contexts": [
            {"name": name, "context": {"cluster": "c", "user": name}} for name in ("odd", "plain")
        ],
        "users": [
            {"name": "odd", "user": {"token": "t0ken", **user}},
            {"name": "plain", "user": {"token": "t0ken"}},
        ],
    }
    path.write_text(yaml.safe_dump(content))
    return path


@pytest.mark.parametrize(
    ("user", "named"),
    [
        ({"as": "alice"}, "as"),
        ({"as": "alice", "as-groups": ["on-call"]}, "as, as-groups"),
        ({"as-uid": "7", "as-user-extra": {"reason": ["x"]}}, "as-uid, as-user-extra"),
    ],
)
async def test_who_would_be_impersonated_is_not_acted_for_as_somebody_else(
    tmp_path: Path, user: dict[str, Any], named: str
) -> None:
    path = kubeconfig(tmp_path, **user)
    with pytest.raises(NoClusterError) as refused:
        await configuration(kubeconfig=path)
    assert str(refused.value) == (
        f"{path}: the user of context 'odd' impersonates somebody ({named}), which Sluice cannot: "
        "it would act as the user itself. Use --context to name a context whose user does not."
    )
    assert (await configuration(kubeconfig=path, context="plain")).host == (
        "https://cluster.example:6443"
    )


@pytest.mark.parametrize("user", [{}, {"as": ""}, {"as-groups": []}])
async def test_a_user_who_impersonates_nobody_is_taken(
    tmp_path: Path, user: dict[str, Any]
) -> None:
    found = await configuration(kubeconfig=kubeconfig(tmp_path, **user))
    assert found.api_key == {"BearerToken": "Bearer t0ken"}
