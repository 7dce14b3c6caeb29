"""The kinds of objects that can be held, and their paths in the API."""

from sluice.enforcement.kinds import chaos_mesh, litmus
from sluice.kube.resources import SUSPENDABLE, WORKLOADS, Resource

CHAOS_MESH = {
    it.name: Resource("chaos-mesh.org", "v1alpha1", it.plural, it.name)
    for it in chaos_mesh.CHAOS_MESH
}
LITMUS = {
    it.name: Resource(group, "v1alpha1", it.plural, it.name)
    for group, it in zip(
        ("litmuschaos.io", "litmuschaos.io", "argoproj.io"), litmus.LITMUS, strict=True
    )
}
CHAOS = {**CHAOS_MESH, **LITMUS}
"""What injects faults, by kind."""

HELD = {**WORKLOADS, **CHAOS, **SUSPENDABLE}
"""Everything that can be held, by kind."""
