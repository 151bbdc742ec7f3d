"""An event as it comes back."""

import pytest

from tallystick.events.catalogue import CATALOGUE
from tallystick.events.output import event_of, event_of_record
from tallystick.events.record import StoredEvent
from tallystick.events.summary import summary
from tests.events.sending import NOW, SEEDS_EVENT, send, send_one

SARAH = {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"}
API = {"type": "project", "id": "prj_88", "name": "api-infrastructure"}


def test_the_seeds_event_comes_back_whole():
    [prepared] = send(SEEDS_EVENT)
    event = event_of_record(prepared.record, 41)
    assert event.pop("id").startswith("evt_")
    assert event == SEEDS_EVENT | {
        "index": 41,
        "timestamp": "2024-01-15T14:30:45.120000Z",
        "received_at": "2024-01-15T14:30:50.000000Z",
        "recorded_by": {"type": "api_key", "id": "key_01hm6rsan500000000000000aa", "name": "ci"},
        "severity": "medium",
        "known": True,
        "summary": "Sarah Lin failed to deploy api-infrastructure",
    }


def test_what_is_absent_is_left_out():
    event = event_of_record(send_one(action="widget.frobbed").record, 0)
    assert set(event) == {
        "id", "index", "received_at", "action", "category", "status", "severity", "timestamp", "known", "summary",
        "actor", "recorded_by",
    }  # fmt: skip
    assert event["known"] is False


def test_redacted_places_and_a_skewed_clock_are_said():
    event = event_of_record(send_one(timestamp="2024-01-15T15:00:00Z", changes={"token": "x"}).record, 0)
    assert event["clock_skew"] is True
    assert event["redacted"] == ["changes.token"]
    assert event["changes"] == {"token": "[redacted]"}


def test_an_event_reads_the_same_from_the_store_and_from_the_journal():
    record = send(SEEDS_EVENT)[0].record
    stored = StoredEvent(3, record.id, NOW, record.occurred_at, record.what, record.target, record.who, record.details)
    assert event_of(stored) == event_of_record(record, 3)


@pytest.mark.parametrize(
    ("action", "status", "actor", "resource", "sentence"),
    [
        ("deployment.failed", "failed", SARAH, API, "Sarah Lin failed to deploy api-infrastructure"),
        ("deployment.completed", "success", SARAH, API, "Sarah Lin deployed api-infrastructure"),
        ("deployment.completed", "failed", SARAH, API, "Sarah Lin deployed api-infrastructure (failed)"),
        ("user.invited", "success", {"email": "john@acme.com"}, {"name": "Mei"}, "john@acme.com invited Mei"),
        ("user.invited", "success", {"id": "u1"}, {}, "u1 invited a user"),
        ("project.deleted", "success", SARAH, {"id": "prj_88"}, "Sarah Lin deleted the project prj_88"),
        ("project.deleted", "success", SARAH, {}, "Sarah Lin deleted the project"),
        ("user.password_changed", "success", SARAH, SARAH, "Sarah Lin changed the password of their account"),
        ("user.password_changed", "success", SARAH, {"name": "Mei"}, "Sarah Lin changed the password of Mei"),
        ("user.locked", "failed", {"type": "system"}, {"name": "Mei"}, "The account of Mei was locked"),
        ("user.locked", "failed", SARAH, {}, "The account of Sarah Lin was locked"),
        ("user.login_failed", "failed", {"type": "anonymous"}, {}, "Someone unknown failed to sign in"),
        ("policy.updated", "success", {"type": "system"}, {"name": "P1"}, "The system updated the policy P1"),
        ("api_key.rejected", "failed", {"type": "api_key"}, {}, "The API key of an API key was rejected"),
        ("widget.frobbed", "success", {"name": "john"}, {"name": "X"}, "john did widget.frobbed on X"),
        ("widget.frobbed", "failed", {"name": "john"}, {}, "john did widget.frobbed (failed)"),
        ("user.login", "success", {"name": "a\nb\t c"}, {}, "a b c signed in"),
        (
            "project.viewed", "success", {"type": "support", "name": "Sam", "on_behalf_of": SARAH}, API,
            "Sam on behalf of Sarah Lin viewed the project api-infrastructure",
        ),
    ],
)  # fmt: skip
def test_a_summary_is_a_sentence_for_people(action, status, actor, resource, sentence):
    assert summary(action, status, actor, resource) == sentence


@pytest.mark.parametrize("resource", [{}, {"name": "X"}], ids=["without", "with"])
def test_every_action_of_the_catalogue_has_a_sentence_without_gaps(resource):
    for action, entry in CATALOGUE.items():
        sentence = summary(action, entry.status, {"name": "Sarah Lin"}, resource)
        assert sentence[0].isupper()
        assert not set(sentence) & set("{}|")
        assert sentence == " ".join(sentence.split())
        assert sentence.rpartition(" ")[2] not in ("of", "on", "to", "for", "from", "with", "a", "the"), sentence
