"""The description of the API is true: of paths, parameters, codes and schemas."""

import ast
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

import tallystick
from tallystick.api import (
    alert,
    count_events,
    export,
    find_events,
    follow_events,
    prove,
    record_events,
    related_events,
    report,
    review,
)
from tallystick.api.document import DOCUMENT
from tallystick.api.document.codes import CODES
from tallystick.api.document.schemas import SCHEMAS
from tallystick.api.routes import ROUTES
from tallystick.events.incoming import Actor, Context, EventInput, OnBehalfOf, Resource
from tallystick.events.output import ADDED

SOURCE = Path(tallystick.__file__).parent
REFERENCE = SOURCE.parent.parent / "docs" / "reference" / "api.md"
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
TAKEN = {
    ("GET", "/v1/audit-logs"): find_events.PARAMETERS,
    ("POST", "/v1/audit-logs"): record_events.PARAMETERS,
    ("GET", "/v1/audit-logs/{id}/related"): related_events.PARAMETERS,
    ("GET", "/v1/audit-logs/histogram"): count_events.HISTOGRAM_PARAMETERS,
    ("GET", "/v1/audit-logs/facets"): count_events.FACET_PARAMETERS,
    ("GET", "/v1/audit-logs/live"): follow_events.PARAMETERS,
    ("GET", "/v1/exports"): export.LISTING,
    ("GET", "/v1/alerts"): alert.LISTING,
    ("GET", "/v1/reports"): report.LISTING,
    ("GET", "/v1/reviews"): review.LISTING,
    ("GET", "/v1/ledger/consistency"): prove.CONSISTENCY,
    ("GET", "/log/{origin_id}/consistency"): prove.CONSISTENCY,
}


def test_every_route_is_described_and_no_other():
    routes = {
        (method, re.sub(r":(str|path)\}", "}", path))
        for route in ROUTES
        for path in route.paths
        for method in map(str, route.http_methods)
    }
    assert routes == {(method, path) for method, path, _ in OPERATIONS}


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=lambda part: str(part)[:40])
def test_every_parameter_is_described_and_no_other(method, path, operation):
    described = {one["name"] for one in operation.get("parameters", []) if one["in"] == "query"}
    assert described == set(TAKEN.get((method, path), ()))


def test_every_path_parameter_and_code_stands_in_the_reference():
    text = REFERENCE.read_text(encoding="utf-8")
    missing = [
        word
        for _, path, operation in OPERATIONS
        for word in [path, *(one["name"] for one in operation.get("parameters", []) if one["in"] != "path")]
        if f"`{word}" not in text and f"{word}`" not in text
    ]
    assert missing == []
    rows = [f"| {status} | `{code}` | {meaning} |" for code, (status, meaning) in CODES.items()]
    assert [row for row in rows if row not in text.splitlines()] == []


def test_the_reference_names_no_path_that_is_not_there():
    named = set(re.findall(r"(?:GET|POST|PUT|DELETE) (/[^`?\s]*)", REFERENCE.read_text(encoding="utf-8")))
    assert named <= set(DOCUMENT["paths"])


def raised_codes() -> set[str]:
    """The codes that the packages behind the API can answer with."""
    found = set()
    behind = ["access/authenticate.py", "access/rate_limit.py", "access/scopes.py", "events", "ingest", "search"]
    for place in [*behind, "query", "live", "store", "ledger", "retention", "integrity", "api"]:
        path = SOURCE / place
        for file in [path] if path.is_file() else path.rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                if isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
                    found.add(str(node.value.value))
    return found


def test_every_code_that_is_raised_is_explained():
    elsewhere = {
        "bad_role", "bad_scope", "whole_trail_only", "no_session",  # pages and commands
        "body_too_large",  # held before
        "archive_failed", "log_moved",  # never reach a door
    }  # fmt: skip
    assert raised_codes() - elsewhere - CODES.keys() == set()


def test_problems_are_described_for_every_status_they_have():
    described = {
        int(status)
        for _, _, operation in OPERATIONS
        for status, answer in operation["responses"].items()
        if "$ref" in answer
    }
    assert {status for status, _ in CODES.values()} - described == {405}, "405 belongs to no operation"


@pytest.mark.parametrize(
    ("schema", "struct"),
    [
        ("EventInput", EventInput),
        ("Actor", Actor),
        ("Person", OnBehalfOf),
        ("Resource", Resource),
        ("Context", Context),
    ],
)
def test_what_may_be_sent_is_described_as_it_is_declared(schema, struct):
    declared = {field.encode_name: field.required for field in msgspec.structs.fields(struct)}
    described = SCHEMAS[schema]
    assert {name: name in described.get("required", []) for name in described["properties"]} == declared


def test_what_is_answered_is_described_as_it_is():
    assert set(SCHEMAS["Event"]["properties"]) == ADDED | {
        field.encode_name for field in msgspec.structs.fields(EventInput)
    }


def test_every_reference_leads_somewhere():
    references = set(re.findall(r'"\$ref":"#/components/(\w+)/(\w+)"', msgspec.json.encode(DOCUMENT).decode()))
    assert [one for one in references if one[1] not in DOCUMENT["components"][one[0]]] == []
    assert set(SCHEMAS) - {name for kind, name in references if kind == "schemas"} == set()


def test_the_handlers_say_what_they_do():
    assert [route.fn.__name__ for route in ROUTES if not inspect.getdoc(route.fn)] == []


class Page(HTMLParser):
    """What a page loads, links to and could run."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.links: list[str] = []
        self.anchors: set[str] = set()
        self.inline: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.anchors.add(given.get("id") or "")
        self.inline += [name for name in given if name == "style" or name.startswith("on")]
        self.inline += [tag] if tag in ("script", "style") else []
        if tag == "link" or "src" in given:
            self.loaded.append(str(given.get("href") or given.get("src")))
        elif "href" in given:
            self.links.append(str(given["href"]))


@pytest.fixture(scope="module")
def page(stranger) -> Page:
    """/docs, read."""
    read = Page()
    read.feed(stranger.get("/docs").text)
    return read


class TestDocsPage:
    def test_it_loads_nothing_from_elsewhere_and_runs_nothing(self, page, stranger):
        assert page.loaded == ["/docs/docs.css"]
        assert page.inline == []
        policy = stranger.get("/docs").headers["content-security-policy"]
        assert policy.startswith("default-src 'self';")
        assert "unsafe" not in policy

    def test_every_link_in_it_leads_somewhere(self, page):
        assert [link for link in page.links if link.startswith("#") and link[1:] not in page.anchors] == []
        assert {link for link in page.links if not link.startswith("#")} == {"/openapi.json"}

    def test_every_operation_shape_and_code_stands_in_it(self, page):
        wanted = {operation["operationId"] for _, _, operation in OPERATIONS} | set(CODES)
        assert wanted - page.anchors == set()

    def test_a_problem_leads_to_where_its_code_is_explained(self, page, lasting):
        assert lasting.get(limit=0).json()["type"].removeprefix("/docs#") in page.anchors

    def test_the_document_is_served_as_it_is(self, stranger):
        assert stranger.get("/openapi.json").json() == DOCUMENT
