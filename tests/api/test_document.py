"""The description of the API is true: of paths, parameters, codes and schemas."""

import ast
import inspect
import re
from html.parser import HTMLParser
from pathlib import Path

import msgspec
import pytest

import tallystick
from tallystick.api.error_codes import CODES
from tallystick.api.openapi import answer_type
from tallystick.api.operation import OPTION
from tallystick.api.routes import ROUTES, describe_api
from tallystick.events.incoming import EventInput
from tallystick.events.output import ADDED
from tests.house.pages import PAGES

SOURCE = Path(tallystick.__file__).parent
REFERENCE = "docs/reference/api.md"
DOCUMENT = describe_api()
SCHEMAS = DOCUMENT["components"]["schemas"]
OPERATIONS = [
    (method.upper(), path, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
]
# No object: what a person called things, or a report of any version.
OPEN_SCHEMAS = {"Problem", "ReportContent", "ReviewContent"}


def test_every_route_is_described_and_no_other():
    routes = {
        (method, re.sub(r":(str|path)\}", "}", path))
        for route in ROUTES
        for path in route.paths
        for method in map(str, route.http_methods)
    }
    assert routes == {(method, path) for method, path, _ in OPERATIONS}


# Others read no query, or their body first.
READING = [route for route in ROUTES if route.opt[OPTION].permissions not in ((), ("events:write",))]


@pytest.mark.parametrize("route", READING, ids=lambda route: route.fn.__name__)
def test_a_route_takes_the_query_parameters_that_it_describes_and_no_other(route, lasting):
    (method,) = route.http_methods
    path = re.sub(r"\{\w+:\w+\}", "x", next(iter(route.paths)))
    answer = lasting.http.request(str(method), path, params={"no_such_parameter": "1"})
    assert answer.status_code in (400, 403)
    assert answer.json()["code"] in ("unknown_parameter", "missing_permission")


def test_every_operation_has_an_id_of_its_own_a_summary_and_a_topic():
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(ids)) == len(ids)
    topics = {tag["name"] for tag in DOCUMENT["tags"]}
    assert [one["operationId"] for _, _, one in OPERATIONS if not one["summary"] or one["tags"][0] not in topics] == []


def test_every_json_answer_has_a_type():
    untyped = [
        f"{method} {path} {status}"
        for method, path, operation in OPERATIONS
        for status, answer in operation["responses"].items()
        if "application/json" in answer.get("content", {})
        and "$ref" not in answer["content"]["application/json"]["schema"]
    ]
    files = ["GET /v1/exports/{id}/download 200", "GET /v1/export-links/{token} 200"]
    assert untyped == [*files, "GET /openapi.json 200"], "a file may hold anything, and so does the document"


def test_every_object_of_a_schema_has_a_name_and_no_other_fields():
    assert [name for name, schema in SCHEMAS.items() if schema["type"] != "object"] == []
    open_schemas = {name for name, schema in SCHEMAS.items() if schema.get("additionalProperties") is not False}
    assert open_schemas == OPEN_SCHEMAS
    inline = [name for name, schema in SCHEMAS.items() if b'"properties"' in msgspec.json.encode(schema["properties"])]
    assert inline == [], "an object within an object is a schema of its own, so that generated clients name it well"


def test_every_code_stands_in_the_reference():
    text = PAGES[REFERENCE]()
    rows = [f"| {status} | `{code}` | {meaning} |" for code, (status, meaning) in CODES.items()]
    assert [row for row in rows if row not in text.splitlines()] == []


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
        "archive_failed", "log_moved", "already_shipped",  # never reach a door
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


def test_what_is_answered_is_described_as_it_is():
    assert set(SCHEMAS["Event"]["properties"]) == ADDED | {
        field.encode_name for field in msgspec.structs.fields(EventInput)
    }


def test_every_reference_leads_somewhere():
    references = set(re.findall(r'"\$ref":"#/components/(\w+)/(\w+)"', msgspec.json.encode(DOCUMENT).decode()))
    assert [one for one in references if one[1] not in DOCUMENT["components"][one[0]]] == []
    assert set(SCHEMAS) - {name for kind, name in references if kind == "schemas"} == set()


def test_the_members_of_a_json_answer_are_those_of_its_struct():
    for route in ROUTES:
        struct = answer_type(route)
        if struct is not None:
            schema = SCHEMAS[struct.__name__.removesuffix("Response")]
            assert set(schema["properties"]) == set(struct.__struct_encode_fields__)


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
