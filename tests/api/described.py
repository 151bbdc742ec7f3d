"""Holds every answer that a test of the API gets to the OpenAPI document."""

import re
from functools import cache, lru_cache
from typing import Any

import httpx
import jsonschema_rs
import msgspec

from tallystick.api.routes import describe_api

DOCUMENT = describe_api()
ROUTING = {"no_such_path", "method_not_allowed", "bad_request"}


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Every path as a pattern, those without parameters first."""
    paths = sorted(DOCUMENT["paths"], key=lambda path: path.count("{"))
    patterns = [re.sub(r"\\\{path\\\}", ".+", re.escape(path)) for path in paths]
    return [
        (re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", text)), path) for text, path in zip(patterns, paths, strict=True)
    ]


@cache
def _validator(schema: bytes) -> Any:
    return jsonschema_rs.Draft202012Validator(msgspec.json.decode(schema) | {"components": DOCUMENT["components"]})


@lru_cache
def _operation(method: str, path: str) -> dict[str, Any] | None:
    template = next((template for pattern, template in _templates() if pattern.fullmatch(path)), "")
    operation: dict[str, Any] | None = DOCUMENT["paths"].get(template, {}).get(method.lower())
    return operation


def _is_routing(response: httpx.Response) -> bool:
    """Whether the answer is an error that comes before or beside any operation."""
    if response.headers.get("content-type") != "application/problem+json":
        return False
    response.read()
    return response.json()["code"] in ROUTING


def check_described(response: httpx.Response) -> None:
    """Status, media type and JSON of an answer are as its operation says."""
    operation = _operation(response.request.method, response.request.url.path)
    media = response.headers.get("content-type", "").partition(";")[0]
    is_json = media in ("application/json", "application/problem+json")
    if operation is None or _is_routing(response):
        return
    place = f"{response.request.method} {response.request.url.path} {response.status_code}"
    described = operation["responses"].get(str(response.status_code))
    assert described is not None, f"{place} is not described"
    if "$ref" in described:
        described = DOCUMENT["components"]["responses"][described["$ref"].rpartition("/")[2]]
    content = described.get("content", {})
    if not content:
        assert response.read() == b"", place
        return
    assert media in content, f"{place}: {media} is not described"
    if is_json:
        response.read()
        validator = _validator(msgspec.json.encode(content[media]["schema"]))
        assert [error.message for error in validator.iter_errors(response.json())] == [], place
