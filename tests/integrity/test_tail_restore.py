"""What the event store loses comes back from the tail of the journal, and nothing that was deleted comes with it."""

import pytest
from sqlalchemy import select, update

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.erasure.stages import ErasureStages
from tallystick.errors import Unavailable
from tallystick.integrity.missing_events import MissingEvents
from tallystick.journal import tail
from tallystick.journal.missing_ranges import IndexGap, read_missing, replace_missing
from tallystick.journal.tables import journal_tail
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.store import expiry
from tallystick.work import leases
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization, purge

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]


def kept(spine: Spine, scope: Scope) -> list[int]:
    """The indexes in the tail."""
    with spine.database.read() as connection:
        batches = tail.read(connection, scope.org_id, 0, 1000, most=1000)
    return [index for batch in batches for index in range(batch.first, batch.end)]


def missing(spine: Spine, scope: Scope) -> list[tuple[int, int]]:
    with spine.database.read() as connection:
        return [(one.first, one.last) for one in read_missing(connection, scope.org_id)]


def check(spine: Spine) -> None:
    MissingEvents(spine.database, spine.store).step()


def held_by_another(spine: Spine) -> None:
    """Another process brings events back."""
    with spine.database.write() as connection:
        assert leases.hold(connection, leases.RESTORE_LEASE, "another", now=clock.now_us(), seconds=86_400)


@pytest.mark.both_stores
@pytest.mark.both_engines
def test_lost_events_come_back_as_they_were_and_are_not_missing_any_more(spine: Spine) -> None:
    scope, other = organization(spine), organization(spine, "globex")
    expiry.delete_indexes(spine.store, scope, [0, 3, 4, 5, COUNT - 1])
    check(spine)
    assert spine.indexes(scope.org_id) == list(range(COUNT))
    assert missing(spine, scope) == []
    assert list(differences(spine.database, spine.store, scope, 0, COUNT)) == []
    assert spine.indexes(other.org_id) == list(range(COUNT))


def test_a_store_that_lost_everything_has_it_again(spine: Spine) -> None:
    scope = organization(spine)
    expiry.delete_indexes(spine.store, scope, range(COUNT))
    check(spine)
    assert spine.indexes(scope.org_id) == list(range(COUNT))
    assert missing(spine, scope) == []


def test_a_store_that_is_accepted_later_gets_back_what_the_tail_holds(spine: Spine) -> None:
    scope = organization(spine)
    expiry.delete_indexes(spine.store, scope, range(COUNT))
    spine.store.guard.refusal = "It is another store."
    background = MissingEvents(spine.database, spine.store)
    background.step()
    assert missing(spine, scope) == [(0, COUNT - 1)]
    spine.store.guard.refusal = ""
    background.step()
    assert spine.indexes(scope.org_id) == list(range(COUNT))
    assert missing(spine, scope) == []


def test_what_the_tail_does_not_hold_stays_missing(spine: Spine) -> None:
    scope = organization(spine)
    tail.remove(spine.database, scope.org_id, [4, 9], lambda _connection: False)
    expiry.delete_indexes(spine.store, scope, [3, 4, 9])
    check(spine)
    assert missing(spine, scope) == [(4, 4), (9, 9)]


def test_an_event_that_does_not_give_its_entry_in_the_log_does_not_come_back(spine: Spine) -> None:
    scope, other = organization(spine), organization(spine, "globex")
    expiry.delete_indexes(spine.store, scope, range(COUNT))
    with spine.database.write() as connection:
        later = journal_tail.c.first_index > 0
        theirs = select(journal_tail.c.body).where(journal_tail.c.org_id == other.org_id, later)
        body = connection.execute(theirs).scalars().first()
        connection.execute(update(journal_tail).where(journal_tail.c.org_id == scope.org_id, later).values(body=body))
    check(spine)
    assert spine.indexes(scope.org_id) == [0]
    assert missing(spine, scope) == [(1, COUNT - 1)]


@pytest.mark.both_stores
@pytest.mark.both_engines
def test_a_purge_removes_its_events_from_the_tail_and_they_do_not_come_back(spine: Spine) -> None:
    scope = organization(spine, old=5)
    assert kept(spine, scope) == list(range(COUNT))
    purge(spine)
    left = [index for index in range(COUNT) if not 1 <= index <= 5]
    assert [index for index in kept(spine, scope) if index < COUNT] == left
    expiry.delete_indexes(spine.store, scope, range(COUNT))
    check(spine)
    assert [index for index in spine.indexes(scope.org_id) if index < COUNT] == left
    assert missing(spine, scope) == []


def test_nothing_is_deleted_while_lost_events_are_brought_back(spine: Spine) -> None:
    scope = organization(spine, old=5)
    held_by_another(spine)
    purge(spine)
    assert [index for index in spine.indexes(scope.org_id) if index < COUNT] == list(range(COUNT))
    assert not tail.remove(spine.database, scope.org_id, [3], leases.deletions_must_wait)
    assert 3 in kept(spine, scope)


def test_one_process_at_a_time_brings_events_back(spine: Spine) -> None:
    scope = organization(spine)
    expiry.delete_indexes(spine.store, scope, [3])
    held_by_another(spine)
    check(spine)
    assert missing(spine, scope) == [(3, 3)]


def test_an_erasure_waits_for_events_that_are_missing(spine: Spine) -> None:
    scope = organization(spine)
    with spine.database.write() as connection:
        replace_missing(connection, scope.org_id, [IndexGap(3, 3, 1)], now=clock.now_us(), by="start")

    class Row:
        org_id = scope.org_id
        end_index = COUNT

    stages = ErasureStages(spine.database, spine.store, None, (), None)  # type: ignore[arg-type]
    with pytest.raises(Unavailable, match="lacks some events"):
        stages.wait(Row())  # type: ignore[arg-type]


def test_the_tail_is_kept_for_its_hours_and_its_bytes(spine: Spine) -> None:
    scope = organization(spine)
    spine.record(scope, {"action": "user.logout"})
    spine.ship()
    now = clock.now_us()
    with spine.database.write() as connection:
        earlier = journal_tail.c.first_index < COUNT
        connection.execute(update(journal_tail).where(earlier).values(kept_at=now - DAY_US))
        tail.trim(connection, before=now - DAY_US, most_bytes=1 << 20)
    assert kept(spine, scope) == list(range(COUNT + 1))
    with spine.database.write() as connection:
        tail.trim(connection, before=now - 2 * DAY_US, most_bytes=tail.size(connection) - 1)
    assert kept(spine, scope) == [COUNT]
    with spine.database.write() as connection:
        tail.trim(connection, before=now + DAY_US, most_bytes=1 << 20)
    assert kept(spine, scope) == []
