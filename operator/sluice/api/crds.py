"""The CustomResourceDefinitions of `sluice.dev`, made from the models."""

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel

from sluice.api import GROUP, VERSION
from sluice.api.correction import BudgetCorrection
from sluice.api.metadata import NAME_RULE
from sluice.api.override import GateOverride
from sluice.api.policy import ErrorBudgetPolicy
from sluice.api.schema import RULES, Schema, structural, without_defaults_in_lists
from sluice.api.slo import ServiceLevelObjective
from sluice.api.source import MetricSource

CATEGORY = "sluice"


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; one of priority 1 is shown by `-o wide` only."""

    name: str
    path: str
    description: str
    type: str = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Resource:
    """A kind of object: its model, the names it goes by and what `kubectl get` shows of it."""

    model: type[BaseModel]
    plural: str
    short_names: tuple[str, ...]
    columns: tuple[Column, ...]
    rules: tuple[dict[str, str], ...] = ()
    namespaced: bool = True

    @property
    def kind(self) -> str:
        """The kind, CamelCase."""
        return self.model.__name__

    @property
    def name(self) -> str:
        """The name of the CustomResourceDefinition object."""
        return f"{self.plural}.{GROUP}"


_AGE = Column("Age", ".metadata.creationTimestamp", "How old the object is.", type="date")


def _condition(name: str, description: str, *, priority: int = 0) -> Column:
    path = f'.status.conditions[?(@.type=="{name}")].status'
    return Column(name, path, description, priority=priority)


RESOURCES = (
    Resource(
        model=ServiceLevelObjective,
        plural="servicelevelobjectives",
        short_names=("slo", "sslo"),
        columns=(
            Column("Objective", ".spec.objective", "The share of good events promised, percent."),
            Column("Window", ".status.window.name", "The time that the objective is about."),
            Column("SLI", ".status.sli", "The share of good events in the window, percent."),
            Column("Remaining", ".status.errorBudget.remaining", "Budget left, percent."),
            Column(
                "Burn 1h",
                '.status.burnRates[?(@.window=="1h")].value',
                "How fast the budget went in the last hour; 1 lasts for the window.",
            ),
            Column("Level", ".status.level", "How the objective stands."),
            Column(
                "Corrections",
                ".status.corrections.applied",
                "How many corrections its numbers contain.",
                type="integer",
                priority=1,
            ),
            Column("Owner", ".spec.owner", "The team that answers for it.", priority=1),
            _condition("BudgetKnown", "Whether the budget is known.", priority=1),
            _AGE,
        ),
        rules=(NAME_RULE,),
    ),
    Resource(
        model=ErrorBudgetPolicy,
        plural="errorbudgetpolicies",
        short_names=("ebp",),
        columns=(
            Column("Mode", ".spec.mode", "How far the policy reaches."),
            Column("Stage", ".status.stage", "The stage in force."),
            Column("Since", ".status.decision.since", "How long it has been.", type="date"),
            Column("Admission", ".status.decision.admission", "What a change meets."),
            Column("Objective", ".status.decision.objective", "The objective that decided."),
            Column("Remaining", ".status.decision.remaining", "Its budget left, percent."),
            # Admission says it too: without these a line fits into 100 columns.
            _condition("Frozen", "Whether changes are denied now.", priority=1),
            Column(
                "Governed",
                ".status.workloads.governed",
                "How many workloads.",
                type="integer",
                priority=1,
            ),
            _condition("BudgetKnown", "Whether a budget is known.", priority=1),
            _AGE,
        ),
        rules=(NAME_RULE,),
    ),
    Resource(
        model=GateOverride,
        plural="gateoverrides",
        short_names=("gor",),
        columns=(
            Column("Policy", ".spec.policy", "The policy that it overrides."),
            Column("Effect", ".spec.effect", "What it does."),
            _condition("Active", "Whether it does so now."),
            # A column of type date counts back from now: an end in the future would be "invalid".
            Column("Expires", ".spec.expiresAt", "When it ends."),
            Column(
                "Burned",
                ".status.burned[0].points",
                "Points of budget burned while it was active.",
                priority=1,
            ),
            Column("By", ".spec.createdBy", "Who created it."),
            Column("Reason", ".spec.reason", "Why."),
            _AGE,
        ),
    ),
    Resource(
        model=BudgetCorrection,
        plural="budgetcorrections",
        short_names=("bc",),
        columns=(
            Column("Effect", ".spec.effect", "What it does to the counts."),
            _condition("Applied", "Whether it changes a budget now."),
            Column("Objectives", ".status.matched", "How many it selects.", type="integer"),
            Column("Last", ".status.last.start", "When its latest time began."),
            Column("Next", ".status.next.start", "When its next time begins."),
            Column("By", ".spec.createdBy", "Who created it."),
            Column("Reason", ".spec.reason", "Why."),
            _AGE,
        ),
    ),
    Resource(
        model=MetricSource,
        plural="metricsources",
        short_names=("msrc",),
        namespaced=False,
        columns=(
            Column("URL", ".spec.prometheus.url", "Where it is."),
            _condition("Ready", "Whether it answers."),
            Column("Reason", '.status.conditions[?(@.type=="Ready")].reason', "Why, in one word."),
            _AGE,
        ),
    ),
)
"""Every kind of `sluice.dev`, in the order of the documentation."""


def crd(resource: Resource) -> dict[str, Any]:
    """The CustomResourceDefinition (apiextensions.k8s.io/v1) of `resource`."""
    singular = resource.kind.lower()
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": resource.name},
        "spec": {
            "group": GROUP,
            "names": {
                "kind": resource.kind,
                "listKind": f"{resource.kind}List",
                "plural": resource.plural,
                "singular": singular,
                "shortNames": list(resource.short_names),
                "categories": [CATEGORY],
            },
            "scope": "Namespaced" if resource.namespaced else "Cluster",
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": [_column(column) for column in resource.columns],
                    "schema": {
                        "openAPIV3Schema": without_defaults_in_lists(object_schema(resource))
                    },
                }
            ],
        },
    }


def object_schema(resource: Resource) -> Schema:
    """The structural schema of the whole object, `metadata` left to the API server.

    Raises:
        SchemaError: the model is no CRD schema (see `sluice.api.schema.structural`).
    """
    spec, status = (_part(resource.model, name) for name in ("spec", "status"))
    schema: Schema = {
        "description": resource.model.__doc__,
        "type": "object",
        "required": ["spec"],
        "properties": {
            "apiVersion": {
                "description": f"The version of the API, `{GROUP}/{VERSION}`.",
                "type": "string",
            },
            "kind": {"description": f"`{resource.kind}`.", "type": "string"},
            "metadata": {"type": "object"},
            "spec": structural(spec, bounded=True),
            # Without a generation kstatus would take an object that nobody looked at for finished.
            "status": structural(status, bounded=False) | {"default": {"observedGeneration": -1}},
        },
    }
    return schema | ({RULES: list(resource.rules)} if resource.rules else {})


def _part(model: type[BaseModel], name: str) -> type[BaseModel]:
    annotation = model.model_fields[name].annotation
    assert isinstance(annotation, type)
    assert issubclass(annotation, BaseModel)
    return annotation


def _column(column: Column) -> dict[str, Any]:
    return {
        "name": column.name,
        "type": column.type,
        "jsonPath": column.path,
        "description": column.description,
        **({"priority": column.priority} if column.priority else {}),
    }
