"""Where memory and rules meet: a change in, a verdict out, whoever asked."""

from collections.abc import Callable
from datetime import datetime

from sluice.gate.memory import Memory
from sluice.kube.kill_switch import KillSwitch, Unread
from sluice.policy.admission import Change, Verdict
from sluice.policy.judgement import judge


class Judge:
    """Judges by what is known now; what is not known to be frozen passes."""

    def __init__(self, memory: Memory, *, clock: Callable[[], datetime]) -> None:
        self.memory = memory
        self.switch: KillSwitch | Unread | None = Unread()
        self._clock = clock

    @property
    def killed(self) -> bool:
        """Whether the kill switch lifts all enforcement, or may."""
        return self.switch is not None

    @property
    def now(self) -> datetime:
        """The time."""
        return self._clock()

    def verdict(self, change: Change, *, owner: str) -> Verdict:
        """What becomes of `change`, of the workload whose uid is `owner` (any if empty)."""
        return judge(
            change,
            self.memory.governors(change.namespace),
            retained=self.memory.templates(change.namespace, owner=owner),
            deployed=self.memory.deployed(change.namespace, owner=owner, but=change.after.deploys)
            if owner
            else (),
            killed=self.killed,
            now=self.now,
        )
