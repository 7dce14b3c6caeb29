"""What is Sluice's own: the workloads of this installation, which no policy ever governs.

They are told by namespace, kind and name, as whoever installed it says. Labels would not do: a team
whose workloads are beside them could put these on its own.
"""

from dataclasses import dataclass

from sluice.policy.selection import WorkloadName


@dataclass(frozen=True, slots=True)
class Installation:
    """The workloads that an installation of Sluice consists of.

    Attributes:
        namespace: Where it is.
        workloads: Its workloads there, and the Jobs that install it; none outside of a cluster.
    """

    namespace: str = ""
    workloads: frozenset[WorkloadName] = frozenset()

    def within(self, namespace: str) -> frozenset[WorkloadName]:
        """Those of its workloads that are in `namespace`."""
        return self.workloads if namespace == self.namespace else frozenset()
