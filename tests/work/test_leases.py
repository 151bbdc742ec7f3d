"""Of several processes one holds a lease, renews it in time, and notices when it has lost it."""

import pytest

from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.work.leases import Lease, leases

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
