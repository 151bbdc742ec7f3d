"""/v1/actions: described over HTTP, with advice for what is refused, and what recording and reading make of it."""

import json

import pytest

from tests.api.api_client import ApiClient, problem

PATH = "/v1/actions/invoice.approved"
SENTENCE = "{actor} waved {resource} through for {changes.amount}"
EVENT = {
    "action": "invoice.approved",
    "actor": {"name": "Sarah Lin"},
    "resource": {"type": "invoice", "id": "inv_7"},
    "changes": {"amount": 120},
}


@pytest.fixture
def admin(acme: ApiClient, operator) -> ApiClient:
    """A key of the organization that may describe actions."""
    key: ApiClient = operator.key(acme.org_id, "admin")
    return key


def test_a_described_action_is_recorded_read_listed_and_found_by_its_sentence(acme, admin):
    described = admin.http.put(PATH, json={"sentence": SENTENCE, "category": "workflows", "severity": "high"})
    assert described.json() == {
        "action": "invoice.approved", "category": "workflows", "status": "success", "severity": "high",
        "sentence": SENTENCE, "description": "", "schema": None, "mode": "warn",
    }  # fmt: skip
    acme.record(EVENT)
    [event] = acme.page(q="waved", category="workflows")["data"]
    assert event["known"] is True
    assert event["severity"] == "high"
    assert event["summary"] == "Sarah Lin waved inv_7 through for 120"
    [listed] = [one for one in acme.get("/v1/actions").json()["data"] if one["origin"] == "own"]
    assert (listed["action"], listed["events"], listed["sentence"]) == ("invoice.approved", 1, SENTENCE)
    assert admin.http.delete(PATH).status_code == 204
    problem(admin.http.delete(PATH), 404, "no_description")
    assert acme.page(q="waved", category="workflows")["data"] == []


def test_a_schema_warns_in_the_receipt_or_refuses_with_the_place(acme, admin):
    schema = {"properties": {"changes": {"properties": {"amount": {"type": "integer"}}}}}
    other = EVENT | {"changes": {"amount": "much"}}
    assert admin.http.put(PATH, json={"schema": schema}).status_code == 200
    [receipt] = acme.record(other)
    assert [(one["field"], one["code"]) for one in receipt["schema_warnings"]] == [
        ("changes.amount", "schema_mismatch")
    ]
    assert admin.http.put(PATH, json={"schema": schema, "mode": "refuse"}).status_code == 200
    refused = problem(acme.post({"events": [EVENT, other]}), 422, "invalid_event")
    [error] = refused["errors"]
    assert (error["index"], error["field"], error["code"]) == (1, "changes.amount", "schema_mismatch")
    assert "much" not in json.dumps(error)


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        (PATH, {"sentence": "{actor} approved {it}"}, "sentence"),
        (PATH, {"sentence": "{actor approved"}, "sentence"),
        (PATH, {"schema": {"$ref": "https://example.com/"}}, "schema"),
        (PATH, {"description": "x" * 501}, "description"),
        ("/v1/actions/user.login", {}, "action"),
        ("/v1/actions/audit_log.mine", {}, "action"),
        ("/v1/actions/Invoice", {}, "action"),
    ],
)
def test_what_cannot_be_described_is_refused_with_the_field(admin, path, body, field):
    assert problem(admin.http.put(path, json=body), 422, "invalid_description")["field"] == field


def test_what_is_no_description_is_refused(admin):
    problem(admin.http.put(PATH, json={"severity": "terrible"}), 400, "bad_description")
    problem(admin.http.put(PATH, json={"template": "x"}), 400, "bad_description")
