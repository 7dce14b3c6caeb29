"""Names, labels and annotations of the objects that Sluice writes."""

import hashlib

MANAGER = "sluice"
"""The field manager of every server-side apply, and the value of `MANAGED_BY`."""

MANAGED_BY = "app.kubernetes.io/managed-by"
POLICY_UID = "sluice.dev/policy-uid"
POLICY = "sluice.dev/policy"
OBJECTIVE_UID = "sluice.dev/objective-uid"
OBJECTIVE = "sluice.dev/objective"
SOURCE = "sluice.dev/source"
EXPIRES = "sluice.dev/expires"
CONTENT_HASH = "sluice.dev/content-hash"
UNDO = "sluice.dev/undo"
"""The annotation of a workload that mirrors what Sluice changed on it."""

_LONGEST = 200
_DIGEST = 16


def gate_name(*, namespace: str, policy: str, shard: int, part: str = "") -> str:
    """The name of a policy's admission policy and binding, at most 200 characters.

    `part` tells those of its manual freezes of some workloads apart. A name without one ends in
    the shard, so that no policy can be named so that it has the gates of another one.
    """
    digest = hashlib.sha256(part.encode()).hexdigest()[:_DIGEST]
    tail = f"-{shard}-m{digest}" if part else f"-{shard}"
    return owned_name(namespace=namespace, name=policy, tail=tail)


def owned_name(*, namespace: str, name: str, tail: str = "") -> str:
    """The name of an object that is written for one in a namespace, at most 200 characters.

    A namespace has no dot, so the first dot ends it: `a-b` and `c` is not `a` and `b-c`. A name
    that had to be shortened starts with `sluice.` instead of `sluice-`, so that nothing can be
    named like another one's shortened form.
    """
    whole = f"sluice-{namespace}.{name}{tail}"
    if len(whole) <= _LONGEST:
        return whole
    digest = hashlib.sha256(f"{namespace}/{name}".encode()).hexdigest()[:_DIGEST]
    tail = f"-{digest}{tail}"
    head = f"sluice.{namespace}.{name}"[: _LONGEST - len(tail)]
    return head.rstrip("-.") + tail
