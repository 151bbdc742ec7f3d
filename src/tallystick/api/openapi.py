"""The OpenAPI 3.1 document, made of the handlers: their routes, signatures, docstrings and declared operations.

A schema is made of each type that a handler takes or answers with; tests hold the rest true.
"""

import inspect
import re
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, get_args

import msgspec
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct

import tallystick
from tallystick.api.answers import JSON
from tallystick.api.error_codes import CODES
from tallystick.api.fields import Count, doc
from tallystick.api.operation import OPTION, Operation, Parameter, Schema
from tallystick.api.problems import MEDIA_TYPE
from tallystick.api.query_parameters import PATH_PARAMETERS

INTRODUCTION = """\
Tallystick records who did what and when, finds it, and enters each event into a log that only grows.

Send `Authorization: Bearer <key>`; the key decides the organization. Times are RFC 3339 in UTC. A filter that is
repeated finds events that match any of its values; different filters must all match. An unknown parameter is an
error: ignoring a filter would return other events than were asked for. Errors are `application/problem+json` with a
stable `code`. `HEAD` is answered wherever `GET` is, with the same headers."""
TOPICS = {
    "Recording": "Record events. Takes a key with `events:write`.",
    "Searching": "Find, count and follow events. Takes a key with `events:read`.",
    "Proofs": "Verify that nothing was changed, without trusting the server.",
    "Retention": "How long events are kept, legal holds, and erasing a person's data. Takes a key with `admin`.",
    "Exports": "Export events as files, once or by schedule. Takes a key with `exports`.",
    "Alerts": "Alert rules, alerts and the destinations of their messages. Takes a key with `alerts`.",
    "Compliance": "Compliance reports and signed reviews.",
    "Actions": "The actions of a log: built-in ones, and those that the organization describes itself.",
    "Members": "The people of an organization, and invitations. Takes a key with `admin`.",
    "API keys": "The keys of an organization: create, rotate, revoke. Takes a key with `admin`.",
    "Monitoring": "For load balancers and monitoring. Takes no key.",
    "Reference": "The API reference. Takes no key.",
}
_SCHEMES = {
    "key": {
        "type": "http",
        "scheme": "bearer",
        "description": "An API key: `tsk_` and 36 letters and digits, with all the scopes that the endpoint names.",
    }
}
# Components of errors, by status.
_PROBLEM_NAMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    406: "NotAcceptable",
    408: "TooSlow",
    409: "Conflict",
    413: "TooLarge",
    415: "UnsupportedMedia",
    422: "Invalid",
    429: "TooMany",
    500: "Broken",
    503: "Unavailable",
}
_RETRY_AFTER = {"Retry-After": {"description": "Seconds to wait before a retry.", "schema": {"type": "integer"}}}
_PROBLEM_HEADERS: dict[int, Any] = {
    401: {"WWW-Authenticate": {"description": "`Bearer`.", "schema": {"type": "string"}}},
    429: _RETRY_AFTER,
    503: _RETRY_AFTER,
}
_EXAMPLES = {
    "EventInput": {
        "action": "deployment.failed",
        "actor": {"type": "user", "id": "usr_456", "email": "sarah@example.com", "name": "Sarah Lin"},
        "resource": {"type": "project", "id": "prj_88", "name": "api-infrastructure"},
        "context": {"ip_address": "192.168.1.50", "user_agent": "Chrome/120.0"},
        "changes": {"error": "Policy violation: S3 encryption required"},
    }
}
_WITH_KEY, _PUBLIC, _WITH_BODY = (400, 401, 403, 429, 500, 503), (400, 404, 429, 500, 503), (408, 413, 415)
_SUFFIX = "Response"  # tells a class from the domain's class of the same name; no part of a schema's name


class EventProblem(Struct, forbid_unknown_fields=True):
    """One problem of an event."""

    index: Annotated[Count, doc("Which event of the request, from 0.")]
    field: Annotated[str, doc("Path of the field, such as `actor.email`; empty for the whole event.")]
    code: Annotated[str, doc("Stable code, for programs.")]
    detail: Annotated[str, doc("What to do, for people.")]


class ProblemResponse(Struct, kw_only=True):
    """An error (RFC 9457). Some codes have further members."""

    type: Annotated[str, doc("Link to the explanation of the code.")]
    title: Annotated[str, doc("Kind of error.")]
    status: Annotated[int, doc("HTTP status.")]
    code: Annotated[str, doc("Stable code, for programs.")]
    detail: Annotated[str, doc("What to do, for people.")]
    errors: (
        Annotated[list[EventProblem], doc("With `invalid_event`: every problem of each event.")] | msgspec.UnsetType
    ) = msgspec.UNSET


def openapi_document(handlers: Sequence[HTTPRouteHandler]) -> dict[str, Any]:
    """The document of all handlers that declare an operation."""
    declared = [(handler, handler.opt[OPTION]) for handler in handlers if OPTION in handler.opt]
    types = [ProblemResponse, *_types(declared)]
    references, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(id, types), map(_rename_schemas, references), strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for handler, operation in declared:
        for path in handler.paths:
            for method in handler.http_methods:
                described = _operation(handler, operation, path_template(path), schema_of)
                paths.setdefault(path_template(path), {})[str(method).lower()] = described
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Tallystick",
            "version": tallystick.__version__,
            "description": INTRODUCTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": [{"name": name, "description": description} for name, description in TOPICS.items()],
        "paths": paths,
        "components": {
            "schemas": {_schema_name(name): _component(name, schema) for name, schema in components.items()},
            "responses": {_PROBLEM_NAMES[status]: _problem(status) for status in _PROBLEM_NAMES},
            "securitySchemes": _SCHEMES,
        },
    }


def answer_type(handler: HTTPRouteHandler) -> Any:
    """The Struct of a handler's JSON answer; None for other answers."""
    annotation = inspect.get_annotations(handler.fn, eval_str=True)["return"]
    answered = next(iter(get_args(annotation)), None)
    return answered if inspect.isclass(answered) and issubclass(answered, Struct) else None


def _types(declared: Sequence[tuple[HTTPRouteHandler, Operation]]) -> Iterator[Any]:
    for handler, operation in declared:
        answered = answer_type(handler)
        if answered is not None:
            yield answered
        yield from _bodies(operation)


def _bodies(operation: Operation) -> tuple[Any, ...]:
    """The types of a JSON body: several where it may be either."""
    if operation.body is None:
        return ()
    return operation.body if isinstance(operation.body, tuple) else (operation.body,)


def _operation(
    handler: HTTPRouteHandler, operation: Operation, path: str, schema_of: dict[int, Schema]
) -> dict[str, Any]:
    summary, _, rest = (inspect.getdoc(handler.fn) or "").partition("\n")
    description = [re.sub(r"(?<!\n)\n(?!\n)", " ", rest.strip()), *_optional_scopes(operation)]
    name, *words = handler.fn.__name__.split("_")
    parameters = [*_path_parameters(path), *operation.parameters]
    described: dict[str, Any] = {
        "tags": [operation.topic],
        "operationId": name + "".join(word.capitalize() for word in words),
        "summary": summary.rstrip("."),
        "description": "\n\n".join(filter(None, description)),
        "security": [{"key": list(operation.permissions)}] if operation.permissions else [],
    }
    if parameters:
        described["parameters"] = parameters
    if operation.body is not None or operation.bodies:
        described["requestBody"] = _request_body(operation, schema_of)
    described["responses"] = _answers(handler, operation, schema_of) | {
        str(status): {"$ref": f"#/components/responses/{_PROBLEM_NAMES[status]}"}
        for status in sorted(_problem_statuses(operation, path))
    }
    return described


def _optional_scopes(operation: Operation) -> Iterator[str]:
    """What a key may do with scopes that the endpoint does not require."""
    return (f"A key with `{permission}` can also {what}." for permission, what in operation.optional.items())


def _request_body(operation: Operation, schema_of: dict[int, Schema]) -> dict[str, Any]:
    schemas = [schema_of[id(body)] for body in _bodies(operation)]
    content = {media: {"schema": schema} for media, schema in operation.bodies.items()}
    if schemas:
        content = {JSON: {"schema": schemas[0] if len(schemas) == 1 else {"oneOf": schemas}}} | content
    return {"required": operation.body_is_required, "content": content}


def _answers(handler: HTTPRouteHandler, operation: Operation, schema_of: dict[int, Schema]) -> dict[str, Any]:
    answered = answer_type(handler)
    content = {media: {"schema": schema} for media, schema in operation.media.items()}
    description = operation.answer
    if answered is not None:
        content = {JSON: {"schema": schema_of[id(answered)]}} | content
        description = (inspect.getdoc(answered) or "").partition("\n")[0]
    if not content:
        return {str(handler.status_code): {"description": "Done."}}
    statuses = {handler.status_code: description, **operation.statuses}
    return {str(status): {"description": meaning, "content": content} for status, meaning in statuses.items()}


def _problem_statuses(operation: Operation, path: str) -> set[int]:
    statuses = set(operation.problems)
    if operation.permissions:
        statuses.update(_WITH_KEY)
    if "{" in path:
        statuses.update((404,) if operation.permissions else _PUBLIC)
    if operation.body is not None or operation.bodies:
        statuses.update(_WITH_BODY)
    return statuses


def _problem(status: int) -> dict[str, Any]:
    meanings = [f"`{code}`: {meaning}" for code, (of, meaning) in CODES.items() if of == status]
    described: dict[str, Any] = {
        "description": "\n".join(meanings),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }
    return described | ({"headers": _PROBLEM_HEADERS[status]} if status in _PROBLEM_HEADERS else {})


def _path_parameters(path: str) -> list[Parameter]:
    return [PATH_PARAMETERS[path[: match.end()]] for match in re.finditer(r"\{\w+\}", path)]


def path_template(path: str) -> str:
    """A path of Litestar as OpenAPI writes it: without the types of its parameters."""
    return re.sub(r":\w+\}", "}", path)


def _component(name: str, schema: Schema) -> Schema:
    named: Schema = _rename_schemas(schema)
    description = {"description": " ".join(schema["description"].split())} if "description" in schema else {}
    return named | description | ({"examples": [_EXAMPLES[name]]} if name in _EXAMPLES else {})


def _schema_name(class_name: str) -> str:
    return class_name.removesuffix(_SUFFIX)


def _rename_schemas(schema: Any) -> Any:
    """A schema with the names of schemas for those of classes, and without titles, which repeat them."""
    if isinstance(schema, list):
        return [_rename_schemas(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return schema | {"$ref": _schema_name(schema["$ref"])}
    is_struct = "title" in schema and "properties" in schema
    return {name: _rename_schemas(part) for name, part in schema.items() if not (is_struct and name == "title")}
