"""`$(policy)`, `$(stage)`, `$(objective)` and `$(since)` in a stage's annotations."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sluice.policy.decision import Decision

VARIABLES = ("policy", "stage", "objective", "since")
"""The variables that a value may hold."""

_REFERENCE = re.compile(r"\$\(([^()]*)\)")


@dataclass(frozen=True, slots=True)
class UnknownVariable:
    """A value refers to a variable that does not exist."""

    name: str

    @property
    def message(self) -> str:
        """What is wrong and what would be right."""
        known = ", ".join(f"$({name})" for name in VARIABLES)
        return f"$({self.name}) is no variable: use one of {known}"


def unknown_variable(text: str) -> UnknownVariable | None:
    """The first reference in `text` to a variable that does not exist, if there is one."""
    for name in _REFERENCE.findall(text):
        if name not in VARIABLES:
            return UnknownVariable(name)
    return None


def expand(text: str, values: Mapping[str, str]) -> str | UnknownVariable:
    """`text` with its references replaced by `values` (a value for each of `VARIABLES`).

    What a value holds is not looked at again, so that a name cannot smuggle a reference in.
    """
    return unknown_variable(text) or _REFERENCE.sub(lambda match: values[match[1]], text)


def annotations(decision: Decision) -> dict[str, str] | UnknownVariable:
    """The annotations that governed workloads carry while the stage of `decision` lasts."""
    values = {
        "policy": decision.policy,
        "stage": decision.stage,
        "objective": decision.objective or "",
        "since": f"{decision.since:%Y-%m-%dT%H:%M:%SZ}",
    }
    expanded: dict[str, str] = {}
    for key, text in decision.stage_spec.annotate.items():
        value = expand(text, values)
        if isinstance(value, UnknownVariable):
            return value
        expanded[key] = value
    return expanded
