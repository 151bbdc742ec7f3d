"""Of several processes one holds a lease, renews it in time, and notices when it has lost it."""

import pytest

from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.work import leases as work_leases
from tallystick.work.leases import BACKUP_SECONDS, Lease, LeaseLost, leases

NOW = 1_800_000_000 * SECOND_US
SECONDS = 90


def lease(database: Database) -> Lease:
    return Lease(database, "a-work", seconds=SECONDS)


def until(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(leases.select()).one().until)


def test_one_holds_it_and_another_gets_it_when_it_has_run_out(database: Database) -> None:
    one, other = lease(database), lease(database)
    assert one.hold(NOW)
    assert not other.hold(NOW + (SECONDS - 1) * SECOND_US)
    assert other.hold(NOW + (SECONDS + 1) * SECOND_US)


def test_whoever_lost_it_notices(database: Database) -> None:
    one, other = lease(database), lease(database)
    assert one.hold(NOW)
    later = NOW + (SECONDS + 1) * SECOND_US
    assert other.hold(later)
    assert not one.hold(later)
    assert not one.hold(later + SECOND_US)


@pytest.mark.parametrize("seconds", [SECONDS // 3, SECONDS - 1, -3600])
def test_it_is_renewed_after_a_third_of_its_time_and_when_the_clock_was_put_back(
    sqlite_database: Database, seconds: int
) -> None:
    one = lease(sqlite_database)
    assert one.hold(NOW)
    assert one.hold(NOW + seconds * SECOND_US)
    assert until(sqlite_database) == NOW + (seconds + SECONDS) * SECOND_US


def test_what_is_held_writes_nothing_for_a_third_of_its_time(sqlite_database: Database) -> None:
    one = lease(sqlite_database)
    assert one.hold(NOW)
    assert one.hold(NOW + (SECONDS // 3 - 1) * SECOND_US)
    assert until(sqlite_database) == NOW + SECONDS * SECOND_US


def test_once_it_is_given_up_the_next_begins_at_once(database: Database) -> None:
    one, other = lease(database), lease(database)
    assert one.hold(NOW)
    one.end()
    assert other.hold(NOW)
    assert not one.hold(NOW)


def test_a_lease_that_was_lost_and_regained_is_a_new_term(database: Database) -> None:
    one, other = lease(database), lease(database)
    assert one.hold(NOW)
    term = one.term
    assert other.hold(NOW + (SECONDS + 1) * SECOND_US)
    other.end()
    assert one.hold(NOW + (SECONDS + 2) * SECOND_US)
    assert one.term != term
    with database.write() as connection:
        one.require(connection)
        with pytest.raises(LeaseLost):
            work_leases.require(connection, "a-work", term)


def test_a_lease_that_expired_and_that_nobody_took_is_the_same_term(database: Database) -> None:
    one = lease(database)
    assert one.hold(NOW)
    term = one.term
    assert one.hold(NOW + 9 * SECONDS * SECOND_US)
    assert one.term == term


def test_a_backup_goes_on_unless_a_deletion_went_ahead_over_its_expired_lease(database: Database) -> None:
    expired = NOW + (BACKUP_SECONDS + 1) * SECOND_US
    with database.write() as connection:
        assert work_leases.begin_backup(connection, "a backup", now=NOW)
        assert work_leases.renew_backup(connection, "a backup", now=expired)
        assert not work_leases.deletions_must_wait(connection, now=expired + BACKUP_SECONDS * SECOND_US + 1)
        # Its machine stood still, and its clock with it.
        assert not work_leases.renew_backup(connection, "a backup", now=NOW)
