"""The worker of a queue: what fails in one delivery holds up nothing else."""

import pytest
from sqlalchemy import select

from tallystick.clock import SECOND_US
from tallystick.destinations import email_queue, message_queue
from tallystick.destinations.delivery_worker import PAUSE_SECONDS, DeliveryWorker
from tallystick.destinations.email_queue import EmailQueue
from tallystick.destinations.email_templates import Email
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.smtp import parse_mail_server
from tallystick.destinations.tables import mails

EMAIL = Email("Subject", "text", "<p>text</p>")


def email_states(database):
    with database.read() as connection:
        return list(connection.execute(select(mails.c.state).order_by(mails.c.mail_id)).scalars())


def put_email(at, recipient="maya@acme.com"):
    with at.database.write() as connection:
        email_queue.enqueue(connection, at.scope.org_id, recipient, EMAIL, now=at.now)


def test_an_unreachable_mail_server_rests_before_other_email_is_attempted(at):
    server = parse_mail_server("smtp://127.0.0.1:1", "audit@example.com")
    worker = DeliveryWorker(at.database, EmailQueue(server))
    put_email(at)
    assert worker.step(at.now)
    worker.wait_for_attempts()
    assert worker.step(at.now)
    put_email(at, "tom@acme.com")
    assert not worker.step(at.now + (PAUSE_SECONDS - 1) * SECOND_US)
    assert worker.step(at.now + PAUSE_SECONDS * SECOND_US)
    worker.close()


@pytest.mark.parametrize("fails", ["record", "claim"])
def test_an_error_of_our_own_in_one_delivery_undoes_nothing_of_another(at, receiver, monkeypatch, fails):
    broken, whole = at.make(receiver.url), at.make(receiver.url)
    at.put(broken, "alr_1")
    at.put(whole, "alr_2")
    original = getattr(MessageQueue, fails)

    def sometimes(queue, connection, given, *more):
        lane = given if fails == "claim" else given.claim.lane
        done = original(queue, connection, given, *more)
        if lane.lane_id == broken.destination.destination_id:
            raise RuntimeError("broken")
        return done

    monkeypatch.setattr(MessageQueue, fails, sometimes)
    at.go()
    assert at.state(whole) == ["sent"]
    assert at.state(broken) == ["waiting"], "nothing of it was recorded"


def test_outcomes_that_could_not_be_committed_are_recorded_with_the_next_step(at, receiver, monkeypatch):
    made = at.make(receiver.url)
    at.put(made)
    at.worker.step(at.now)
    at.worker.wait_for_attempts()
    with monkeypatch.context() as patched:

        def refuse() -> None:
            raise OSError("the disk is full")

        patched.setattr(at.database, "write", refuse)
        with pytest.raises(OSError, match="disk"):
            at.worker.step(at.now)
    assert at.state(made) == ["waiting"]
    at.worker.step(at.now)
    assert at.state(made) == ["sent"]
    assert len(receiver.requests) == 1


def test_of_two_claims_of_one_row_the_first_wins(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    one, other = MessageQueue(at.database, at.context), MessageQueue(at.database, at.context)
    with at.database.write() as connection:
        (lane,) = one.due(connection, at.now)
        row = one.next_row(connection, lane, at.now)
    other.next_row = lambda *_: row  # as another process read it, too
    with at.database.write() as connection:
        assert one.claim(connection, lane, at.now) is not None
        assert other.claim(connection, lane, at.now) is None
    assert one.claim_seconds == message_queue.CLAIM_SECONDS
