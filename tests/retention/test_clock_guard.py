"""The purge does not believe a clock that leapt ahead."""

import pytest
from sqlalchemy import select

from tallystick.clock import DAY_US, SECOND_US, now_us
from tallystick.retention import clock_guard
from tallystick.retention.clock_guard import CONFIRMATION, MAX_LEAP, UPDATE_INTERVAL, is_trusted
from tallystick.retention.purge import Purger
from tallystick.retention.tables import clock_witness
from tallystick.work import leases
from tests.fixtures.waiting import wait_until
from tests.retention.test_purge import event, purge

pytestmark = pytest.mark.one_engine

NOW = 1_800_000_000 * SECOND_US


def run(database, begin: int, length: int) -> list[bool]:
    """What is believed while the clock runs from `begin` on, looked at every nine minutes."""
    return [is_trusted(database, at) for at in range(begin, begin + length, 540 * SECOND_US)]


def test_a_clock_that_runs_is_believed(database):
    assert all(run(database, NOW, 3 * DAY_US))


def test_a_day_without_a_server_is_no_leap(database):
    assert is_trusted(database, NOW)
    assert is_trusted(database, NOW + MAX_LEAP)


@pytest.mark.both_engines
@pytest.mark.parametrize("leap", [MAX_LEAP + 1, 31 * DAY_US, 3650 * DAY_US])
def test_a_leap_is_believed_after_a_day_of_running(database, leap):
    is_trusted(database, NOW)
    believed = run(database, NOW + leap, CONFIRMATION + 2 * UPDATE_INTERVAL)
    assert not any(believed[:150])
    assert believed[-1]


def test_a_clock_that_returns_is_believed_at_once(database):
    is_trusted(database, NOW)
    assert not is_trusted(database, NOW + 3650 * DAY_US)
    assert is_trusted(database, NOW + UPDATE_INTERVAL)
    with database.read() as connection:
        assert clock_guard.doubted_times(connection) is None


def test_time_without_a_server_confirms_nothing(database):
    is_trusted(database, NOW)
    believed = [is_trusted(database, NOW + 400 * DAY_US + days * DAY_US) for days in range(20)]
    assert not any(believed)


def test_a_clock_that_leaps_again_begins_its_day_anew(database):
    is_trusted(database, NOW)
    run(database, NOW + 400 * DAY_US, CONFIRMATION - DAY_US // 10)
    assert not any(run(database, NOW + 800 * DAY_US, DAY_US // 2))


def test_the_operator_may_accept_it(database):
    is_trusted(database, NOW)
    assert not is_trusted(database, NOW + 400 * DAY_US)
    with database.write() as connection:
        clock_guard.accept_clock(connection, NOW + 400 * DAY_US)
    assert is_trusted(database, NOW + 400 * DAY_US)


def test_the_server_purges_nothing_by_a_clock_it_does_not_believe(sqlite_spine):
    spine = sqlite_spine
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    is_trusted(spine.database, now_us() - 400 * DAY_US)
    purger = Purger(spine.database, spine.store)
    purger.start()

    def doubted_at() -> int | None:
        with spine.database.read() as connection:
            return connection.execute(select(clock_witness.c.doubted_at)).scalar()

    wait_until(doubted_at)
    purger.stop()
    spine.sequencer.tick([])
    assert old in spine.indexes(scope.org_id)


def test_while_a_copy_is_made_nothing_is_deleted(spine):
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    with spine.database.write() as connection:
        assert leases.begin_backup(connection, "a copy", now=now_us())
    purge(spine)
    assert old in spine.indexes(scope.org_id)
    purge(spine, later=(leases.BACKUP_SECONDS + 1) * SECOND_US)  # the copy has died
    assert old not in spine.indexes(scope.org_id)
    with spine.database.write() as connection:
        assert not leases.renew_backup(connection, "a copy", now=now_us() + (leases.BACKUP_SECONDS + 1) * SECOND_US)
