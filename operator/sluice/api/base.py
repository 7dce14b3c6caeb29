"""What all models share: camelCase in YAML, immutability, and the scalar types of the API."""

from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
)
from pydantic.alias_generators import to_camel

from sluice.api.durations import DURATION_PATTERN, parse_duration


def rule(expression: str, message: str) -> dict[str, str]:
    """One CEL rule of a CRD (`x-kubernetes-validations`)."""
    return {"rule": expression, "message": message}


def cel(*rules: dict[str, str]) -> dict[str, Any]:
    """CEL rules as `json_schema_extra` for a field or a model."""
    return {"x-kubernetes-validations": list(rules)}


class Spec(BaseModel):
    """A part of a spec: unknown fields are refused, so that a typing error is never a silent no."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True
    )


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


def _parse_time(value: Any) -> Any:
    return datetime.fromisoformat(value) if isinstance(value, str) else value


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
    BeforeValidator(_parse_time),
    AfterValidator(_whole_seconds),
    PlainSerializer(_format_time, return_type=str, when_used="json"),
]
"""An instant in UTC with whole seconds, RFC 3339 in YAML."""


def _check_duration(text: str) -> str:
    parse_duration(text)
    return text


Duration = Annotated[
    str,
    AfterValidator(_check_duration),
    # Said apart from the check: pydantic leaves a pattern out that stands behind a validator.
    WithJsonSchema(
        {"type": "string", "pattern": DURATION_PATTERN, "minLength": 2, "maxLength": 32}
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
