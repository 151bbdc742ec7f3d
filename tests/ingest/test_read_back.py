"""Stored means read back: a shipment leaves the journal only when the event store holds all of it, in whole files."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.ingest.shipments import ShipmentRange, without
from tallystick.store import read_back
from tallystick.store.errors import StoreError
from tallystick.store.read_back import NotReadBack
from tests.fixtures.spine import Spine
from tests.ingest.test_shipping import event, fixed, restarted, waiting

pytestmark = pytest.mark.both_stores


def recorded(spine: Spine, count: int = 10):
    """An organization with events that are in the journal, and nothing else there."""
    scope = spine.organization()
    spine.ship()
    spine.record(scope, *(event(number) for number in range(count)))
    return scope


def after_insert(spine: Spine, monkeypatch: pytest.MonkeyPatch, harm, times: int = 1) -> None:
    """Call `harm` with the paths of the parts that the next inserts make, before they return."""
    insert, left = spine.store.insert, [times]

    def insert_and_harm(groups, token):
        before = read_back.inserted_parts(spine.store)
        insert(groups, token)
        if left[0]:
            left[0] -= 1
            harm(sorted(set(read_back.inserted_parts(spine.store)) - set(before)))

    monkeypatch.setattr(spine.store, "insert", insert_and_harm)


def paths(spine: Spine, parts: list[str]) -> list[Path]:
    rows = spine.store.rows(
        "SELECT path FROM system.parts WHERE active AND table = 'events' AND name IN {parts:Array(String)}",
        {"parts": parts},
    )
    return [Path(row[0]) for row in rows]


def whole(spine: Spine, scope) -> bool:
    return spine.indexes(scope.org_id) == list(range(spine.size(scope.org_id)))


@pytest.mark.both_stores
@pytest.mark.parametrize("pattern", ["data.bin", "data.cmrk*", "primary*", "skp_idx_search*", "*"])
def test_a_part_with_an_empty_file_is_taken_out_and_its_events_are_shipped_again(sqlite_spine, monkeypatch, pattern):
    spine = sqlite_spine
    scope = recorded(spine)

    def harm(parts):
        files = [file for path in paths(spine, parts) for file in path.glob(pattern)]
        assert files
        for file in files:
            file.write_bytes(b"")

    after_insert(spine, monkeypatch, harm)
    spine.shipper.step()
    assert waiting(spine) == 10, "nothing leaves the journal before it was read back"
    spine.ship()
    assert waiting(spine) == 0
    assert whole(spine, scope)


def test_a_damaged_part_that_a_full_disk_keeps_in_the_table_is_taken_out_by_the_next_try(sqlite_spine, monkeypatch):
    """Taking it out writes to the disk, and until then no statement over it works: not even which rows arrived."""
    spine = sqlite_spine
    scope = recorded(spine)

    def harm(parts):
        for path in paths(spine, parts):
            for file in path.glob("data.*"):
                file.write_bytes(b"")
        monkeypatch.setattr(spine.store.guard, "has_space", lambda: False)

    after_insert(spine, monkeypatch, harm)
    with pytest.raises(StoreError, match="too little free space"):
        spine.shipper.step()
    monkeypatch.setattr(spine.store.guard, "has_space", lambda: True)
    spine.ship()
    assert waiting(spine) == 0
    assert whole(spine, scope)


@pytest.mark.both_stores
def test_an_insert_that_reports_success_and_stores_nothing_is_repeated(sqlite_spine, monkeypatch):
    spine = sqlite_spine
    scope = recorded(spine)

    def harm(parts):
        for part in parts:
            spine.store.change(f"ALTER TABLE events DROP PART '{part}'")

    after_insert(spine, monkeypatch, harm)
    spine.shipper.step()
    assert waiting(spine) == 10
    spine.ship()
    assert waiting(spine) == 0
    assert whole(spine, scope)


def test_a_store_that_loses_every_insert_leaves_the_events_in_the_journal_and_is_asked_with_pauses(
    sqlite_spine, monkeypatch
):
    spine = sqlite_spine
    recorded(spine)
    monkeypatch.setattr(spine.store, "insert", lambda _groups, _token: None)
    spine.shipper.step()
    for _ in range(3):
        with pytest.raises(NotReadBack):
            spine.shipper.step()
    assert waiting(spine) == 10


@pytest.mark.both_stores
def test_rows_that_differ_from_what_was_sent_never_count_as_stored(sqlite_spine):
    spine = sqlite_spine
    scope = recorded(spine)
    shipment, groups = fixed(spine)
    spine.store.insert(groups, shipment.token)  # and the process ends before it knows
    spine.store.change("ALTER TABLE events UPDATE details = '{}' WHERE action = 'project.updated'")
    spine.shipper.close()
    restarted(spine)
    with pytest.raises(NotReadBack, match="details"):
        spine.shipper.step()
    assert waiting(spine) == 10
    spine.ship()  # they were removed, and are sent again
    assert waiting(spine) == 0
    assert whole(spine, scope)
    differing = "SELECT count() FROM events WHERE org_id = {org:UUID} AND action = 'project.updated' AND details = '{}'"
    assert spine.store.rows(differing, {"org": str(scope.org_id)})[0][0] == 0


@pytest.mark.both_stores
def test_rows_of_many_organizations_are_read_back_also_when_their_parts_are_merged(sqlite_spine):
    spine = sqlite_spine
    scopes = [spine.organization(f"many-{number}") for number in range(60)]
    for scope in scopes:
        spine.record(scope, event(1), event(2))
    spine.shipper.step()
    spine.store.change("OPTIMIZE TABLE events FINAL")
    spine.ship()
    assert waiting(spine) == 0
    assert all(whole(spine, scope) for scope in scopes)


@st.composite
def cut_ranges(draw: st.DrawFn) -> tuple[ShipmentRange, list[ShipmentRange]]:
    ends = sorted(draw(st.sets(st.integers(0, 40), min_size=2, max_size=10)))
    org_id = draw(st.uuids())
    pairs = list(zip(ends[::2], ends[1::2], strict=False))
    return ShipmentRange(org_id, 0, 40), [ShipmentRange(org_id, first, end) for first, end in pairs]


@given(cut=cut_ranges())
def test_what_is_left_of_ranges_and_what_is_left_out_are_the_whole(cut):
    part, left_out = cut
    kept = without([part], left_out)
    indexes = sorted(index for one in (*kept, *left_out) for index in range(one.first, one.end))
    assert indexes == list(range(part.first, part.end))
    assert all(one.first < one.end for one in kept)


def test_a_damaged_part_that_the_engine_has_taken_out_itself_is_no_error(sqlite_spine):
    read_back.detach_part(sqlite_spine.store, "2024_999_999_0")
