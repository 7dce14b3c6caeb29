"""What `spec.suspend: true` stops: Flux' Kustomizations and HelmReleases, and CronJobs.

A suspended Kustomization or HelmRelease applies no new revision, corrects no drift and prunes
nothing; what it has applied runs on. A suspended CronJob starts no Jobs; those that run go on.
The API server fills the field of a CronJob in, the CRDs of Flux do not.
Source: Flux, "Kustomization" and "Helm Releases", section "Suspend"; Kubernetes, "CronJob", section
"Schedule suspension".
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from sluice.api import GROUP
from sluice.enforcement.hold import Hold, nothing
from sluice.enforcement.kind import HeldKind, Object, always
from sluice.policy.own import Installation

_SUSPEND = Hold(
    path=("spec", "suspend"), value=True, unset=False, takes_over=False, restores=nothing
)
_IDENTIFIER = 4
"""Parts of an inventory's entry: namespace, name, group and kind, with `_` between them."""


@dataclass(frozen=True, slots=True)
class SuspendedKind(HeldKind):
    """A kind whose `spec.suspend` stops it.

    Attributes:
        deploys: whether it brings changes into the cluster, so that suspending it stops a fix.
    """

    deploys: bool


KUSTOMIZATION = SuspendedKind(
    name="Kustomization", plural="kustomizations", hold=_SUSPEND, holdable=always, deploys=True
)
HELM_RELEASE = SuspendedKind(
    name="HelmRelease", plural="helmreleases", hold=_SUSPEND, holdable=always, deploys=True
)
CRON_JOB = SuspendedKind(
    name="CronJob",
    plural="cronjobs",
    hold=replace(_SUSPEND, takes_over=True),
    holdable=always,
    deploys=False,
)


def applied(live: Object) -> Iterator[tuple[str, str, str, str]]:
    """Group, kind, namespace and name of what a Kustomization or HelmRelease has applied.

    From its `status.inventory`, whose entries are `<namespace>_<name>_<group>_<kind>`.
    """
    inventory = (live.get("status") or {}).get("inventory") or {}
    for entry in inventory.get("entries") or []:
        parts = str(entry.get("id", "")).split("_")
        if len(parts) >= _IDENTIFIER:
            yield parts[-2], parts[-1], parts[0], "_".join(parts[1:-2])


def own(live: Object, installation: Installation) -> str | None:
    """An object of Sluice that this one applies, such as `ErrorBudgetPolicy shop/default`.

    Or a workload of the `installation` itself.
    """
    names = (
        f"{kind} {place}/{name}"
        for group, kind, place, name in applied(live)
        if group == GROUP or (kind, name) in installation.within(place)
    )
    return next(names, None)
