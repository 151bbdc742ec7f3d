"""A file that is lost while another attempt of its run is in progress: each event is delivered, and no file twice."""

import pytest
from sqlalchemy import select, update

from tallystick.clock import DAY_US, SECOND_US
from tallystick.destinations.delivery_queue import AttemptOutcome, Claim, DeliveryResult
from tallystick.destinations.local_directory import Directory
from tallystick.exports.tables import exports
from tallystick.schedules import changes
from tallystick.schedules.export_queue import FILE_MISSING
from tallystick.schedules.tables import schedule_recipients, schedule_runs
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import ScheduleDriver, at, attached, indexes, mail_of, schedule

DUE = at("2024-03-04 12:00") + DAY_US
SENT = DeliveryResult(method="attached")


@pytest.fixture
def driver(sqlite_spine: Spine, tmp_path, mailbox):
    return ScheduleDriver(sqlite_spine, tmp_path, mailbox[1], Directory(tmp_path / "out"))


@pytest.fixture
def daily(sqlite_spine: Spine, maya):
    return schedule(sqlite_spine, maya, DUE - DAY_US, to_storage=True)


def claim_both(driver: ScheduleDriver) -> tuple[Claim, Claim]:
    """The claims of the email and of the file in the operator's storage, once the run has its file."""
    driver.spine.sequencer.tick([])
    driver.spine.ship()
    assert driver.scheduler.step(DUE)
    while driver.exporter.step() or driver.scheduler.step(DUE):
        pass
    with driver.spine.database.write() as connection:
        lanes = driver.queue.due(connection, DUE)
        email, stored = (
            driver.queue.claim(connection, lane, DUE) for lane in sorted(lanes, key=lambda one: not one.by_email)
        )
    assert email is not None
    assert stored is not None
    return email, stored


def record(driver: ScheduleDriver, claim: Claim, result: DeliveryResult) -> None:
    outcome = AttemptOutcome(claim, result, DUE, 1)
    with driver.spine.database.write() as connection:
        driver.queue.record(connection, outcome)
    driver.queue.after_commit(outcome)


def lose_files(spine: Spine) -> None:
    with spine.database.write() as connection:
        connection.execute(update(exports).values(gone="erased"))


def column(spine: Spine, wanted) -> list:
    with spine.database.read() as connection:
        return list(connection.execute(select(wanted)).scalars())


def test_who_got_the_lost_file_gets_what_came_after_it_with_the_next(sqlite_spine, maya, mailbox, driver, daily):
    email, stored = claim_both(driver)
    end = email.row.until
    lose_files(sqlite_spine)
    sqlite_spine.record(maya, *[{"action": "thing.done"}] * 5)
    sqlite_spine.ship()
    record(driver, stored, FILE_MISSING)
    record(driver, email, SENT)
    with sqlite_spine.database.read() as connection:
        by_address = select(schedule_recipients.c.until).where(schedule_recipients.c.address == "maya@acme.com")
        assert connection.execute(by_address).scalar_one() == end
    driver.settle(DUE + 90 * SECOND_US)
    driver.settle(DUE + DAY_US)
    [(_, content)] = mailbox[0].messages
    assert indexes(attached(mail_of(content)) or b"")[0] == end


def test_two_attempts_that_miss_the_same_file_have_it_made_once(sqlite_spine, driver, daily):
    email, stored = claim_both(driver)
    lose_files(sqlite_spine)
    record(driver, stored, FILE_MISSING)
    record(driver, email, FILE_MISSING)
    assert len(column(sqlite_spine, exports.c.export_id)) == 2


def test_a_run_that_was_closed_meanwhile_stays_closed(sqlite_spine, maya, driver, daily):
    _, stored = claim_both(driver)
    lose_files(sqlite_spine)
    with sqlite_spine.database.write() as connection:
        changes.change(connection, maya, daily.public_id, {"enabled": False}, now=DUE)
    record(driver, stored, FILE_MISSING)
    assert column(sqlite_spine, schedule_runs.c.state) == ["failed"]
    assert len(column(sqlite_spine, exports.c.export_id)) == 1


def test_the_export_that_was_sent_counts_as_exported(sqlite_spine, driver, daily, monkeypatch):
    email, stored = claim_both(driver)
    lose_files(sqlite_spine)
    record(driver, stored, FILE_MISSING)
    finished = []
    monkeypatch.setattr(driver.exporter, "finish_download", lambda export: finished.append(export.export_id))
    record(driver, email, SENT)
    assert finished == [email.row.export_id]


def test_a_file_that_vanishes_while_it_is_sent_is_missing(driver, daily, monkeypatch):
    claims = claim_both(driver)
    load = driver.queue._load

    def load_and_lose(connection, row, now):
        file = load(connection, row, now)
        content = file.path.read_bytes()
        file.path.unlink()
        lost.append((file.path, content))
        return file

    lost = []
    monkeypatch.setattr(driver.queue, "_load", load_and_lose)
    for claim in claims:
        assert driver.queue.send(claim, DUE) == FILE_MISSING
        path, content = lost[-1]
        path.write_bytes(content)  # for the other attempt
