"""The document arranged for people: chapters of operations, with parameters, examples and problems."""

from dataclasses import dataclass
from typing import Any

import msgspec

from tallystick.api.document.codes import CODES
from tallystick.api.document.shapes import SHAPES


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path."""

    anchor: str
    method: str
    path: str
    summary: str
    description: str
    parameters: list[dict[str, str]]
    sent: str
    answers: list[tuple[str, str]]
    problems: list[str]
    schemas: list[str]


@dataclass(frozen=True, slots=True)
class Shape:
    """One schema: its members as rows, and an example."""

    name: str
    description: str
    members: list[dict[str, str]]
    example: str


@dataclass(frozen=True, slots=True)
class Chapter:
    """What belongs together."""

    name: str
    description: str
    operations: list[Operation]


def chapters(document: dict[str, Any]) -> list[Chapter]:
    """The operations by tag, in the order of the document."""
    operations = [
        (operation["tags"][0], _operation(method, path, operation))
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    return [
        Chapter(tag["name"], tag["description"], [one for name, one in operations if name == tag["name"]])
        for tag in document["tags"]
    ]


def shapes() -> list[Shape]:
    """Every schema with members."""
    return [
        Shape(name, schema.get("description", ""), _members(schema), _example(schema))
        for name, schema in SHAPES.items()
        if "properties" in schema
    ]


def codes() -> list[tuple[str, int, str]]:
    """Every code with its status and meaning, by status."""
    return sorted(((code, status, meaning) for code, (status, meaning) in CODES.items()), key=lambda one: one[1])


def _operation(method: str, path: str, operation: dict[str, Any]) -> Operation:
    answers = operation["responses"]
    return Operation(
        operation["operationId"],
        method.upper(),
        path,
        operation["summary"],
        operation["description"],
        [_parameter(parameter) for parameter in operation.get("parameters", [])],
        ", ".join(operation.get("requestBody", {}).get("content", {})),
        [
            (status, f"{said['description']} (`{'`, `'.join(said['content'])}`)")
            for status, said in answers.items()
            if "content" in said
        ],
        [status for status, said in answers.items() if "$ref" in said],
        sorted({name for said in (operation.get("requestBody", {}), answers) for name in _shapes_named(said)}),
    )


def _parameter(parameter: dict[str, Any]) -> dict[str, str]:
    schema = parameter["schema"]
    place = "" if parameter["in"] == "query" else parameter["in"]
    required = "required" if parameter.get("required") else ""
    return {
        "name": parameter["name"],
        "place": " ".join(word for word in (place, required) if word),
        "kind": _kind(schema),
        "default": str(schema.get("default", "")),
        "description": parameter["description"],
    }


def _named(part: Any) -> list[str]:
    """The schemas that a part of the document refers to."""
    if isinstance(part, dict):
        here = [part["$ref"].rpartition("/")[2]] if "/schemas/" in part.get("$ref", "") else []
        return here + [name for inner in part.values() for name in _named(inner)]
    return [name for inner in part for name in _named(inner)] if isinstance(part, list) else []


def _shapes_named(part: Any) -> set[str]:
    """The same, with what a schema without members of its own refers to instead of itself."""
    names = _named(part)
    return {one for name in names for one in ([name] if "properties" in SHAPES[name] else _named(SHAPES[name]))}


def _members(schema: dict[str, Any]) -> list[dict[str, str]]:
    required = schema.get("required", [])
    return [
        {
            "name": name,
            "kind": _kind(member),
            "required": "always" if name in required else "",
            "description": member.get("description", ""),
        }
        for name, member in schema["properties"].items()
    ]


def _kind(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rpartition("/")[2])
    if "oneOf" in schema:
        return " or ".join(map(_kind, schema["oneOf"]))
    if "enum" in schema:
        return " · ".join("null" if value is None else str(value) for value in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    kind = schema["type"]
    if kind == "array":
        return f"{_kind(schema['items'])}, several"
    if kind == "integer" and "maximum" in schema:
        return f"{schema['minimum']:,} to {schema['maximum']:,}"
    return " or ".join(kind) if isinstance(kind, list) else str(kind)


def _example(schema: dict[str, Any]) -> str:
    examples = schema.get("examples", [])
    return msgspec.json.format(msgspec.json.encode(examples[0]), indent=2).decode() if examples else ""
