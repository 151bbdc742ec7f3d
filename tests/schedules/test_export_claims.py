"""Crashes, other processes, and the next run: a file is delivered once, or again under the same id."""

import pytest
from sqlalchemy import update

from tallystick.clock import DAY_US, SECOND_US
from tallystick.exports.tables import exports
from tallystick.schedules.export_queue import CLAIM_SECONDS, ExportQueue
from tallystick.work import leases
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import (
    ScheduleDriver,
    at,
    attached,
    indexes,
    mail_of,
    owner,
    schedule,
    shown,
)

NOW = at("2024-03-04 12:00")
EVENT = {"action": "thing.done"}


def test_a_crash_before_it_was_recorded_sends_it_again_under_the_same_id(
    sqlite_spine: Spine, maya, mailbox, driver, tmp_path, monkeypatch
):
    made = schedule(sqlite_spine, maya, NOW)

    def die(*_args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(ExportQueue, "record", die)
        with pytest.raises(SystemExit):
            driver.settle(NOW + DAY_US)
    ScheduleDriver(sqlite_spine, tmp_path, mailbox[1]).settle(NOW + DAY_US + (CLAIM_SECONDS + 1) * SECOND_US)
    one, other = (mail_of(content) for _, content in mailbox[0].messages)
    assert one["Message-ID"] == other["Message-ID"]
    assert attached(one) == attached(other)
    assert shown(sqlite_spine, maya, made.public_id).last_run.state == "delivered"


def test_after_a_crash_the_only_process_there_can_be_sends_it_at_once(
    sqlite_spine: Spine, maya, mailbox, driver, tmp_path, monkeypatch
):
    schedule(sqlite_spine, maya, NOW)

    def die(*_args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(ExportQueue, "record", die)
        with pytest.raises(SystemExit):
            driver.settle(NOW + DAY_US)
    again = ScheduleDriver(sqlite_spine, tmp_path, mailbox[1])
    sqlite_spine.shipper.close()  # it is one of the next process from here on
    with sqlite_spine.database.write() as connection:
        leases.forget_all(connection)
        again.worker.release_claims(connection, NOW + DAY_US)
    again.settle(NOW + DAY_US)
    assert len(mailbox[0].messages) == 2


def test_another_file_of_the_same_run_goes_under_another_id(
    sqlite_spine: Spine, maya, mailbox, driver, tmp_path, monkeypatch
):
    schedule(sqlite_spine, maya, NOW)

    def die(*_args: object) -> None:
        raise SystemExit

    with monkeypatch.context() as patched:
        patched.setattr(ExportQueue, "record", die)
        with pytest.raises(SystemExit):
            driver.settle(NOW + DAY_US)
    sqlite_spine.shipper.close()  # it is one of the next process from here on
    with sqlite_spine.database.write() as connection:
        connection.execute(update(exports).values(gone="erased"))
        leases.forget_all(connection)  # as at the start of the next process
    ScheduleDriver(sqlite_spine, tmp_path, mailbox[1]).settle(NOW + DAY_US + (CLAIM_SECONDS + 1) * SECOND_US)
    one, other = (mail_of(content) for _, content in mailbox[0].messages)
    assert one["Message-ID"] != other["Message-ID"]


def test_of_two_processes_one_sends(spine: Spine, tmp_path, mailbox):
    maya = owner(spine, spine.organization())
    schedule(spine, maya, NOW)
    one, other = ScheduleDriver(spine, tmp_path, mailbox[1]), ScheduleDriver(spine, tmp_path, mailbox[1])
    assert one.scheduler.step(NOW + DAY_US)
    assert not other.scheduler.step(NOW + DAY_US)
    one.settle(NOW + DAY_US)
    assert len(mailbox[0].messages) == 1


def test_of_two_that_believe_to_hold_the_lease_one_sends(spine: Spine, tmp_path, mailbox, monkeypatch):
    maya = owner(spine, spine.organization())
    schedule(spine, maya, NOW)
    one, other = ScheduleDriver(spine, tmp_path, mailbox[1]), ScheduleDriver(spine, tmp_path, mailbox[1])
    monkeypatch.setattr(other.queue, "may_work", lambda _now: True)
    send = one.queue.send

    def send_meanwhile(*given):
        other.deliver(NOW + DAY_US)  # while the first one is still sending
        return send(*given)

    monkeypatch.setattr(one.queue, "send", send_meanwhile)
    one.settle(NOW + DAY_US)
    assert len(mailbox[0].messages) == 1


def test_the_next_run_does_not_begin_while_a_file_is_being_sent(
    sqlite_spine: Spine, maya, mailbox, driver, monkeypatch
):
    schedule(sqlite_spine, maya, NOW)
    send, began = driver.queue.send, []

    def send_meanwhile(*given):
        began.append(driver.scheduler.step(NOW + 2 * DAY_US))  # the next run is due, which would end this one
        return send(*given)

    with monkeypatch.context() as patched:
        patched.setattr(driver.queue, "send", send_meanwhile)
        patched.setattr("tallystick.schedules.export_queue.ExportQueue.claim_seconds", 2 * DAY_US // SECOND_US)
        driver.settle(NOW + DAY_US)
    driver.settle(NOW + 2 * DAY_US)
    everything = [index for _, content in mailbox[0].messages for index in indexes(attached(mail_of(content)) or b"")]
    assert began == [False]
    assert sorted(everything) == list(range(len(everything))), "each event once"
