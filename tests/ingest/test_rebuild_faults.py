"""A rebuild of the event store loses, doubles and hides nothing, whatever happens around it."""

from collections.abc import Iterator

import pytest

from tallystick import clock
from tallystick.clock import DAY_US, rfc3339
from tallystick.errors import SettingsError, Unavailable
from tallystick.ingest.rebuild_requests import unfinished_rebuild
from tallystick.query.scope import Scope
from tallystick.retention.purge import Purger
from tallystick.store import rebuild
from tallystick.store.events import EventStore
from tallystick.store.schema import CREATE_SETTINGS, REBUILD, STORE_VERSION, create_table
from tallystick.store.versions import TableVersion
from tests.fixtures.spine import Spine
from tests.ingest.rebuild_driver import (
    ask,
    assert_whole,
    drop,
    make_first_release,
    rebuilder,
    run,
)  # fmt: skip
from tests.retention.purge_driver import purge_with

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]
COUNT = 60


@pytest.fixture(autouse=True)
def table_of_this_version(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test begins and ends with an empty table of this version, and has a few pieces where a few events are."""
    monkeypatch.setattr(rebuild, "PIECE", 16)
    drop(store)
    store.open()
    yield
    drop(store)
    store.open()


def organization(spine: Spine, slug: str = "acme", count: int = COUNT) -> Scope:
    """An organization with so many stored events."""
    scope = spine.organization(slug)
    spine.record(scope, *({"action": "project.updated", "metadata": {"n": n}} for n in range(count - 1)))
    spine.ship()
    return scope


def detail(spine: Spine) -> str:
    """What the rebuild under way waits for."""
    with spine.database.read() as connection:
        row = unfinished_rebuild(connection)
    assert row is not None
    return str(row.detail)


def lose(spine: Spine, scope: Scope, first: int, end: int) -> None:
    """Let the table lose rows without a word: as with a damaged part, or one that was removed."""
    spine.store.change(
        f"DELETE FROM events WHERE org_id = {{org:UUID}} AND seq >= {first} AND seq < {end}", {"org": str(scope.org_id)}
    )
    spine.forget_tail(scope, range(first, end))


def rows_of(spine: Spine, table: str, scope: Scope) -> list[int]:
    found = spine.store.rows(
        f"SELECT seq FROM {table} WHERE org_id = {{org:UUID}} ORDER BY seq", {"org": str(scope.org_id)}
    )
    return [row[0] for row in found]


@pytest.mark.both_stores
def test_what_the_table_loses_during_a_rebuild_stays_in_the_copy_until_it_is_back(spine: Spine) -> None:
    scope = organization(spine)
    ask(spine)
    worker = rebuilder(spine)
    while rebuild.copy_version(spine.store) is None or rebuild.read_progress(spine.store).rows < 32:
        assert worker.step()
    spine.store.change("CREATE TABLE kept AS events", settings=CREATE_SETTINGS)
    spine.store.change("INSERT INTO kept SELECT * FROM events")
    lose(spine, scope, 3, 9)
    with pytest.raises(Unavailable, match="6 events that the event store lacks are in its table events_rebuild"):
        run(spine)
    assert "tallystick store restore-range" in detail(spine)
    assert set(range(3, 9)) <= set(rows_of(spine, REBUILD, scope))
    spine.store.change("INSERT INTO events SELECT * FROM kept WHERE seq >= 3 AND seq < 9")
    spine.store.change("DROP TABLE kept SYNC")
    run(spine)
    assert spine.indexes(scope.org_id) == list(range(COUNT))
    assert_whole(spine, scope)


def test_the_old_table_is_not_dropped_while_the_new_one_lacks_its_events(spine: Spine) -> None:
    scope = organization(spine)
    ask(spine)
    worker = rebuilder(spine)
    while spine.store.version().copy == 0:
        worker.step()
    lose(spine, scope, 3, 9)
    with pytest.raises(Unavailable, match="6 events that the event store lacks are in its table events_rebuild"):
        run(spine)
    assert rows_of(spine, REBUILD, scope) == list(range(COUNT))


def test_a_purge_between_the_exchange_and_the_end_is_taken_for_no_loss(spine: Spine, monkeypatch) -> None:
    monkeypatch.setattr(rebuild, "holds_deleted_bytes", lambda _store, _since: False)
    scope = spine.organization(days=30)
    long_ago = rfc3339(clock.now_us() - 31 * DAY_US)
    spine.record(scope, *[{"action": "user.login", "timestamp": long_ago}] * 20, *[{"action": "user.login"}] * 20)
    spine.ship()
    ask(spine)
    worker = rebuilder(spine)
    while spine.store.version().copy == 0:
        worker.step()
    purge_with(spine, Purger(spine.database, spine.store))
    expected = spine.indexes(scope.org_id)
    assert not set(expected) & set(range(1, 21))
    run(spine, worker)
    assert rebuild.copy_version(spine.store) is None
    assert spine.indexes(scope.org_id) == expected


def test_a_copy_is_not_dropped_where_the_table_was_lost_and_made_anew(spine: Spine) -> None:
    scope = organization(spine)
    spine.store.change(f"RENAME TABLE events TO {REBUILD}")  # by hand, or the table's metadata was lost
    spine.store.open()
    spine.forget_tail(scope, range(COUNT))
    with pytest.raises(Unavailable, match="events that the event store lacks are in its table events_rebuild"):
        run(spine)
    assert rows_of(spine, REBUILD, scope) == list(range(COUNT))


def test_a_table_that_a_newer_version_left_is_dropped_and_nothing_is_rebuilt(spine: Spine) -> None:
    scope = organization(spine)
    spine.store.change(create_table(REBUILD, 1), settings=CREATE_SETTINGS)
    spine.store.change(f"ALTER TABLE {REBUILD} MODIFY COMMENT 'tallystick store version {STORE_VERSION + 1}, copy 1'")
    run(spine)
    assert rebuild.copy_version(spine.store) is None
    assert spine.store.version() == TableVersion(STORE_VERSION, 0)
    assert spine.indexes(scope.org_id) == list(range(COUNT))


def test_a_table_without_its_version_is_rebuilt_and_keeps_every_event(spine: Spine) -> None:
    scope = organization(spine)
    ask(spine)
    run(spine)
    spine.store.change("ALTER TABLE events MODIFY COMMENT ''")
    run(spine)
    assert spine.store.version() == TableVersion(STORE_VERSION, 1)
    assert_whole(spine, scope)


def test_a_server_ends_when_a_newer_one_has_rebuilt_the_event_store(spine: Spine) -> None:
    organization(spine)
    newer = spine.organization("newer")
    ended: list[SettingsError] = []
    spine.identity.on_other_node = ended.append
    spine.shipper.held.end()  # another server had the lease, and exchanged the tables
    spine.store.change(f"ALTER TABLE events MODIFY COMMENT 'tallystick store version {STORE_VERSION + 1}, copy 1'")
    spine.record(newer, {"action": "project.updated"})
    with pytest.raises(SettingsError, match="start the newer version"):
        spine.shipper.step()
    assert len(ended) == 1
    assert not spine.shipper.held.is_held
    assert spine.indexes(newer.org_id) == []


@pytest.mark.both_stores
def test_many_small_organizations_are_copied_together(spine: Spine, monkeypatch) -> None:
    make_first_release(spine.store)
    scopes = [organization(spine, f"small-{number}", 3) for number in range(12)]
    scopes.append(organization(spine, "large"))
    statements: list[str] = []
    real = EventStore.insert_into

    def noted(store: EventStore, table: str, *given: object) -> None:
        statements.append(table)
        real(store, table, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(EventStore, "insert_into", noted)
    run(spine)
    assert len(statements) < len(scopes)
    for scope in scopes:
        assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))
        assert_whole(spine, scope)


def test_small_organizations_with_doubled_rows_are_copied_once(spine: Spine) -> None:
    scopes = [organization(spine, f"small-{number}", 3) for number in range(3)]
    spine.store.change("INSERT INTO events SELECT * FROM events", settings={"insert_deduplicate": 0})
    ask(spine)
    run(spine)
    for scope in scopes:
        assert spine.indexes(scope.org_id) == [0, 1, 2]


def test_small_organizations_with_the_same_ids_keep_their_own_events(spine: Spine) -> None:
    scope, other = organization(spine, "acme", 4), spine.organization("globex")
    spine.ship()
    of_other = f"toUUID('{other.org_id}')"
    spine.store.change(f"DELETE FROM events WHERE org_id = {of_other}")
    spine.store.change(f"INSERT INTO events SELECT * REPLACE ({of_other} AS org_id) FROM events WHERE seq < 3")
    ask(spine)
    run(spine)
    assert spine.indexes(scope.org_id) == [0, 1, 2, 3]
    assert spine.indexes(other.org_id) == [0, 1, 2]
