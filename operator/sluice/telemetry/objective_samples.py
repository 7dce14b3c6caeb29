"""What metrics say of objectives, as text.

There are fifteen samples of each objective, and a client library takes 10 µs for one: of ten
thousand objectives that is more than a second in which nothing else happens. So the text of an
objective is made when what it shows has changed, and not at every scrape.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_FAMILIES = {
    "sluice_objective_budget_known": "1 while the objective's budget is known.",
    "sluice_objective_budget_remaining_ratio": (
        "What is left of the window's error budget: 1 all, 0 none, negative overspent."
    ),
    "sluice_objective_sli_ratio": "Good events as a share of all in the window.",
    "sluice_objective_burn_rate": (
        "How fast the budget is being spent; at 1 it lasts for the window."
    ),
    "sluice_objective_alert_firing": "1 while the burn-rate alert over this time fires.",
    "sluice_objective_corrections": (
        "How many corrections (BudgetCorrection) are in the objective's numbers."
    ),
}
_ESCAPED = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


@dataclass(frozen=True, slots=True)
class ObjectiveReading:
    """An objective as metrics show it; ratios, not percent (Prometheus' convention).

    `alerts` tells by severity and long time whether an alert fires; one that never can is absent.
    `corrections` is how many are in the numbers.
    """

    namespace: str
    name: str
    known: bool
    remaining: float | None
    sli: float | None
    burn_rates: Mapping[str, float] = field(default_factory=dict)
    alerts: Mapping[tuple[str, str], bool] = field(default_factory=dict)
    corrections: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """An objective that is to be shown.

    Attributes:
        made_from: what the reading is made from; while that is the same, so is the reading.
        read: makes it.
    """

    made_from: tuple[object, ...]
    read: Callable[[], ObjectiveReading]


class ObjectiveSamples:
    """The samples of all objectives, by family; one that is gone leaves nothing behind.

    Args:
        shown: gives all objectives by any key that stays.
    """

    def __init__(self, shown: Callable[[], Iterable[tuple[object, Shown]]]) -> None:
        self._shown = shown
        self._made: dict[object, tuple[tuple[object, ...], tuple[str, ...]]] = {}

    def page(self) -> str:
        """All families in Prometheus' text format, which for these is that of OpenMetrics, too."""
        made = {key: self._lines(key, one) for key, one in self._shown()}
        self._made = made
        texts = [lines for _, lines in made.values()]
        parts = []
        for number, (name, about) in enumerate(_FAMILIES.items()):
            parts.append(f"# HELP {name} {about}\n# TYPE {name} gauge\n")
            parts += [lines[number] for lines in texts]
        return "".join(parts)

    def _lines(self, key: object, one: Shown) -> tuple[tuple[object, ...], tuple[str, ...]]:
        known = self._made.get(key)
        if known is not None and all(a is b for a, b in zip(known[0], one.made_from, strict=True)):
            return known
        return one.made_from, _samples(one.read())


def _samples(reading: ObjectiveReading) -> tuple[str, ...]:
    """One text for each family, in their order."""
    own = {"namespace": reading.namespace, "objective": reading.name}
    values: tuple[Iterator[tuple[dict[str, str], float]], ...] = (
        iter([({}, float(reading.known))]),
        iter([] if reading.remaining is None else [({}, reading.remaining)]),
        iter([] if reading.sli is None else [({}, reading.sli)]),
        (({"window": window}, rate) for window, rate in reading.burn_rates.items()),
        (
            ({"severity": severity, "window": window}, float(fires))
            for (severity, window), fires in reading.alerts.items()
        ),
        iter([({}, float(reading.corrections))]),
    )
    return tuple(
        "".join(_sample(name, own | labels, value) for labels, value in family)
        for name, family in zip(_FAMILIES, values, strict=True)
    )


def _sample(name: str, labels: Mapping[str, str], value: float) -> str:
    pairs = ",".join(f'{label}="{text.translate(_ESCAPED)}"' for label, text in labels.items())
    return f"{name}{{{pairs}}} {value}\n"
