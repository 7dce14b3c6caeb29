"""The verdict API's OpenAPI document, made from the models that answer.

Source: OpenAPI Specification 3.1.
"""

from typing import Any

import sluice
from sluice.gate.answers import VerdictAnswer
from sluice.gate.delivery import CONFIRMATIONS
from sluice.gate.kinds import WORKLOADS

_REF = "#/components/schemas/{model}"


def document() -> dict[str, Any]:
    """The document."""
    schema = VerdictAnswer.model_json_schema(by_alias=True, mode="serialization", ref_template=_REF)
    definitions = schema.pop("$defs", {})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Sluice verdict API",
            "version": sluice.__version__,
            "description": (
                "Whether deployments pass now. It is read-only and answers from memory; there is "
                "no authentication, so what it tells is for everybody who can reach it."
            ),
        },
        "paths": {
            "/v1/verdict/{namespace}/{kind}/{name}": {"get": _verdict()},
            "/v1/argo-rollouts/{namespace}/{name}": {"get": _rollout()},
            "/v1/flagger/{hook}": {"post": _flagger()},
        },
        "components": {
            "schemas": {
                "VerdictAnswer": schema,
                **definitions,
                "GoAhead": _object(
                    allowed=_typed("boolean", "Whether the rollout may go on."),
                    reason=_typed("string", "Why, in one CamelCase word."),
                    message=_typed("string", "Why, in a sentence; empty if it is allowed."),
                ),
                "Problem": _object(
                    error=_typed("string", "What is wrong, and what to do."),
                ),
            }
        },
    }


def _verdict() -> dict[str, Any]:
    kinds = sorted(kind.kind for kind in WORKLOADS)
    return {
        "operationId": "verdict",
        "summary": "Would a deployment of this workload pass now?",
        "parameters": [
            _parameter("path", "namespace", "The workload's namespace."),
            _parameter("path", "kind", f"One of {', '.join(kinds)}; case does not matter."),
            _parameter("path", "name", "Its name."),
            _parameter("query", "user", "Who would deploy; matters if the policy exempts users."),
            _images(),
        ],
        "responses": {
            "200": _says("The verdict, for or against.", "VerdictAnswer"),
            "404": _says("There is no such kind.", "Problem"),
            **_refusals(),
        },
    }


def _rollout() -> dict[str, Any]:
    return {
        "operationId": "argoRollout",
        "summary": "May this rollout go on? For a web metric of Argo Rollouts.",
        "parameters": [
            _parameter("path", "namespace", "The Rollout's namespace."),
            _parameter("path", "name", "Its name."),
            _parameter("query", "podTemplateHash", "Of the new revision, to recognise a rollback."),
        ],
        "responses": {"200": _says("Always: other answers count as errors.", "GoAhead")},
    }


def _flagger() -> dict[str, Any]:
    strings = {"type": "object", "additionalProperties": {"type": "string"}}
    return {
        "operationId": "flagger",
        "summary": "May this canary go on? For Flagger's hooks that wait.",
        "parameters": [
            {
                **_parameter("path", "hook", "The hook's type."),
                "schema": {"type": "string", "enum": list(CONFIRMATIONS)},
            }
        ],
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {
                    "schema": _object(
                        name=_typed("string", "The Canary's name."),
                        namespace=_typed("string", "Its namespace."),
                        metadata={
                            **strings,
                            "description": "`kind` and `name` of the workload that it is about; a "
                            "Deployment of the Canary's name if left out.",
                        },
                        required=["name", "namespace"],
                    )
                }
            },
        },
        "responses": {
            "200": _says("Go on.", "GoAhead"),
            "400": _says("The hook's body makes no sense.", "Problem"),
            "403": _says("Wait.", "GoAhead"),
            **_refusals(),
        },
    }


def _refusals() -> dict[str, Any]:
    return {
        "429": _says("There are too many requests: ask again in a second.", "Problem"),
        "503": _says("The gate has not seen the cluster yet.", "Problem"),
    }


def _parameter(where: str, name: str, description: str) -> dict[str, Any]:
    return {
        "in": where,
        "name": name,
        "required": where == "path",
        "description": description,
        "schema": {"type": "string"},
    }


def _images() -> dict[str, Any]:
    says = "What it would run, each image once; matters if an override is pinned to images."
    strings = {"type": "array", "items": {"type": "string"}}
    return {**_parameter("query", "image", says), "schema": strings}


def _says(description: str, model: str) -> dict[str, Any]:
    schema = {"$ref": _REF.format(model=model)}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


def _typed(kind: str, description: str) -> dict[str, Any]:
    return {"type": kind, "description": description}


def _object(*, required: list[str] | None = None, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
    }
