"""Events of an importer get a time and a valid action, and lose nothing."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.events.importers.sendable import action_of, sendable_event
from tallystick.events.intake import ACTION

BASE = {"action": "a.b", "timestamp": "2024-01-15T14:30:45Z"}


@pytest.mark.parametrize(
    ("sent", "time"),
    [
        ({"@timestamp": "2024-01-15T14:30:45Z"}, "2024-01-15T14:30:45Z"),
        ({"eventTime": "2024-01-15T14:30:45+02:00"}, "2024-01-15T14:30:45+02:00"),
        ({"event_time": "x"}, "x"),
        ({"ts": 1705329045}, "2024-01-15T14:30:45+00:00"),
        ({"time": 1705329045.123456}, "2024-01-15T14:30:45.123456+00:00"),
        ({"datetime": "1705329045120"}, "2024-01-15T14:30:45.120000+00:00"),
        ({"timestamp": 1705329045120000}, "2024-01-15T14:30:45.120000+00:00"),
        ({"timestamp": None, "published": 1705329045120000999}, "2024-01-15T14:30:45.120000+00:00"),
    ],
)
def test_the_time_is_read_under_its_usual_names(sent, time):
    assert sendable_event({"action": "a.b"} | sent) == {"action": "a.b", "timestamp": time}


@pytest.mark.parametrize("sent", [{}, {"timestamp": None}, {"@timestamp": ""}, {"metadata": {"time": "2024-01-15"}}])
def test_an_event_without_a_time_is_no_event_of_now(sent):
    with pytest.raises(ValueError, match="the event has no time"):
        sendable_event({"action": "a.b"} | sent)


def test_a_second_time_is_kept_in_the_metadata():
    sent = BASE | {"created_at": "2023-01-01T00:00:00Z", "metadata": {"a": 1}}
    assert sendable_event(sent) == BASE | {"metadata": {"created_at": "2023-01-01T00:00:00Z", "a": 1}}


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("iam:CreateUser", "iam.create_user"),
        ("User.LoginFailed", "user.login_failed"),
        ("Add member to role.", "event.add_member_to_role"),
        ("google.iam.admin.v1.CreateServiceAccountKey", "google.iam.admin.v1.create_service_account_key"),
        ("microsoft.compute/virtualMachines/delete", "microsoft.compute.virtual_machines.delete"),
        ("org.add_member", "org.add_member"),
        ("POST /v1/users", "post.v1.users"),
        ("Benutzer gelöscht", "event.benutzer_geloscht"),
        ("登录", "event.unnamed"),
        ("SERVER_ERROR", "event.server_error"),
        ("x" * 300, "event." + "x" * 94),
    ],
)
def test_a_name_of_an_action_becomes_a_valid_one_and_is_kept(name, action):
    sent = sendable_event(BASE | {"action": name})
    assert sent["action"] == action
    assert action == name or sent["original_action"] == name[:200]


def test_a_name_without_a_noun_takes_the_kind_of_the_resource():
    sent = sendable_event(BASE | {"action": "Delete", "resource": {"type": "VirtualMachine", "id": "1"}})
    assert (sent["action"], sent["original_action"]) == ("virtual_machine.delete", "Delete")


def test_the_number_of_an_event_is_a_name_too():
    assert sendable_event(BASE | {"action": 4624})["action"] == "event.4624"


def test_an_original_action_that_is_given_stays_and_the_name_is_kept_beside_it():
    sent = sendable_event(BASE | {"action": "User Login", "original_action": "UL-1"})
    assert (sent["original_action"], sent["metadata"]) == ("UL-1", {"action": "User Login"})


def test_a_name_that_only_tallystick_records_is_marked_as_imported():
    assert sendable_event(BASE | {"action": "Audit_Log:Purged"})["action"] == "imported.audit_log.purged"


@settings(deadline=None, derandomize=True)
@given(st.text(max_size=300), st.text(max_size=50))
def test_every_name_becomes_a_valid_action(name, noun):
    action = action_of(name, noun)
    assert ACTION.fullmatch(action)
    assert len(action) <= 100
    assert re.search(r"[a-z0-9]", action)
