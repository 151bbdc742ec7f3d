"""What other systems write, where it is sure what they mean."""

import json

import pytest

from tallystick.errors import UnsupportedMedia
from tallystick.events.body import media_type
from tests.events.sending import JSON, NDJSON, problem_of, read, send, send_one


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        *((word, "success") for word in ("SUCCESS", "Succeeded", "ok", " Allowed ", "COMPLETED", 200, "204", 302)),
        *((word, "failed") for word in ("FAILURE", "Denied", "error", "access_denied", "Access Denied", 401, "500")),
    ],
)
def test_the_status_of_another_system_is_read(sent, status):
    assert send_one(status=sent).record.status == status


@pytest.mark.parametrize("sent", ["", "unknown", "pending", "99", 0, 600, 2.5, True, [], {}])
def test_a_status_that_may_mean_either_is_refused(sent):
    assert problem_of(status=sent)[0] == "status"


def test_numbers_as_ids_are_read_digit_by_digit():
    record = send_one(
        actor={"id": 42, "on_behalf_of": {"id": 7}},
        resources=[{"type": "user", "id": 9007199254740993}, {"type": "role", "id": 0}],
        context={"request_id": 1, "session_id": -5, "account": 111122223333},
        external_id=12345678901234567890,
    ).record
    assert (record.actor_id, record.behalf_id, record.resource_id) == ("42", "7", "9007199254740993")
    assert json.loads(record.target)["resources"][1]["id"] == "0"
    assert (record.request_id, record.session_id, record.external_id) == ("1", "-5", "12345678901234567890")


@pytest.mark.parametrize(
    "fields",
    [
        {"actor": {"id": True}},
        {"actor": {"id": 1.5}},
        {"actor": {"name": 5}},
        {"description": 5},
        {"actor": {"id": []}},
    ],
)
def test_other_values_are_no_ids(fields):
    assert problem_of(**fields)[1] == "wrong_type"


def test_a_number_and_the_same_text_are_one_id():
    sent = {"action": "a.b", "external_id": "1"}
    [one], [other] = send(sent | {"actor": {"id": 5}}), send(sent | {"actor": {"id": "5"}, "external_id": 1})
    assert one.digest == other.digest


def test_words_of_choices_are_read_in_any_case():
    prepared = send_one(category="Deployments", severity="HIGH", actor={"type": "User", "id": "1"})
    assert (prepared.record.category, prepared.record.severity) == ("deployments", "high")
    assert prepared.record.actor_type == "user"


@pytest.mark.parametrize("name", ["application/ndjson", "application/jsonl", "Application/X-NDJSON; charset=utf-8"])
def test_lines_are_known_by_each_of_their_names(name):
    assert len(read(b'{"action":"a.b"}\n{"action":"a.c"}\n', name)) == 2
    assert media_type(name) == NDJSON


@pytest.mark.parametrize("name", ["application/cloudevents+json", "application/cloudevents-batch+json; charset=utf-8"])
def test_cloudevents_are_refused_by_name(name):
    with pytest.raises(UnsupportedMedia, match="CloudEvents are not read yet"):
        media_type(name)
    assert media_type("text/json") == JSON
