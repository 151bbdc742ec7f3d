"""Secrets never leave intake, and evidence stays."""

import json

import msgspec
import pytest

from tallystick.events.details import MAX_KNOWN, Walker
from tallystick.events.incoming import EventInput
from tallystick.events.intake import read_request
from tests.events.sending import JSON, KEY, NOW, send_one

SECRET = "hunter2-and-more"


@pytest.mark.parametrize(
    ("details", "places"),
    [
        pytest.param({"password": SECRET}, ["password"], id="at the top"),
        pytest.param({"user": {"credentials": {"secret": SECRET}}}, ["user.credentials.secret"], id="further down"),
        pytest.param({"items": [{"x": 1}, {"token": SECRET}]}, ["items.1.token"], id="in a list"),
        pytest.param({"a": [[{"token": SECRET}]]}, ["a.0.0.token"], id="in a list of lists"),
        pytest.param({"password": {"before": SECRET, "after": SECRET}}, ["password"], id="before and after"),
        pytest.param({"cookie": [SECRET, {"a": SECRET}]}, ["cookie"], id="with everything in it"),
        pytest.param({"Access_Token": SECRET, "API-KEY": SECRET}, ["Access_Token", "API-KEY"], id="however written"),
        pytest.param({"headers": {"Set-Cookie": SECRET}}, ["headers.Set-Cookie"], id="as a header"),
        pytest.param({"password": 12345678}, ["password"], id="a number"),
        pytest.param({"password": None}, ["password"], id="null"),
    ],
)
@pytest.mark.parametrize("part", ["changes", "request", "response", "metadata"])
def test_values_under_the_names_of_secrets_are_replaced_and_their_places_listed(part, details, places):
    prepared = send_one(**{part: details})
    kept = json.loads(prepared.record.details)
    assert kept["redacted"] == [f"{part}.{place}" for place in places]
    for text in (SECRET, "12345678"):
        assert text.encode() not in prepared.frame
    assert "[redacted]" in prepared.record.values


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
