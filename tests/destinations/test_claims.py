"""Claims, clocks and restarts: nothing goes twice, nothing waits for a process that is dead."""

from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from tallystick.clock import SECOND_US
from tallystick.destinations.delivery_queue import AttemptOutcome, DeliveryResult
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.destinations.message_queue import CLAIM_SECONDS, MessageQueue
from tallystick.destinations.tables import deliveries as deliveries_table
from tests.destinations.destination_driver import HOUR, DeliveryDriver
from tests.destinations.receiver import open_receiver
from tests.fixtures.waiting import wait_until


def test_two_workers_send_it_once_and_one_that_died_is_followed(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    other = DeliveryWorker(at.database, MessageQueue(at.database, at.context))
    at.worker.step(at.now)
    assert not other.step(at.now)
    at.worker.wait_for_attempts()
    at.worker.step(at.now)
    assert len(receiver.requests) == 1
    at.put(made, "alr_2")
    with at.database.write() as connection:  # as a process leaves it that dies while it sends
        connection.execute(
            update(deliveries_table)
            .where(deliveries_table.c.message_id == "alr_2")
            .values(claimed_until=at.now + CLAIM_SECONDS * SECOND_US)
        )
    assert not other.step(at.now)
    other.step(at.now + HOUR)
    other.close()
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == ["alr_1", "alr_2"]


def test_a_failure_that_comes_late_does_not_undo_what_another_process_sent(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    receiver.status = 410
    at.worker.step(at.now)
    at.worker.wait_for_attempts()
    with at.database.write() as connection:  # as another process records it after the claim expired
        connection.execute(update(deliveries_table).values(state="sent", attempts=1, claimed_until=None))
    at.worker.step(at.now)
    assert at.state(made) == ["sent"]


def overtaken(at: DeliveryDriver):
    """Send, and record the outcome late: another process has claimed it meanwhile; its queue, claim and time."""
    at.worker.step(at.now)
    at.worker.wait_for_attempts()
    late = at.now + (CLAIM_SECONDS + 1) * SECOND_US
    queue = MessageQueue(at.database, at.context)
    with at.database.write() as connection:
        (lane,) = queue.due(connection, late)
        claim = queue.claim(connection, lane, late)
    at.worker.step(late)
    return queue, claim, late


@pytest.mark.parametrize("status", [410, 500])
def test_a_failure_that_comes_late_does_not_end_the_claim_of_who_sends_meanwhile(at, receiver, status):
    made = at.make(receiver.url)
    at.put(made)
    receiver.status = status
    queue, claim, late = overtaken(at)
    with at.database.read() as connection:
        row = connection.execute(select(deliveries_table)).one()
    assert (row.state, row.claimed_until, row.attempts) == ("waiting", claim.until, 0)
    assert (at.health(made).enabled, at.health(made).failures) == (True, 0), "the other process knows more"
    with at.database.write() as connection:
        queue.record(connection, AttemptOutcome(claim, DeliveryResult(), late, 1))
    assert at.state(made) == ["sent"]


def test_a_success_that_comes_late_is_recorded_and_the_failure_of_who_sent_again_changes_nothing(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    queue, claim, late = overtaken(at)
    with at.database.write() as connection:
        queue.record(connection, AttemptOutcome(claim, DeliveryResult("broken"), late, 1))
    assert at.state(made) == ["sent"]
    assert at.health(made).failures == 0


def test_a_clock_that_was_ahead_and_is_set_back_keeps_nothing_waiting(at, receiver):
    made = at.make(receiver.url)
    at.now += 24 * HOUR
    at.put(made)
    with at.database.write() as connection:
        claim = {"claimed_until": at.now + CLAIM_SECONDS * SECOND_US}
        connection.execute(update(deliveries_table).values(claim))  # whoever sent it died
    at.go(-24 * HOUR)
    assert [headers["webhook-id"] for headers, _ in receiver.requests] == ["alr_1"]
    receiver.status = 500
    at.now += 24 * HOUR
    at.put(made, "alr_2")
    at.go(-24 * HOUR)
    assert len(receiver.requests) == 2, "once failed, it waits for its time"


def test_a_clock_that_jumps_by_weeks_gives_up_nothing_that_waits(at, receiver):
    made = at.make(receiver.url)
    receiver.status = 500
    at.put(made)
    at.go()
    at.put(made, "alr_2")
    receiver.status = 204
    at.go(21 * 24 * HOUR)
    assert at.state(made) == ["sent", "sent"]


def test_the_slow_destinations_of_one_organization_hold_up_no_other(at, receiver, spine):
    receiver.wait = 3
    slow = [at.make(receiver.url) for _ in range(MessageQueue.max_of_organization + 2)]
    for one in slow:
        at.put(one)
    with open_receiver() as quick:
        other = DeliveryDriver(spine, slug="other")
        other.put(other.make(quick.url))
        at.now = other.now
        at.worker.step(at.now)  # one process sends for all
        wait_until(lambda: len(quick.requests) == 1 and len(receiver.requests) >= MessageQueue.max_of_organization)
        assert len(receiver.requests) == MessageQueue.max_of_organization
        other.worker.close()
    receiver.wait = 0
    at.worker.wait_for_attempts()
    at.go()
    assert len(receiver.requests) == MessageQueue.max_of_organization + 2


def test_a_server_that_stops_begins_nothing_more(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    at.worker.close()
    assert receiver.requests == []
    assert at.state(made) == ["waiting"]


def test_at_a_start_nothing_waits_for_whoever_sent_before(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    with at.database.write() as connection:
        claim = {"claimed_until": at.now + CLAIM_SECONDS * SECOND_US}
        connection.execute(update(deliveries_table).values(claim))
    at.go()
    assert receiver.requests == []
    with at.database.write() as connection:
        at.worker.release_claims(connection, at.now)
    at.go()
    assert at.state(made) == ["sent"]


def test_times_of_attempts_are_of_the_attempt(at, receiver):
    made = at.make(receiver.url)
    at.put(made)
    at.go(HOUR)
    stamp = int(receiver.requests[0][0]["webhook-timestamp"])
    assert datetime.fromtimestamp(stamp, UTC) == datetime.fromtimestamp(at.now // SECOND_US, UTC)
