"""The OpenAPI document arranged for people: topics with their endpoints, schemas with their fields, error codes."""

from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.api.error_codes import CODES
from tallystick.api.operation import Parameter, Schema


@dataclass(frozen=True, slots=True)
class FieldRow:
    """A parameter or a field of a schema: a row of a table."""

    name: str
    kind: str  # in words
    schemas: tuple[str, ...]  # the schemas that the kind names
    note: str  # `required`, and where a parameter is if not in the query
    default: str
    description: str


@dataclass(frozen=True, slots=True)
class EndpointEntry:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    scopes: list[str]  # of the key, which needs all of them; empty if the endpoint takes none
    parameters: list[FieldRow]
    bodies: list[tuple[str, str]]  # media type, and the schema in words
    answers: list[tuple[str, str, str]]  # status, description, media types with the schema in words
    problems: list[str]
    schemas: list[str]


@dataclass(frozen=True, slots=True)
class SchemaEntry:
    """One schema: its fields as rows, and an example."""

    name: str
    description: str
    fields: list[FieldRow]
    example: str


@dataclass(frozen=True, slots=True)
class TopicEntry:
    """The endpoints of one topic."""

    name: str
    description: str
    endpoints: list[EndpointEntry]


def topics(document: dict[str, Any]) -> list[TopicEntry]:
    """The endpoints by topic, in the order of the document."""
    endpoints = [
        (operation["tags"][0], _endpoint(method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        TopicEntry(tag["name"], tag["description"], [entry for name, entry in endpoints if name == tag["name"]])
        for tag in document["tags"]
    ]


def schemas(document: dict[str, Any]) -> list[SchemaEntry]:
    """Every schema."""
    return [
        SchemaEntry(name, schema.get("description", ""), _fields(schema), _example(schema))
        for name, schema in document["components"]["schemas"].items()
    ]


def error_codes() -> list[tuple[str, int, str]]:
    """Every error code with its status and meaning, by status."""
    return sorted(((code, status, meaning) for code, (status, meaning) in CODES.items()), key=lambda row: row[1])


def _endpoint(method: str, path: str, operation: dict[str, Any]) -> EndpointEntry:
    responses = operation["responses"]
    body = operation.get("requestBody", {}).get("content", {})
    return EndpointEntry(
        anchor=operation["operationId"],
        method=method.upper(),
        path=path,
        summary=operation["summary"],
        description=operation["description"],
        scopes=[scope for key in operation["security"] for scope in key["key"]],
        parameters=[_parameter(parameter) for parameter in operation.get("parameters", [])],
        bodies=[(media, kind_of(content["schema"])) for media, content in body.items()],
        answers=[
            (status, response["description"], _media_types(response.get("content", {})))
            for status, response in responses.items()
            if "$ref" not in response
        ],
        problems=[status for status, response in responses.items() if "$ref" in response],
        schemas=list(dict.fromkeys(name for part in (body, responses) for name in _references(part))),
    )


def _media_types(content: dict[str, Any]) -> str:
    """`application/json` (AlertRule), `application/yaml`"""
    named = {media: ", ".join(_references(described)) for media, described in content.items()}
    return ", ".join(f"`{media}` ({names})" if names else f"`{media}`" for media, names in named.items())


def _parameter(parameter: Parameter) -> FieldRow:
    place = "" if parameter["in"] == "query" else parameter["in"]
    required = "required" if parameter.get("required") and not place else ""
    return _row(parameter["name"], parameter["schema"], place or required, parameter["description"])


def _fields(schema: Schema) -> list[FieldRow]:
    required = schema.get("required", [])
    return [
        _row(name, field, "" if name in required else "optional", field.get("description") or _inner(field))
        for name, field in schema.get("properties", {}).items()
    ]


def _row(name: str, schema: Schema, note: str, description: str) -> FieldRow:
    default = schema.get("default")
    shown = (
        "" if default is None or default in ("", {}, []) else str(default).lower() if default is True else str(default)
    )
    return FieldRow(name, kind_of(schema), tuple(_references(schema)), note, shown, description)


def _inner(schema: Schema) -> str:
    """The description of the only alternative beside null."""
    described = [part["description"] for part in schema.get("anyOf", []) if "description" in part]
    return described[0] if len(described) == 1 else ""


def _references(part: Any) -> list[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, dict):
        reference = part.get("$ref", "")
        here = [reference.rpartition("/")[2]] if "/schemas/" in reference else []
        return here + [name for inner in part.values() for name in _references(inner)]
    return [name for inner in part for name in _references(inner)] if isinstance(part, list) else []


def kind_of(schema: Schema) -> str:
    """The type of a value, in words: `integer, 0 to 100 or null`."""
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "enum" in schema:
        return " · ".join("null" if value is None else str(value) for value in schema["enum"] if value != "")
    for several in ("oneOf", "anyOf"):
        if several in schema:
            return " or ".join(dict.fromkeys(map(kind_of, schema[several])))
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type", "any")
    if kind == "array":
        return f"list of {kind_of(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object of {kind_of(schema['additionalProperties'])}"
    if kind == "integer" and "maximum" in schema:
        return f"integer, {schema['minimum']:,} to {schema['maximum']:,}"
    return str(kind)


def _example(schema: Schema) -> str:
    examples = schema.get("examples", [])
    return msgspec.json.format(msgspec.json.encode(examples[0]), indent=2).decode() if examples else ""
