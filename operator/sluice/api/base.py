"""What all models share: camelCase in YAML, immutability, and the scalar types of the API."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from sluice.api.durations import DURATION_PATTERN, parse_duration

_LONGEST_DURATION = 32
# Without a time of day or a zone it is read too, so that these can be asked for.
_RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"([Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?([Zz]|[+-][0-9]{2}:[0-9]{2})?)?"
)

_Items = TypeVar("_Items", bound=Iterable[str])


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule of a CRD (`x-kubernetes-validations`)."""
    return {"rule": expression, "message": message}


def cel(*rules: dict[str, str]) -> dict[str, Any]:
    """CEL rules as `json_schema_extra` for a field or a model."""
    return {"x-kubernetes-validations": list(rules)}


def require(*checks: tuple[dict[str, str], bool]) -> None:
    """Say in a model what the API server says by CEL, so that both use the same words.

    Args:
        checks: rules as they stand in the schema, each with whether it holds.

    Raises:
        PydanticCustomError: some do not; with the messages of them all.
    """
    broken = [rule["message"] for rule, holds in checks if not holds]
    if broken:
        raise PydanticCustomError("rule", "; ".join(broken))


def each_once(values: _Items) -> _Items:
    """The values of a `listType: set`; the API server refuses the second of two equal ones too.

    Raises:
        ValueError: a value is there twice.
    """
    seen: set[str] = set()
    for value in values:
        if value in seen:
            raise ValueError(f"{value!r} is there twice: write it once")
        seen.add(value)
    return values


def without_nulls(fields: Any) -> Any:
    """The fields as the API server takes them in: one that is null is one that is left out.

    Source: kubernetes.io, "Extend the Kubernetes API with CustomResourceDefinitions", section
    "Defaulting and Nullable".
    """
    if not isinstance(fields, Mapping):
        return fields
    return {name: value for name, value in fields.items() if value is not None}


class Spec(BaseModel):
    """A part of a spec: unknown fields are refused, so that a typing error is never a silent no."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )
    _null_is_absent = model_validator(mode="before")(without_nulls)


class Status(BaseModel):
    """A part of a status: unknown fields are dropped, so that a newer controller's can be read."""

    model_config = ConfigDict(
        frozen=True, extra="ignore", alias_generator=to_camel, populate_by_name=True
    )

    def to_json(self) -> dict[str, Any]:
        """The object as Kubernetes stores it: camelCase, absent values left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


class Atomic(Status):
    """A part of a status that is written as a whole.

    Server-side apply owns the parts of an object one by one, and a part of which the last field
    is taken away is left as `null`, which its schema refuses. There is only one writer here.
    """

    model_config = {"json_schema_extra": {"x-kubernetes-map-type": "atomic"}}


def parse_time(text: str) -> datetime:
    """The instant that `text` names as in RFC 3339; without a zone if it names none.

    Raises:
        ValueError: `text` is no time.
    """
    try:
        if _RFC3339.fullmatch(text):
            return datetime.fromisoformat(text.upper())
    except ValueError:
        pass  # the form is right, but there is no such day or hour
    raise ValueError(f"{text!r} is no time: write it as 2026-08-20T10:04:00Z")


def _time_of(value: Any) -> Any:
    if isinstance(value, str):
        return parse_time(value)
    if not isinstance(value, datetime):
        raise ValueError(f'{value!r} is no time: write it as "2026-08-20T10:04:00Z"')  # noqa: TRY004
    return value


def _whole_seconds(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise ValueError("a time needs a zone: write it as 2026-08-20T10:04:00Z")
    try:
        return value.astimezone(UTC).replace(microsecond=0)
    except OverflowError:
        raise ValueError("a time must lie in the years 1 to 9999 in UTC") from None


def _format_time(value: datetime) -> str:
    return value.strftime("%Y-%m-%dT%H:%M:%SZ")


Time = Annotated[
    datetime,
    BeforeValidator(_time_of),
    AfterValidator(_whole_seconds),
    PlainSerializer(_format_time, return_type=str, when_used="json"),
]
"""An instant in UTC with whole seconds, RFC 3339 in YAML."""


def _check_duration(text: str) -> str:
    parse_duration(text)
    if len(text) > _LONGEST_DURATION:
        raise ValueError(f"{text!r} has more than {_LONGEST_DURATION} characters: write it shorter")
    return text


Duration = Annotated[
    str,
    AfterValidator(_check_duration),
    # Said apart from the check: pydantic leaves a pattern out that stands behind a validator.
    WithJsonSchema(
        {
            "type": "string",
            "pattern": DURATION_PATTERN,
            "minLength": 2,
            "maxLength": _LONGEST_DURATION,
        }
    ),
]
"""A Prometheus-style duration, kept as it was written."""

Percent = Annotated[str, Field(pattern=r"^-?[0-9]{1,9}(\.[0-9]{1,9})?$", max_length=20)]
"""A percentage as a string, because `99.9` as a float is not 99.9."""

Name = Annotated[
    str,
    Field(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", min_length=1, max_length=253),
]
"""The name of a Kubernetes object."""

OBJECTIVE_RULE = rule(
    "self.matches('^[0-9]+([.][0-9]+)?$') && double(self) > 0.0 && double(self) < 100.0",
    'an objective lies between 0 and 100 percent, both excluded: write it as "99.9"',
)


def _check_objective(value: Any) -> Any:
    """Before the pattern, so that the reader sees the rule and not a regular expression."""
    if isinstance(value, str):
        number = re.fullmatch(r"[0-9]+(\.[0-9]+)?", value)
        require((OBJECTIVE_RULE, number is not None and 0 < Decimal(value) < 100))  # noqa: PLR2004 - percent
    return value


ObjectivePercent = Annotated[
    str,
    # Three digits match, so that who writes 100 reads the rule and not a regular expression.
    Field(pattern=r"^[0-9]{1,3}(\.[0-9]{1,6})?$", max_length=10),
    BeforeValidator(_check_objective),
]
"""A percentage between 0 and 100, both excluded, as a string."""
