"""`store restore-range`: missing events come back from any copy, as the log has them, and nothing that was deleted."""

import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from tallystick.copies.batch_copies import CopiedBatch, CopiedLog, encode_copies
from tallystick.copies.place_writer import OWNER
from tallystick.errors import Conflict, NotFound
from tallystick.integrity import range_restore
from tallystick.journal.tables import journal_tail
from tallystick.query.conditions import Query
from tallystick.search import scan
from tallystick.store.errors import StoreError
from tallystick.work import leases
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization, purge
from tests.integrity.range_restore_driver import OWN_URL, Place

pytestmark = pytest.mark.one_engine
# Fills the event store of another node with the rows of a file; the engine opens one data path in a process.
FILL = """
import sys
from tallystick.store.events import EventStore
from tallystick.store.transfer import insert_from
store = EventStore(sys.argv[1])
store.open()
with open(sys.argv[2], "rb") as file:
    list(insert_from(store, file, "copy", is_older=False))
store.close()
"""


@pytest.fixture
def place(spine: Spine, tmp_path: Path) -> Place:
    return Place(spine, tmp_path)


@pytest.mark.both_engines
def test_missing_events_come_back_from_a_backup_as_they_were(place: Place) -> None:
    scope, other = organization(place.spine), organization(place.spine, "globex")
    copy = place.backup()
    place.spine.lose(scope, [0, 3, 4, 5, COUNT - 1])
    (done,) = place.restore(copy)
    assert (done.slug, done.missing, done.restored, done.differing, done.left) == ("acme", 5, 5, 0, [])
    assert place.is_whole(scope)
    assert place.is_whole(other)


def test_missing_events_come_back_from_a_bundle_and_from_a_folder_of_bundles(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.bundle(scope)
    for source in (copy, str(place.folder)):
        place.spine.lose(scope, range(2, 30))
        (done,) = place.restore(source)
        assert (done.restored, done.left) == (28, [])
        assert place.is_whole(scope)


def test_what_waited_in_the_journal_when_the_backup_was_made_comes_back(place: Place) -> None:
    scope = organization(place.spine)
    place.spine.record(scope, *[{"action": "user.logout"}] * 3)
    copy = place.backup()
    place.spine.ship()
    place.spine.lose(scope, [COUNT, COUNT + 1, COUNT + 2])
    (done,) = place.restore(copy)
    assert done.restored == 3
    assert place.is_whole(scope, COUNT + 3)


def test_the_journals_tail_of_a_backup_is_a_copy_too(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.backup(tail=True)
    next(Path(copy, "events", str(scope.org_id)).iterdir()).write_bytes(b"nothing")
    place.spine.lose(scope, range(COUNT))
    (done,) = place.restore(copy)
    assert done.restored == COUNT
    assert place.is_whole(scope)


def test_continuous_copies_are_a_copy(place: Place) -> None:
    scope = organization(place.spine)
    generation = place.folder / "copies" / "20260101T000000.000000Z"
    generation.mkdir(parents=True)
    (generation.parent / OWNER).write_text("an installation\n")
    with place.spine.database.read() as connection:
        kept = connection.execute(select(journal_tail).where(journal_tail.c.org_id == scope.org_id)).all()
    batches = [CopiedBatch(row.first_index, row.events, row.body) for row in kept]
    copied = CopiedLog(scope.org_id, "", None, 0, 0, COUNT, b"", batches, [])
    (generation / "events-20260101T000001.000000Z.zst").write_bytes(b"damaged")
    (generation / "events-20260101T000002.000000Z.zst").write_bytes(encode_copies([copied]))
    full = place.backup()
    place.spine.lose(scope, range(3, 9))
    (done,) = place.restore(str(generation.parent))
    assert done.restored == 6
    (generation / "events-20260101T000002.000000Z.zst").unlink()
    Path(full).rename(generation / "full")
    place.spine.lose(scope, range(3, 9))
    (done,) = place.restore(str(generation.parent))
    assert done.restored == 6
    assert place.is_whole(scope)


def test_only_missing_events_are_written_and_a_second_time_changes_nothing(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.backup()
    place.spine.lose(scope, [7])
    assert [one.restored for one in place.restore(copy)] == [1]
    assert place.restore(copy) == []
    assert place.is_whole(scope)


def test_an_interrupted_restore_goes_on_where_it_stopped(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tallystick.store.transfer.RUN", 5)  # rows in a file of the backup
    scope = organization(place.spine)
    copy = place.backup()
    place.spine.lose(scope, range(COUNT))
    real, calls = range_restore.insert_as_in_log, [0]

    def dying(*arguments: Any) -> list[int]:
        calls[0] += 1
        if calls[0] == 3:
            raise StoreError("the machine stopped")
        return real(*arguments)

    monkeypatch.setattr(range_restore, "EVENTS_AT_ONCE", 1)
    monkeypatch.setattr(range_restore, "insert_as_in_log", dying)
    with pytest.raises(StoreError):
        place.restore(copy)
    (done,) = place.restore(copy)
    assert done.left == []
    assert place.is_whole(scope)


def test_what_no_copy_holds_is_named(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.backup()
    place.spine.record(scope, {"action": "user.logout"})
    place.spine.ship()
    place.spine.lose(scope, [4, COUNT])
    (done,) = place.restore(copy)
    assert (done.restored, [(gap.first, gap.last) for gap in done.left]) == (1, [(COUNT, COUNT)])
    assert place.missing(scope) == [(COUNT, COUNT)]


def test_a_copy_that_the_log_does_not_confirm_is_not_written(place: Place) -> None:
    scope = organization(place.spine)
    copy = Path(place.bundle(scope))
    altered = place.folder / "altered" / "one.zip"
    altered.parent.mkdir()
    with zipfile.ZipFile(copy) as old, zipfile.ZipFile(altered, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "events.ndjson":
                lines = content.split(b"\n")
                lines[5] = lines[5].replace(b"user.login", b"user.logout")
                content = b"\n".join(lines)
            new.writestr(name, content)
    place.spine.lose(scope, [5, 6])
    (done,) = place.restore(str(altered))
    assert (done.restored, done.differing) == (1, 1)
    assert place.missing(scope) == [(5, 5)]
    (done,) = place.restore(str(place.folder))  # the altered one is read first
    assert (done.restored, done.differing) == (1, 0)
    assert place.is_whole(scope)


def test_a_damaged_file_does_not_keep_the_others_from_being_used(place: Place) -> None:
    scope, other = organization(place.spine), organization(place.spine, "globex")
    copy = place.backup()
    file = Path(copy, "events", str(scope.org_id), "000000.arrow")
    file.write_bytes(file.read_bytes()[:2000])
    place.spine.lose(scope, [3])
    place.spine.lose(other, [3])
    first, second = place.restore(copy)
    assert (first.restored, second.restored) == (0, 1)
    assert place.is_whole(other)


def test_what_was_purged_after_the_copy_was_made_does_not_come_back(place: Place) -> None:
    scope = organization(place.spine, old=5)
    copy = place.backup()
    purge(place.spine)
    place.spine.lose(scope, range(COUNT))
    place.restore(copy)
    left = [index for index in range(COUNT) if not 1 <= index <= 5]
    assert [index for index in place.spine.indexes(scope.org_id) if index < COUNT] == left
    assert place.missing(scope) == []


@pytest.mark.both_engines
def test_what_was_erased_after_the_copy_was_made_comes_back_without_its_erased_parts(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.backup()
    place.erase(scope, [3, 8])
    place.spine.lose(scope, range(COUNT))
    place.restore(copy)
    assert place.parts_lost(scope) == {3: ("who",), 8: ("who",)}
    assert place.is_whole(scope)


def test_an_erasure_counts_although_its_record_is_among_the_missing_events(place: Place) -> None:
    scope = organization(place.spine)
    before, after = place.backup(), ""
    place.erase(scope, [3], listed=False)
    after = place.bundle(scope)
    place.spine.lose(scope, range(COUNT + 1))
    place.restore(before)  # neither the log nor the copy can say that it was erased
    place.spine.lose(scope, range(COUNT + 1))
    place.restore(after)
    assert place.parts_lost(scope) == {3: ("who",)}
    place.spine.lose(scope, range(COUNT))  # the record is there
    place.restore(before)
    assert place.parts_lost(scope) == {3: ("who",)}


def test_the_erasure_list_counts_where_the_record_of_an_erasure_is_lost(place: Place) -> None:
    scope = organization(place.spine)
    copy = place.backup()
    place.erase(scope, [3])
    place.spine.lose(scope, range(COUNT + 1))
    place.restore(copy)
    assert place.parts_lost(scope) == {3: ("who",)}


def test_events_without_their_parts_come_back_from_a_copy_made_after_the_erasure(place: Place) -> None:
    scope = organization(place.spine)
    place.erase(scope, [3])
    copy = place.backup()
    place.spine.lose(scope, [2, 3])
    (done,) = place.restore(copy)
    assert done.restored == 2
    assert place.parts_lost(scope) == {3: ("who",)}
    assert place.is_whole(scope)


def test_deletions_wait_while_events_are_restored(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = organization(place.spine)
    copy = place.backup()
    place.spine.lose(scope, [3])
    waiting: list[bool] = []
    real = range_restore.insert_as_in_log

    def watched(*arguments: Any) -> list[int]:
        with place.spine.database.write() as connection:
            waiting.append(leases.deletions_must_wait(connection))
        return real(*arguments)

    monkeypatch.setattr(range_restore, "insert_as_in_log", watched)
    place.restore(copy)
    with place.spine.database.write() as connection:
        waiting.append(leases.deletions_must_wait(connection))
    assert waiting == [True, False]


def test_one_organization_and_one_range_alone_can_be_restored(place: Place) -> None:
    scope, other = organization(place.spine), organization(place.spine, "globex")
    copy = place.backup()
    place.spine.lose(scope, range(3, 9))
    place.spine.lose(other, [3])
    (done,) = place.restore(copy, slug="acme", only=(4, 5))
    assert (done.slug, done.restored) == ("acme", 2)
    assert place.missing(scope) == [(3, 3), (6, 8)]
    with pytest.raises(NotFound):
        place.restore(copy, slug="nobody")


def test_a_place_that_is_no_copy_is_named(place: Place) -> None:
    organization(place.spine)
    (place.folder / "empty").mkdir()
    with pytest.raises(NotFound, match="no backup"):
        place.restore(str(place.folder / "empty"))
    with pytest.raises(Conflict, match="lost the events"):
        place.restore(OWN_URL)


def test_lost_events_come_back_from_the_data_directory_of_another_node(place: Place, tmp_path: Path) -> None:
    scope = organization(place.spine)
    rows = next(Path(place.backup(), "events", str(scope.org_id)).iterdir())
    node = tmp_path / "node"
    made = subprocess.run(
        [sys.executable, "-c", FILL, f"chdb://{node}/events", str(rows)], capture_output=True, text=True, check=False
    )
    assert made.returncode == 0, made.stderr
    place.spine.lose(scope, [3, 4, 5, 20])
    (done,) = place.restore(str(node))
    assert done.restored == 4
    assert place.is_whole(scope)


def test_a_store_that_is_read_elsewhere_is_asked_for_the_missing_ranges_alone(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scope = organization(place.spine)
    events = list(scan.in_order_of_index(place.spine.database, place.spine.store, scope, Query(), 0, COUNT))

    def read_other_store(url: str, org_id: UUID, ranges: Sequence[tuple[int, int]]) -> Any:
        assert (url, org_id, list(ranges)) == (f"chdb://{tmp_path}/node/events", scope.org_id, [(3, 5)])
        yield from events

    monkeypatch.setattr("tallystick.integrity.event_copies.read_other_store", read_other_store)
    (tmp_path / "node" / "events" / "metadata").mkdir(parents=True)
    place.spine.lose(scope, [3, 4, 5])
    (done,) = place.restore(str(tmp_path / "node"))
    assert done.restored == 3
    assert place.is_whole(scope)
