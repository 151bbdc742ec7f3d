"""Exports over HTTP: asked for, waited for, taken; and nobody gets another's."""

import csv
import hashlib
import io
import json
from base64 import b64encode

import pytest

from tests.api.api_client import ApiClient, event, plain_client, problem
from tests.fixtures.waiting import wait_until

EXPORTS = "/v1/exports"


@pytest.fixture(scope="module")
def alice(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "exports", "events:read", "events:write")
    made.record(*[event("project.created", metadata={"number": n}) for n in range(12)], event("deployment.failed"))
    return made


@pytest.fixture(scope="module")
def charlie(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "exports", "events:read", "events:write", "admin")
    return made


def ask(asking: ApiClient, kind: str = "csv", **given):
    return asking.http.post(EXPORTS, content=json.dumps({"format": kind, "filter": given}).encode())


def finished(asking: ApiClient, kind: str = "csv", **given):
    return until_finished(asking, ask(asking, kind, **given))


def until_finished(asking: ApiClient, answer):
    assert answer.status_code == 202, answer.text
    path = f"{EXPORTS}/{answer.json()['id']}"
    wait_until(lambda: asking.get(path).json()["status"] not in ("queued", "running"))
    return asking.get(path).json()


def test_an_export_is_asked_for_made_and_taken(alice):
    one = finished(alice, "csv", action="project.*")
    assert (one["status"], one["rows"], one["progress"], one["gone"]) == ("completed", 12, 1.0, None)
    answer = alice.get(f"{EXPORTS}/{one['id']}/download")
    assert answer.headers["content-type"] == "text/csv; header=present; charset=utf-8"
    assert answer.headers["content-length"] == str(one["bytes"]) == str(len(answer.content))
    digest = hashlib.sha256(answer.content)
    assert digest.hexdigest() == one["sha256"]
    assert answer.headers["repr-digest"] == f"sha-256=:{b64encode(digest.digest()).decode()}:"
    assert answer.headers["content-disposition"].startswith('attachment; filename="audit-log-')
    assert len(list(csv.reader(io.StringIO(answer.text, newline="")))) == 13
    assert one in alice.get(EXPORTS).json()["data"]


def test_the_file_and_the_streamed_answer_are_the_same(alice):
    one = finished(alice, "csv", action="project.*")
    streamed = alice.get(action="project.*", headers={"Accept": "text/csv"})
    assert alice.get(f"{EXPORTS}/{one['id']}/download").content == streamed.content


@pytest.mark.parametrize("dialect", ["standard", "excel", "excel-semicolon"])
def test_a_csv_with_all_columns_is_the_same_as_a_file_and_as_a_stream(alice, dialect):
    wanted = {"format": "csv", "filter": {"action": "project.*"}, "columns": "all", "dialect": dialect}
    one = until_finished(alice, alice.http.post(EXPORTS, content=json.dumps(wanted).encode()))
    assert (one["columns"], one["dialect"]) == ("all", dialect)
    content = alice.get(f"{EXPORTS}/{one['id']}/download").content
    streamed = alice.get(
        "/v1/audit-logs", headers={"Accept": "text/csv"}, action="project.*", columns="all", dialect=dialect
    )
    assert streamed.content == content
    assert content.startswith(b"\xef\xbb\xbf") == (dialect != "standard")
    assert b"details;event_id;index" in content or b"details,event_id,index" in content


@pytest.mark.parametrize(
    ("body", "field"),
    [({"format": "json", "columns": "all"}, "columns"), ({"format": "csv", "dialect": "lotus"}, "dialect")],
)
def test_columns_and_dialect_are_for_csv_and_known(body, field, charlie):
    refused = charlie.http.post(EXPORTS, content=json.dumps(body).encode())
    assert problem(refused, 400, "bad_export")["field"] == field
    refused = charlie.get("/v1/audit-logs", **{field: "all" if field == "columns" else "lotus"})
    assert problem(refused, 400, "bad_parameter")["parameter"] == field


def test_the_trail_says_who_asked_and_who_took(alice):
    one = finished(alice, "ndjson")
    alice.get(f"{EXPORTS}/{one['id']}/download")
    told = wait_until(lambda: len(events := alice.page(q=f"resource:{one['id']}")["data"]) >= 2 and events)
    found = {e["action"]: e for e in told}
    assert found["audit_log.exported"]["metadata"]["sha256"] == one["sha256"]
    assert found["audit_log.export_downloaded"]["actor"]["type"] == "api_key"


def test_a_deleted_export_is_not_there_and_stays_in_the_list(alice):
    one = finished(alice)
    link = alice.http.post(f"{EXPORTS}/{one['id']}/link", content=b"{}").json()
    assert alice.http.delete(f"{EXPORTS}/{one['id']}").json()["gone"] == "deleted"
    assert alice.http.delete(f"{EXPORTS}/{one['id']}").status_code == 200
    problem(alice.get(f"{EXPORTS}/{one['id']}/download"), 404, "export_gone")
    problem(alice.get(link["url"].partition("://")[2].partition("/")[2].join(["/", ""])), 404, "export_gone")
    assert one["id"] in {other["id"] for other in alice.get(EXPORTS).json()["data"]}


def test_another_organization_gets_nothing(alice, charlie, running):
    one = finished(alice)
    for path in ("", "/download"):
        problem(charlie.get(f"{EXPORTS}/{one['id']}{path}"), 404, "no_export")
    problem(charlie.http.delete(f"{EXPORTS}/{one['id']}"), 404, "no_export")
    problem(charlie.http.post(f"{EXPORTS}/{one['id']}/link", content=b"{}"), 404, "no_export")
    problem(charlie.get(EXPORTS, before="exp_nothing"), 404, "no_export")
    assert charlie.get(EXPORTS).json() == {"data": []}
    assert alice.get(f"{EXPORTS}/{one['id']}").json()["status"] == "completed"


def test_a_link_needs_no_key_and_no_other_text_is_one(alice, stranger):
    one = finished(alice, "json")
    made = alice.http.post(f"{EXPORTS}/{one['id']}/link", content=b'{"expires_in": 3600}')
    assert made.status_code == 201
    path = made.json()["url"].split("/", 3)[3]
    answer = stranger.get(f"/{path}")
    assert hashlib.sha256(answer.content).hexdigest() == one["sha256"]
    assert stranger.get(f"/{path}?utm_source=mail").status_code == 200  # as mail programs lengthen links
    for changed in (path[:-1] + ("A" if path[-1] != "A" else "B"), path[:-4], path + "AAAA"):
        problem(stranger.get(f"/{changed}"), 404, "no_link")
    problem(stranger.get(f"{EXPORTS}/{one['id']}/download"), 401, "no_api_key")


def test_a_key_without_the_scope_neither_asks_nor_takes(alice, operator):
    one = finished(alice)
    reader = operator.key(alice.org_id, "events:read")
    for answer in (ask(reader), reader.get(EXPORTS), reader.get(f"{EXPORTS}/{one['id']}/download")):
        problem(answer, 403, "missing_permission")


def test_another_key_may_take_and_not_end_it(alice, operator):
    one = finished(alice)
    other = operator.key(alice.org_id, "exports")
    assert other.get(f"{EXPORTS}/{one['id']}/download").status_code == 200
    problem(other.http.delete(f"{EXPORTS}/{one['id']}"), 403, "not_your_export")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "bad_json"),
        (b"[]", "bad_export"),
        (b"{}", "bad_export"),
        (b'{"format": "xml"}', "bad_export"),
        (b'{"format": "csv", "filter": {"usr": "x"}}', "bad_export"),
        (b'{"format": "csv", "filter": {"q": 7}}', "bad_export"),
        (b'{"format": "csv", "filter": {"q": "statsu:failed"}}', "bad_query"),
        (b'{"format": "csv", "filter": {"start": "some day"}}', "bad_parameter"),
        (b'{"format": "csv", "filter": {"user": "\\u0000"}}', "bad_export"),
        (b'{"format": "csv", "filter": {"q": "%s"}}' % (b"a " * 15_000), "bad_export"),
        (b'{"format": "csv", "colour": "red"}', "bad_export"),
    ],
)
def test_a_bad_export_is_refused_and_none_is_made(body, code, charlie):
    before = charlie.get(EXPORTS).json()
    problem(charlie.http.post(EXPORTS, content=body), 400, code)
    assert charlie.get(EXPORTS).json() == before


def test_a_link_is_not_for_a_moment_nor_longer_than_the_file(alice):
    one = finished(alice)
    problem(alice.http.post(f"{EXPORTS}/{one['id']}/link", content=b'{"expires_in": 1}'), 400, "bad_export")
    made = alice.http.post(f"{EXPORTS}/{one['id']}/link", content=b'{"expires_in": 99999999}').json()
    assert made["expires_at"] <= one["expires_at"]


def test_a_stranger_without_anything_gets_nothing(running):
    with plain_client(running.url) as http:
        problem(http.get(EXPORTS), 401, "no_api_key")
        problem(http.get("/v1/export-links/" + "A" * 96), 404, "no_link")
