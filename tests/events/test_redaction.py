"""Secrets never leave intake, and evidence stays."""

import json
import time

import msgspec
import pytest

from tallystick.events.details import MAX_KNOWN, Walker
from tallystick.events.incoming import EventInput
from tallystick.events.intake import read_request
from tests.events.sending import JSON, KEY, NOW, problem_of, send_one

SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    ("details", "places"),
    [
        pytest.param({"password": SECRET}, ["password"], id="at the top"),
        pytest.param({"user": {"credentials": {"secret": SECRET}}}, ["user.credentials.secret"], id="further down"),
        pytest.param({"items": [{"x": 1}, {"token": SECRET}]}, ["items.1.token"], id="in a list"),
        pytest.param({"a": [[{"token": SECRET}]]}, ["a.0.0.token"], id="in a list of lists"),
        pytest.param(
            {"password": {"before": SECRET, "after": SECRET}}, ["password.before", "password.after"], id="changed"
        ),
        pytest.param({"cookie": [SECRET, {"a": SECRET}]}, ["cookie.0", "cookie.1.a"], id="with everything in it"),
        pytest.param({"cookie": {"session_id": SECRET}}, ["cookie.session_id"], id="named by somebody"),
        pytest.param({"secret": {"data": {"username": SECRET}}}, ["secret.data.username"], id="Kubernetes"),
        pytest.param({"token": {"id": 1, "jwt": SECRET}}, ["token.jwt"], id="beside evidence"),
        pytest.param({"token": {"id": 1, "access_token": SECRET}}, ["token.access_token"], id="twice named"),
        pytest.param({"authorization": {"type": f"Bearer {SECRET}-1"}}, ["authorization.type"], id="by its form"),
        pytest.param(
            {"authorization": {"scopes": ["read", "eyJhbGciOiJIUzI1NiJ9." + SECRET]}},
            ["authorization.scopes.1"],
            id="among evidence",
        ),
        pytest.param({"http.request.header.cookie": [SECRET]}, ["http.request.header.cookie.0"], id="end of a path"),
        pytest.param({"Access_Token": SECRET, "API-KEY": SECRET}, ["Access_Token", "API-KEY"], id="however written"),
        pytest.param({"headers": {"Set-Cookie": SECRET}}, ["headers.Set-Cookie"], id="as a header"),
    ],
)
@pytest.mark.parametrize("part", ["changes", "request", "response", "metadata"])
def test_values_under_the_names_of_secrets_are_replaced_and_their_places_listed(part, details, places):
    prepared = send_one(**{part: details})
    kept = json.loads(prepared.record.details)
    assert kept["redacted"] == [f"{part}.{place}" for place in places]
    assert SECRET.encode() not in prepared.frame
    assert "[redacted]" in prepared.record.values


AUTHORIZATION = "Bearer " + SECRET


@pytest.mark.parametrize(
    ("details", "places"),
    [
        pytest.param({"h": [{"name": "Authorization", "value": AUTHORIZATION}]}, ["h.0.value"], id="headers"),
        pytest.param({"h": [{"key": "X-Api-Key", "value": SECRET}]}, ["h.0.value"], id="by key"),
        pytest.param({"Tags": [{"Key": "Password", "Value": SECRET}]}, ["Tags.0.Value"], id="with capitals"),
        pytest.param({"h": [{"value": SECRET, "name": "cookie"}]}, ["h.0.value"], id="value first"),
        pytest.param(
            {"h": [{"name": "cookie", "values": [SECRET, {"a": SECRET}]}]},
            ["h.0.values.0", "h.0.values.1.a"],
            id="several",
        ),
        pytest.param({"h": {"header_name": "authorization", "value": SECRET}}, ["h.value"], id="not in a list"),
        pytest.param(
            {"p": [{"ParameterKey": "Token", "ParameterValue": SECRET}]}, ["p.0.ParameterValue"], id="parameters"
        ),
        pytest.param(
            {"c": [{"field": "password", "old": SECRET, "new": SECRET}]}, ["c.0.old", "c.0.new"], id="changed fields"
        ),
        pytest.param(
            {"h": {"name": "token", "value": {"a": [{"name": "cookie", "value": SECRET}]}}},
            ["h.value.a.0.value"],
            id="nested",
        ),
        pytest.param(
            {"h": {"name": "token", "value": SECRET, "password": SECRET, "s": {"name": "cookie", "value": SECRET}}},
            ["h.password", "h.s.value", "h.value"],
            id="among others",
        ),
        pytest.param({"h": [["Authorization", AUTHORIZATION]]}, ["h.0.1"], id="pairs"),
        pytest.param({"h": [["Accept", "*"], ["Cookie", [SECRET]]]}, ["h.1.1.0"], id="pairs with lists"),
        pytest.param({"h": ["Authorization", AUTHORIZATION]}, ["h.1"], id="one pair"),
        pytest.param({"h": ["Host", "a.b", "Cookie", "sid=" + SECRET]}, ["h.3"], id="names and values by turns"),
        pytest.param({"argv": ["login", "--token", SECRET + "1"]}, ["argv.2"], id="options of a command"),
        pytest.param(
            {"a": [{"key": "authorization", "value": {"stringValue": SECRET}}]}, ["a.0.value.stringValue"], id="OTLP"
        ),
        pytest.param(
            {
                "a": {
                    "key": "http.request.header.authorization",
                    "value": {"arrayValue": {"values": [{"stringValue": AUTHORIZATION}]}},
                }
            },
            ["a.value.arrayValue.values.0.stringValue"],
            id="OTLP with lists",
        ),
        pytest.param(
            {"patch": [{"op": "add", "path": "/spec/password", "value": SECRET}]}, ["patch.0.value"], id="JSON Patch"
        ),
    ],
)
@pytest.mark.parametrize("part", ["changes", "request", "response", "metadata"])
def test_the_value_of_an_entry_that_names_a_secret_is_replaced(part, details, places):
    prepared = send_one(**{part: details})
    assert json.loads(prepared.record.details)["redacted"] == [f"{part}.{place}" for place in places]
    assert SECRET.encode() not in prepared.frame


@pytest.mark.parametrize(
    "details",
    [
        {"h": [{"name": "secretId", "value": "kept"}]},
        {"h": [{"name": "password_policy", "value": "kept"}]},
        {"h": [{"name": "Accept", "value": "kept"}]},
        {"fields": ["password", "kept"]},
        {"fields": [["kept", "password"]]},
        {"resource": {"name": "token", "type": "kept"}},
        {"x": {"name": ["password"], "value": "kept"}},
        {"allowedHeaders": ["Authorization", "Content-Type"], "x": "kept"},
        {"authorization": {"scope": "kept", "role": "owner", "granted": True, "evidence": {"roleAssignmentId": "7"}}},
        {"authorization": {"scopes": ["kept", "repo:write"], "grantedBy": "policy-1"}},
        {"token": {"id": "kept", "name": "ci", "expires_at": "2027-01-01T00:00:00Z", "valid_from": "2026-01-01"}},
        {"token": {"before": {"id": "kept"}, "after": {"id": "tok_2", "uses": 3}}},
        {"secret": False, "password": None, "token": 12345678, "x": "kept"},
        {"cookie": {"name": "sid", "domain": "kept", "secure": True}},
        {"h": [{"field": "secret", "old": False, "new": True}, "kept"]},
        {"h": [{"name": "password", "valueFrom": {"secretKeyRef": {"name": "kept", "key": "db"}}}]},
    ],
)
def test_what_is_no_secret_is_evidence(details):
    record = send_one(request=details).record
    assert "kept" in record.values
    assert b"redacted" not in record.details


OWN_KEY = "tsk_" + "0" * 30 + "2C8GjS"  # with the right check digits


@pytest.mark.parametrize(
    ("details", "place", "kept"),
    [
        ({"a": OWN_KEY}, "a", "[redacted]"),
        ({"a": {"b": [1, OWN_KEY]}}, "a.b.1", "[redacted]"),
        ({"curl": f"-H 'X-Key: {OWN_KEY}' https://a"}, "curl", "-H 'X-Key: [redacted]' https://a"),
        ({"two": f"{OWN_KEY},{OWN_KEY}"}, "two", "[redacted],[redacted]"),
        ({"after": f"tsk_{'x' * 33}{OWN_KEY}"}, "after", f"tsk_{'x' * 33}[redacted]"),
    ],
)
def test_an_api_key_of_tallystick_is_replaced_wherever_it_stands(details, place, kept):
    prepared = send_one(metadata=details)
    assert json.loads(prepared.record.details)["redacted"] == [f"metadata.{place}"]
    assert OWN_KEY.encode() not in prepared.frame
    assert kept in prepared.record.values


def test_an_api_key_is_replaced_in_the_fields_of_the_event_itself_too():
    prepared = send_one(
        description=f"used {OWN_KEY}",
        actor={"id": OWN_KEY, "on_behalf_of": {"name": OWN_KEY}},
        resource={"type": "key", "name": OWN_KEY},
        context={"session_id": OWN_KEY, "user_agent": f"curl {OWN_KEY}"},
    )
    assert OWN_KEY.encode() not in prepared.frame
    assert json.loads(prepared.record.details)["redacted"] == [
        "description", "actor.id", "actor.on_behalf_of.name", "resource.name", "context.user_agent",
        "context.session_id",
    ]  # fmt: skip
    assert (prepared.record.description, prepared.record.session_id) == ("used [redacted]", "[redacted]")


@pytest.mark.parametrize("text", ["tsk_" + "0" * 30 + "2C8GjT", "tsk_short", "tsk_", "task_" + "0" * 36])
def test_a_text_that_only_resembles_a_key_is_evidence(text):
    record = send_one(metadata={"a": text}).record
    assert record.values == (text,)
    assert b"redacted" not in record.details


@pytest.mark.parametrize("key", ["secretId", "password_policy", "tokens", "monkey", "authorizations", "keyId"])
def test_a_key_that_only_resembles_a_secret_is_evidence(key):
    record = send_one(request={key: "kept"}).record
    assert record.values == ("kept",)
    assert b"redacted" not in record.details


def test_fields_of_the_event_itself_are_never_redacted():
    record = send_one(description="password: x", resource={"type": "secret", "name": "token"}).record
    assert (record.description, record.resource_name) == ("password: x", "token")


def test_further_names_are_the_operators_to_add():
    body = msgspec.json.encode({"action": "a.b", "metadata": {"Social-Security": "1", "password": "2"}})
    [prepared] = read_request(body, JSON, received_at=NOW, recorded_by=KEY, redacted_keys=frozenset({"socialsecurity"}))
    assert json.loads(prepared.record.details)["metadata"] == {"Social-Security": "[redacted]", "password": "2"}


def test_a_walker_that_has_forgotten_still_knows_secrets():
    walker = Walker(frozenset({"token"}))
    for number in range(0, MAX_KNOWN + 1000, 500):
        changes = {f"key_{number + i}": 1 for i in range(500)} | {"token": SECRET, "nested": {"token": SECRET}}
        found: tuple[list[str], list[str], list[str]] = ([], [], [])
        walker.walk(EventInput("a.b", changes=changes), found)
        assert found[2] == ["changes.token", "changes.nested.token"]
        assert len(found[0]) == len(found[1]) == 502


def test_many_entries_that_name_secrets_take_time_in_proportion():
    """Each entry looks only at what it holds: 16,000 of them are prepared well within the ten seconds of a test."""
    many = {"h": [{"name": "cookie", "value": SECRET} for _ in range(16_000)]}
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    began = time.monotonic()
    Walker(frozenset({"cookie"})).walk(EventInput("a.b", metadata=many), found)
    assert len(found[2]) == 16_000
    assert time.monotonic() - began < 10


def test_an_entry_of_thousands_of_values_takes_time_in_proportion():
    """Each of the 4,900 names means `value`: all are redacted in one pass, well within the ten seconds of a test."""
    names = ["-" * before + "v" + "_" * within + "alue" for before in range(70) for within in range(70)]
    entry = {"name": "cookie"} | dict.fromkeys(names, SECRET)
    found: tuple[list[str], list[str], list[str]] = ([], [], [])
    began = time.monotonic()
    Walker(frozenset({"cookie"})).walk(EventInput("a.b", metadata={"h": [dict(entry) for _ in range(5)]}), found)
    assert len(found[2]) == 5 * len(names)
    assert SECRET not in found[1]
    assert time.monotonic() - began < 10


def test_an_external_id_that_holds_an_api_key_is_refused():
    assert problem_of(external_id=f"run-{OWN_KEY}") == ("external_id", "key_in_external_id")
    assert send_one(external_id="tsk_short").external_id == "tsk_short"
