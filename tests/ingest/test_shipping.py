"""From the journal into the store: whatever happens on the way, each event arrives once."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import pytest

from tallystick import clock
from tallystick.errors import Conflict
from tallystick.events.intake import MAX_EVENT
from tallystick.ids import decode
from tallystick.ingest import shipments
from tallystick.ingest.shipper import Shipper
from tallystick.journal import batches, set_aside
from tallystick.query.conditions import Equals, Query
from tallystick.search import scan
from tallystick.store.errors import StoreError
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.both_stores

whole = batches.read


def event(number: int, **more: object) -> dict[str, object]:
    return {"action": "project.updated", "metadata": {"number": number}, **more}


def waiting(spine: Spine) -> int:
    with spine.database.read() as connection:
        return batches.size(connection)[0]


@contextmanager
def changed(spine: Spine, there: str, back: str) -> Iterator[None]:
    """The store with a statement applied, and undone afterwards."""
    with spine.store._writers.borrow() as client:
        client.command(there)
    try:
        yield
    finally:
        with spine.store._writers.borrow() as client:
            client.command(back)


def refusing(spine: Spine) -> object:
    """The store refuses every event with the action poison.pill."""
    return changed(
        spine,
        "ALTER TABLE events ADD CONSTRAINT no_poison CHECK action != 'poison.pill'",
        "ALTER TABLE events DROP CONSTRAINT no_poison",
    )


def gone(spine: Spine) -> object:
    """The store answers, and its table is not there."""
    return changed(spine, "RENAME TABLE events TO events_away", "RENAME TABLE events_away TO events")


def test_the_journal_is_empty_when_everything_is_stored(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    assert waiting(spine) > 0
    spine.ship()
    assert waiting(spine) == 0


@pytest.mark.both_stores
def test_recording_goes_on_while_the_store_is_gone_and_it_catches_up(spine: Spine) -> None:
    scope = spine.organization()
    spine.ship()
    with gone(spine):  # type: ignore[attr-defined]
        for number in range(5):
            spine.record(scope, event(number))
            with pytest.raises(StoreError):
                spine.shipper.step()
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def test_recording_goes_on_while_the_store_is_slow(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    spine.record(scope, event(0))
    with spine.store._writers.borrow():  # the one way into the store is taken
        shipping = threading.Thread(target=spine.ship)
        shipping.start()
        for number in range(20):
            spine.record(scope, event(number))
        assert waiting(spine) >= 20
    shipping.join()
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.both_stores
def test_one_event_that_the_store_refuses_is_set_aside_and_the_others_arrive(spine: Spine) -> None:
    alice, bob = spine.organization("alice"), spine.organization("bob")
    with refusing(spine):  # type: ignore[attr-defined]
        spine.record(
            alice, *(event(n) for n in range(40)), event(1, action="poison.pill"), *(event(n) for n in range(7))
        )
        spine.record(bob, event(1))
        spine.ship()
    poisoned = spine.size(alice.org_id) - 8
    assert spine.indexes(alice.org_id) == [n for n in range(spine.size(alice.org_id)) if n != poisoned]
    assert spine.indexes(bob.org_id) == list(range(spine.size(bob.org_id)))
    with spine.database.read() as connection:
        kept = set_aside.of_organization(connection, alice.org_id)
    assert [(index, record.action) for index, record in kept] == [(poisoned, "poison.pill")]


def test_an_event_that_is_set_aside_is_found_counted_and_read(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    with refusing(spine):  # type: ignore[attr-defined]
        answer = spine.record(scope, event(1), event(2, action="poison.pill"), event(3))
        spine.ship()
    pill = answer.events[1]
    found = spine.finder.page(scope, Query(Equals("action", ("poison.*",))), count="exact")
    assert [one.index for one in found.data] == [pill.index]
    assert found.total == 1
    everything = spine.finder.page(scope, Query(), count="exact")
    assert sorted(one.index for one in everything.data) == list(range(spine.size(scope.org_id)))
    assert everything.total == spine.size(scope.org_id)
    in_order = spine.finder.page(scope, Query(), order="recorded")
    assert [one.index for one in in_order.data] == list(range(spine.size(scope.org_id)))
    one = spine.finder.find_one(scope, decode("evt", pill.id))
    assert one is not None
    assert one.index == pill.index


def fixed(spine: Spine) -> tuple[shipments.Shipment, list[tuple[UUID, int, list[object]]]]:
    """Fix a shipment as the shipper does, and then die."""
    with spine.database.write() as connection:
        groups = shipments.next_groups(connection)
        shipment = shipments.fix(connection, groups, store_id=spine.store.identities()[0], now=clock.now_us())
    return shipment, groups  # type: ignore[return-value]


def test_what_another_shipment_has_fixed_meanwhile_is_not_fixed_again(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, event(1))
    with spine.database.read() as connection:
        groups = shipments.next_groups(connection)
    fixed(spine)
    with pytest.raises(Conflict), spine.database.write() as connection:
        shipments.fix(connection, groups, store_id=spine.store.identities()[0], now=clock.now_us())
    restarted(spine)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def restarted(spine: Spine) -> None:
    spine.shipper = Shipper(spine.database, spine.store, spine.identity)


@pytest.mark.both_stores
def test_a_crash_before_the_insert_loses_nothing(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    fixed(spine)
    restarted(spine)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.both_stores
def test_a_crash_after_the_insert_doubles_nothing(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    shipment, groups = fixed(spine)
    spine.store.insert(groups, shipment.token)  # type: ignore[arg-type]
    restarted(spine)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.both_stores
def test_a_shipment_that_arrived_in_part_is_completed(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    shipment, groups = fixed(spine)
    org_id, first, records = groups[0]
    spine.store.insert([(org_id, first + 3, records[3:6])], shipment.token)  # type: ignore[list-item]
    restarted(spine)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.both_stores
def test_a_token_that_the_store_remembers_without_its_rows_drops_nothing(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    shipment, groups = fixed(spine)
    spine.store.insert(groups, shipment.token)  # type: ignore[arg-type]
    with spine.store._writers.borrow() as client:
        client.command(
            "DELETE FROM events WHERE org_id = {org:UUID}", parameters={"org": str(scope.org_id)},
            settings={"lightweight_deletes_sync": 2},
        )  # fmt: skip
    assert spine.indexes(scope.org_id) == []
    restarted(spine)
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def test_a_backfill_over_150_months_passes(sqlite_spine: Spine) -> None:
    spine = sqlite_spine
    scope = spine.organization()
    months = [f"{2010 + n // 12}-{n % 12 + 1:02}-15T12:00:00Z" for n in range(150)]
    spine.record(scope, *(event(n, timestamp=months[n * 7 % 150]) for n in range(600)))
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


def test_two_shippers_never_send_at_once(spine: Spine) -> None:
    scope = spine.organization()
    spine.record(scope, *(event(n) for n in range(10)))
    other = Shipper(spine.database, spine.store, spine.identity)
    assert spine.shipper.step()
    assert not other.step()
    spine.ship()
    assert spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.parametrize(
    ("name", "most"), [("MOST_EVENTS", 10), ("MOST_BYTES", MAX_EVENT + 4000)], ids=["events", "bytes"]
)
def test_a_backlog_of_one_organization_delays_no_others_events(sqlite_spine: Spine, monkeypatch, name: str, most: int):
    many, few = sqlite_spine.organization("many"), sqlite_spine.organization("few")
    sqlite_spine.ship()
    monkeypatch.setattr(shipments, name, most)
    sqlite_spine.record(many, *(event(number, request={"text": "x" * 2000}) for number in range(100)))
    theirs = sqlite_spine.record(few, event(1), event(2))
    before = len(sqlite_spine.indexes(many.org_id))
    assert sqlite_spine.shipper.step()
    assert theirs.last_index in sqlite_spine.indexes(few.org_id)
    assert before < len(sqlite_spine.indexes(many.org_id)) < before + 100
    sqlite_spine.ship()
    assert len(sqlite_spine.indexes(many.org_id)) == sqlite_spine.size(many.org_id)


def test_no_organization_waits_for_ever_beside_many_small_ones(sqlite_spine: Spine, monkeypatch):
    others = [sqlite_spine.organization(f"small-{number}") for number in range(4)]
    large = sqlite_spine.organization("large")
    sqlite_spine.ship()
    monkeypatch.setattr(shipments, "MOST_EVENTS", 10)
    sqlite_spine.record(large, *(event(number) for number in range(50)))
    for other in others:
        sqlite_spine.record(other, *(event(number) for number in range(8)))
    before = len(sqlite_spine.indexes(large.org_id))
    sqlite_spine.shipper.step()
    assert len(sqlite_spine.indexes(large.org_id)) == before + 2


def test_a_backlog_is_read_piece_by_piece_and_whole(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = spine.organization()
    for number in range(5):
        spine.record(scope, event(number), event(number))
    monkeypatch.setattr(scan, "JOURNAL_EVENTS", 3)
    read: list[int] = []
    monkeypatch.setattr(batches, "read", lambda *args, **options: read.append(args[2]) or whole(*args, **options))
    found = [index for index, _ in scan.read_unstored(spine.database, scope, 1, spine.size(scope.org_id) - 1)]
    assert found == list(range(1, spine.size(scope.org_id) - 1))
    assert len(read) >= 3
