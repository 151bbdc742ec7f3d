"""Errors of our own around an attempt: what was sent is not sent again, and nothing else waits for it."""

import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from tallystick.clock import SECOND_US
from tallystick.destinations import delivery_worker
from tallystick.destinations.delivery_worker import RECORD_RETRY_SECONDS, RECORD_TRIES
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.tables import deliveries, delivery_attempts
from tests.destinations.destination_driver import HOUR


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(delivery_worker, "CLOSE_RETRY_SECONDS", 0)


def fail(*_: object, **__: object) -> None:
    raise RuntimeError("broken")


def fail_in_database(*_: object) -> None:
    raise OperationalError("UPDATE", None, Exception("deadlock detected"))


def send_one(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    at.worker.step(at.now)
    at.worker.wait_for_attempts()
    return made


def test_after_an_error_of_the_database_the_next_step_records_the_success(at, receiver, monkeypatch):
    made = send_one(at, receiver)
    with monkeypatch.context() as patched:
        patched.setattr(MessageQueue, "record", fail_in_database)
        with pytest.raises(OperationalError):
            at.worker.step(at.now)
    at.worker.step(at.now)
    assert at.state(made) == ["sent"]
    assert len(receiver.requests) == 1


def test_an_error_of_the_database_undoes_what_else_the_step_recorded(at, receiver, monkeypatch):
    other = at.make(receiver.url)
    at.put(other, "alr_2")
    made = send_one(at, receiver)
    record, seen = MessageQueue.record, []

    def fail_second(queue, connection, outcome):
        seen.append(outcome)
        if len(seen) == 2:
            fail_in_database()
        record(queue, connection, outcome)

    monkeypatch.setattr(MessageQueue, "record", fail_second)
    with pytest.raises(OperationalError):
        at.worker.step(at.now)
    assert at.state(made) + at.state(other) == ["waiting", "waiting"]
    at.worker.step(at.now)
    assert at.state(made) + at.state(other) == ["sent", "sent"]
    assert len(receiver.requests) == 2


def test_a_success_that_cannot_be_recorded_is_kept_and_at_last_only_its_row_is_updated(at, receiver, monkeypatch):
    made = send_one(at, receiver)
    monkeypatch.setattr(MessageQueue, "record", fail)
    for tries in range(RECORD_TRIES):
        failed_at = at.now + tries * RECORD_RETRY_SECONDS * SECOND_US
        at.worker.step(failed_at)
        assert at.state(made) == ["waiting"]
        assert not at.worker.step(failed_at + SECOND_US), "it rests between the tries"
    at.worker.step(at.now + RECORD_TRIES * RECORD_RETRY_SECONDS * SECOND_US)
    assert at.state(made) == ["sent"]
    at.go(24 * HOUR)
    assert len(receiver.requests) == 1


def test_old_rows_that_cannot_be_deleted_hold_up_no_delivery(at, receiver, monkeypatch):
    monkeypatch.setattr(MessageQueue, "delete_old", fail)
    made = send_one(at, receiver)
    at.go()
    assert at.state(made) == ["sent"]


def test_at_the_end_an_outcome_that_fails_once_is_recorded_with_the_next_try(at, receiver, monkeypatch):
    made = send_one(at, receiver)
    record, seen = MessageQueue.record, []

    def fail_once(queue, connection, outcome):
        seen.append(outcome)
        if len(seen) == 1:
            fail_in_database()
        record(queue, connection, outcome)

    monkeypatch.setattr(MessageQueue, "record", fail_once)
    at.worker.close()
    assert at.state(made) == ["sent"]


@pytest.mark.parametrize("error", [RuntimeError("broken"), SystemExit()])
def test_an_unexpected_error_while_sending_counts_as_a_failed_attempt(at, receiver, monkeypatch, error):
    def send(*_: object) -> None:
        raise error

    monkeypatch.setattr(MessageQueue, "send", send)
    made = send_one(at, receiver)
    at.go()
    with at.database.read() as connection:
        assert connection.execute(select(deliveries.c.attempts)).scalar_one() == 1
        problem = connection.execute(select(delivery_attempts.c.problem)).scalar_one()
    assert problem == "An unexpected error occurred."
    assert at.state(made) == ["waiting"]
    assert not at.worker.step(at.now + SECOND_US), "it backs off"


def test_the_log_says_which_delivery_met_an_unexpected_error(at, receiver, monkeypatch):
    monkeypatch.setattr(MessageQueue, "send", fail)
    with capture_logs() as logs:
        send_one(at, receiver)
    with at.database.read() as connection:
        delivery_id = connection.execute(select(deliveries.c.delivery_id)).scalar_one()
    [line] = [one for one in logs if one["event"] == "delivery_failed"]
    assert (line["queue"], line["delivery_id"]) == ("messages", delivery_id.hex)


def test_the_step_that_records_an_attempt_begins_the_next_one(at, receiver, monkeypatch):
    monkeypatch.setattr(MessageQueue, "max_at_once", 1)
    later = at.make(receiver.url)
    at.put(later, "alr_2")
    send_one(at, receiver)
    at.worker.step(at.now)
    at.worker.wait_for_attempts()
    assert len(receiver.requests) == 2


def test_a_destination_is_locked_before_its_deliveries(at, receiver):
    made = send_one(at, receiver)
    statements: list[str] = []
    if at.database.is_sqlite:
        pytest.skip("SQLite has one writer")

    def note(_connection, _cursor, statement, *_: object) -> None:
        statements.append(statement)

    event.listen(at.database.engine, "before_cursor_execute", note)
    at.worker.step(at.now)
    event.remove(at.database.engine, "before_cursor_execute", note)
    changed = [one for one in statements if one.startswith(("INSERT", "UPDATE")) or "FOR UPDATE" in one]
    assert "FROM destinations" in changed[0]
    assert at.state(made) == ["sent"]
