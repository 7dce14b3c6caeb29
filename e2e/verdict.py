"""What comes of a change that is tried with kubectl."""

import re
import subprocess
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Verdict:
    """What kubectl said of a change."""

    result: subprocess.CompletedProcess[str]

    @property
    def passed(self) -> bool:
        """The change was taken."""
        return self.result.returncode == 0

    @property
    def denied(self) -> bool:
        """Denied by a freeze or a limit, not for any other reason."""
        forbidden = "forbidden: ValidatingAdmissionPolicy" in self.said
        natively = forbidden and re.search("denied request: (FROZEN|LIMITED)", self.said)
        by_webhook = '[.]gate[.]sluice[.]dev" denied the request: (FROZEN|LIMITED)'
        return not self.passed and bool(natively or re.search(by_webhook, self.said))

    @property
    def said(self) -> str:
        """What it printed as errors and warnings."""
        return self.result.stderr
