"""The outbox: an action is there if and only if its change is."""

import uuid

import pytest

from tallystick.outbox import write as outbox
from tallystick.query.scope import Principal

NOW = 1_700_000_000_000_000
ACME, OTHER = uuid.UUID(int=1), uuid.UUID(int=2)


def waiting_of(database, org_id):
    with database.read() as connection:
        return [entry.event["action"] for entry in outbox.take(connection, org_id, 100)]


def test_actions_are_taken_in_the_order_of_writing(database):
    actions = [f"project.updated_{number}" for number in range(12)]
    with database.write() as connection:
        for action in actions:
            outbox.write(connection, ACME, {"action": action}, now=NOW)
    assert waiting_of(database, ACME) == actions


def test_an_action_of_a_change_that_was_rolled_back_never_was(sqlite_database):
    def change():
        with sqlite_database.write() as connection:
            outbox.write(connection, ACME, {"action": "project.updated"}, now=NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        change()
    assert waiting_of(sqlite_database, ACME) == []


def test_an_entry_holds_what_was_written(sqlite_database):
    event = {"action": "user.login", "actor": {"type": "user", "name": "Ünal 🦊"}, "changes": {"a": [1, None, 2.5]}}
    with sqlite_database.write() as connection:
        outbox.write(connection, ACME, event, now=NOW, recorded_by=Principal("user", "usr_1", "Sarah", "s@x.org"))
        entry = outbox.take(connection, ACME, 1)[0]
    assert entry.event == {"timestamp": "2023-11-14T22:13:20.000000Z", **event}
    assert entry.recorded_by == Principal("user", "usr_1", "Sarah", "s@x.org")


def test_an_own_action_says_that_tallystick_recorded_it(sqlite_database):
    with sqlite_database.write() as connection:
        outbox.write(connection, ACME, {"action": "user.login"}, now=NOW)
        entry = outbox.take(connection, ACME, 1)[0]
    assert entry.recorded_by == Principal("system", "tallystick", "Tallystick")


def test_one_organization_takes_and_deletes_nothing_of_another(database):
    with database.write() as connection:
        for org_id in (ACME, OTHER):
            outbox.write(connection, org_id, {"action": "user.login"}, now=NOW)
        outbox.delete(connection, outbox.take(connection, ACME, 100))
    assert waiting_of(database, ACME) == []
    assert waiting_of(database, OTHER) == ["user.login"]


def test_what_is_beyond_the_limit_stays(sqlite_database):
    with sqlite_database.write() as connection:
        for number in range(5):
            outbox.write(connection, ACME, {"action": f"a.b{number}"}, now=NOW)
        outbox.delete(connection, outbox.take(connection, ACME, 3))
    assert waiting_of(sqlite_database, ACME) == ["a.b3", "a.b4"]


def test_waiting_names_each_organization_once(database):
    with database.write() as connection:
        for org_id in (ACME, OTHER, ACME):
            outbox.write(connection, org_id, {"action": "user.login"}, now=NOW)
        assert sorted(outbox.organizations_waiting(connection)) == [ACME, OTHER]


def test_deleting_nothing_is_no_statement(sqlite_database):
    with sqlite_database.write() as connection:
        outbox.delete(connection, [])
