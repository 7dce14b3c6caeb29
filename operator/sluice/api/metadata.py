"""The parts of Kubernetes' own types that our objects use: metadata, selectors, conditions."""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from sluice.api.base import Name, Spec, Status, Time, require, rule, without_nulls

_SHORTEST_KEY, _LONGEST_KEY = 1, 317
_LONGEST_NAME = 63

NAME_RULE = rule(
    f"size(self.metadata.name) <= {_LONGEST_NAME}",
    f"metadata.name has at most {_LONGEST_NAME} characters: "
    "it is part of the one line that a denied user reads",
)
"""Of the kinds that a denied user reads about."""


def key_rule(shortest: int, longest: int) -> dict[str, str]:
    """How long the keys of a map are, as CEL: structural schemas have no `propertyNames`."""
    return rule(
        f"self.all(key, size(key) >= {shortest} && size(key) <= {longest})",
        f"a key has {shortest} to {longest} characters",
    )


def _check_key(key: Any) -> Any:
    if isinstance(key, str):
        holds = _SHORTEST_KEY <= len(key) <= _LONGEST_KEY
        require((key_rule(_SHORTEST_KEY, _LONGEST_KEY), holds))
    return key


LabelKey = Annotated[
    str, Field(min_length=_SHORTEST_KEY, max_length=_LONGEST_KEY), BeforeValidator(_check_key)
]
"""The key of a label or of an annotation."""
LabelValue = Annotated[
    str, Field(pattern=r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$", max_length=63)
]


class LabelRequirement(Spec):
    """One expression of a label selector."""

    key: LabelKey = Field(description="The label that the expression looks at.")
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist"] = Field(
        description="How the label's value relates to `values`."
    )
    values: list[LabelValue] = Field(
        default=[],
        max_length=64,
        description="The values for In and NotIn; empty for Exists and DoesNotExist.",
    )


class LabelSelector(Spec):
    """A Kubernetes label selector; an empty one matches every object."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        default={}, max_length=32, description="Labels that must have exactly these values."
    )
    match_expressions: list[LabelRequirement] = Field(
        default=[], max_length=32, description="Expressions that must all hold."
    )

    def matches(self, labels: dict[str, str]) -> bool:
        """Whether an object with `labels` is selected (as in Kubernetes: NotIn holds if absent)."""
        if any(labels.get(key) != value for key, value in self.match_labels.items()):
            return False
        return all(_holds(requirement, labels) for requirement in self.match_expressions)


def _holds(requirement: LabelRequirement, labels: dict[str, str]) -> bool:
    value = labels.get(requirement.key)
    match requirement.operator:
        case "In":
            return value is not None and value in requirement.values
        case "NotIn":
            return value is None or value not in requirement.values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None


class ObjectMeta(Status):
    """The metadata that Sluice reads of an object; the rest is left as it is."""

    name: Name
    namespace: str = Field(
        default="default", pattern=r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", max_length=63
    )
    uid: str = ""
    generation: int = 0
    resource_version: str = ""
    labels: dict[LabelKey, LabelValue] = Field(default={})
    annotations: dict[str, str] = Field(default={})
    finalizers: list[str] = Field(default=[])
    creation_timestamp: Time | None = None
    deletion_timestamp: Time | None = None
    owner_references: list[dict[str, Any]] = Field(default=[])

    _null_is_absent = model_validator(mode="before")(without_nulls)


def _check_name(meta: ObjectMeta) -> ObjectMeta:
    require((NAME_RULE, len(meta.name) <= _LONGEST_NAME))
    return meta


ShortlyNamed = Annotated[ObjectMeta, AfterValidator(_check_name)]
"""The metadata of an object whose name keeps `NAME_RULE`."""


class Condition(Status):
    """A condition as in `metav1.Condition`."""

    type: str = Field(max_length=316, description="What the condition is about, in CamelCase.")
    status: Literal["True", "False", "Unknown"] = Field(description="Whether it holds.")
    reason: str = Field(
        min_length=1,
        max_length=1024,
        pattern=r"^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$",
        description="Why, in one CamelCase word for programs.",
    )
    message: str = Field(default="", max_length=32768, description="Why, in words for people.")
    last_transition_time: Time = Field(description="When `status` last changed.")
    observed_generation: int | None = Field(
        default=None, ge=0, description="The `metadata.generation` that this was said of."
    )


class Observed(Status):
    """A whole status; a controller that is behind shows by its generation."""

    observed_generation: int = Field(
        default=-1, description="The `metadata.generation` that the rest was worked out from."
    )


def condition_list(description: str, *, most: int = 8) -> Any:
    """The field `conditions` of a status: `most` at most, one of each type."""
    return Field(
        default=[],
        max_length=most,
        description=description,
        json_schema_extra={
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["type"],
        },
    )
