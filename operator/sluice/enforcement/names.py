"""Names, labels and annotations of the cluster-scoped objects that Sluice writes."""

import hashlib

MANAGER = "sluice"
"""The field manager of every server-side apply, and the value of `MANAGED_BY`."""

MANAGED_BY = "app.kubernetes.io/managed-by"
POLICY_UID = "sluice.dev/policy-uid"
POLICY = "sluice.dev/policy"
EXPIRES = "sluice.dev/expires"
CONTENT_HASH = "sluice.dev/content-hash"
UNDO = "sluice.dev/undo"
"""The annotation of a workload that mirrors what Sluice changed on it."""

_LONGEST = 200
_DIGEST = 16


def gate_name(*, namespace: str, policy: str, shard: int) -> str:
    """The name of a policy's admission policy and binding, at most 200 characters.

    A namespace has no dot, so the first dot ends it: `a-b` and `c` is not `a` and `b-c`. A name
    that had to be shortened starts with `sluice.` instead of `sluice-`, so that no policy can be
    named like another one's shortened form.
    """
    name = f"sluice-{namespace}.{policy}-{shard}"
    if len(name) <= _LONGEST:
        return name
    digest = hashlib.sha256(f"{namespace}/{policy}".encode()).hexdigest()[:_DIGEST]
    tail = f"-{digest}-{shard}"
    head = f"sluice.{namespace}.{policy}"[: _LONGEST - len(tail)]
    return head.rstrip("-.") + tail
