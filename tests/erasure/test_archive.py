"""An erasure reaches what was archived: in a directory and in a bucket, and never says that it did when it did not."""

import io
import json
import zipfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tallystick import clock
from tallystick.cli.archive import event_from_line
from tallystick.clock import DAY_US, SECOND_US
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.local_directory import Directory
from tallystick.destinations.s3 import PART_BYTES
from tallystick.erasure.eraser import PAUSE_SECONDS
from tallystick.erasure.subject import Subject
from tallystick.retention.archive import MARKER_FILE
from tallystick.retention.archive_step import folder_of
from tallystick.retention.holds import place
from tests.erasure.archive_driver import NEEDLES, Cut, Dying, Kept, unpacked
from tests.erasure.erasure_driver import SARAH, ask, by_sarah, confirm, erase, event, events, records, run, show
from tests.fixtures.s3_server import Line, S3Server
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event as aged


@pytest.fixture(params=["directory", "bucket", "bucket with versions"])
def kept(request: pytest.FixtureRequest, sqlite_spine: Spine, tmp_path: Path) -> Kept:
    """On each kind of place."""
    if request.param == "directory":
        return Kept(sqlite_spine, tmp_path, Directory(tmp_path / "archive"))
    server: S3Server = request.getfixturevalue("s3_server")
    return Kept(sqlite_spine, tmp_path, server.bucket(versions=request.param.endswith("versions")))


@pytest.fixture
def on_disk(sqlite_spine: Spine, tmp_path: Path) -> Kept:
    """In a directory, for promises that do not depend on the place."""
    return Kept(sqlite_spine, tmp_path, Directory(tmp_path / "archive"))


MIXED = (
    by_sarah(),
    event(description="Wrote to sarah@acme.com"),
    event(description="of somebody else", metadata={"n": 7}),
    event("user.invited", resource={"type": "user", "id": "usr_9", "name": "Sarah Lin"}),
)


def test_the_bytes_are_in_no_archived_file_and_what_is_left_proves_itself(kept: Kept, request) -> None:
    scope = kept.organization()
    indexes = kept.expire(scope, *MIXED)
    assert kept.holding(*NEEDLES)
    before = kept.lines()
    table = pq.read_table(io.BytesIO(kept.content(kept.keys("parquet")[0])))
    who = Subject("sarah@acme.com", "", ("Sarah Lin",))
    public_id = erase(kept.spine, scope, kept.eraser, who)
    assert show(kept.spine, scope, public_id).waits_for == ""
    assert show(kept.spine, scope, public_id).events == 3
    assert kept.holding(*NEEDLES) == []
    if "versions" in request.node.name:
        assert versions_holding(request.getfixturevalue("s3_server"), kept) == []
    report = kept.check(scope, kept.keys("zip")[0])
    assert report.holds, report.lines()
    after = kept.lines()
    assert after[indexes[2]] == before[indexes[2]]
    lost = {index: set(one.get("commitments", {})) for index, one in after.items()}
    assert [lost[index] for index in indexes] == [{"who"}, {"details"}, set(), {"target"}]
    left = pq.read_table(io.BytesIO(kept.content(kept.keys("parquet")[0])))
    assert left.schema == table.schema
    assert left["occurred_at"] == table["occurred_at"]
    assert left.slice(2, 1) == table.slice(2, 1)
    assert [one["parts"] for one in records(kept.spine, scope)] == ["target", "who", "details"]
    manifest = json.loads(kept.content(kept.keys("json")[0]))
    assert sorted(manifest["files"]) == sorted(
        key.rpartition("/")[2] for key in kept.keys("zip") + kept.keys("parquet")
    )


def versions_holding(server: S3Server, kept: Kept) -> list[str]:
    """Earlier versions in the bucket with the person in them."""
    bucket = kept.objects._bucket  # type: ignore[attr-defined]
    found = []
    for one in server.client.list_objects(bucket, recursive=True, include_version=True):
        response = server.client.get_object(bucket, one.object_name, version_id=one.version_id)
        raw = response.read()
        response.release_conn()
        found += [one.object_name for text in unpacked(one.object_name, raw) if any(x in text for x in NEEDLES)]
    return found


def test_a_preview_counts_what_is_in_the_archive(on_disk: Kept) -> None:
    scope = on_disk.organization()
    on_disk.expire(scope, *MIXED)
    on_disk.spine.record(scope, by_sarah())
    on_disk.spine.ship()
    public_id = ask(on_disk.spine, scope)
    run(on_disk.spine, on_disk.eraser)
    preview = show(on_disk.spine, scope, public_id).preview
    assert preview is not None
    assert (preview.trail.events, preview.trail.archived) == (3, 2)


def test_what_is_archived_and_not_gone_yet_counts_once_and_goes_from_both(on_disk: Kept) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    spine.record(scope, aged(31, **by_sarah()))
    spine.ship()
    on_disk.purger.step(clock.now_us())  # archived, and announced
    spine.sequencer.tick([])
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, on_disk.eraser)
    preview = show(spine, scope, public_id).preview
    assert preview is not None
    assert (preview.trail.events, preview.trail.archived) == (1, 0)
    confirm(spine, scope, public_id)
    run(spine, on_disk.eraser)
    assert on_disk.holding(*NEEDLES) == []
    assert show(spine, scope, public_id).events == 1


def test_what_is_under_a_hold_stays_in_the_archive_too(on_disk: Kept) -> None:
    scope = on_disk.organization()
    on_disk.expire(scope, by_sarah(description="disputed"), by_sarah(description="settled"))
    with on_disk.spine.database.write() as connection:
        place(connection, scope, "court", "disputed", "", "", now=clock.now_us())
    public_id = erase(on_disk.spine, scope, on_disk.eraser)
    assert show(on_disk.spine, scope, public_id).held == 1
    assert [one.get("who") is None for one in on_disk.lines().values()] == [False, True]
    assert on_disk.check(scope, on_disk.keys("zip")[0]).holds


def test_nobody_elses_archive_is_touched(on_disk: Kept) -> None:
    acme, charlie = on_disk.organization("acme"), on_disk.organization("charlie")
    for days, scope in enumerate((acme, charlie)):
        on_disk.expire(scope, by_sarah(), later=days * (DAY_US + SECOND_US))
    before = {key: on_disk.content(key) for key in on_disk.keys("")}
    erase(on_disk.spine, acme, on_disk.eraser)
    changed = {key.partition("/")[0] for key, raw in before.items() if on_disk.content(key) != raw}
    assert changed == {folder_of(acme)}
    assert {key.partition("/")[0] for key in on_disk.holding(*NEEDLES)} == {folder_of(charlie)}


def test_an_archive_that_cannot_be_reached_keeps_the_erasure_open_and_says_so(on_disk: Kept) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    on_disk.expire(scope, by_sarah())
    public_id = ask(spine, scope)
    run(spine, on_disk.eraser)
    confirm(spine, scope, public_id)
    home = on_disk.folder / "archive"
    home.rename(on_disk.folder / "not mounted")
    with pytest.raises(TargetError):
        run(spine, on_disk.eraser)
    found = show(spine, scope, public_id)
    assert (found.state, found.finished_at) == ("confirmed", None)
    assert "not the archive that was used before" in found.waits_for
    (on_disk.folder / "not mounted").rename(home)
    run(spine, on_disk.eraser, later=(PAUSE_SECONDS + 1) * SECOND_US)
    assert show(spine, scope, public_id).waits_for == ""
    assert on_disk.holding(*NEEDLES) == []


def test_an_archive_that_is_not_configured_any_more_keeps_it_open(on_disk: Kept) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    on_disk.expire(scope, by_sarah())
    without = on_disk.new_eraser(archived=False)
    public_id = ask(spine, scope)
    with pytest.raises(TargetError):
        run(spine, without)
    assert "TALLYSTICK_ARCHIVE_DIR" in show(spine, scope, public_id).waits_for
    other = on_disk.organization("other")
    erase(spine, other, without)


@pytest.mark.parametrize("number", range(6))
def test_a_power_cut_at_any_place_is_followed_by_the_same_again(on_disk: Kept, number: int) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    on_disk.expire(scope, *MIXED)
    public_id = ask(spine, scope)
    run(spine, on_disk.eraser)
    confirm(spine, scope, public_id)
    on_disk.archive.objects = Dying(on_disk.objects, number)  # type: ignore[assignment]
    with pytest.raises(Cut):
        run(spine, on_disk.new_eraser())
    on_disk.archive.objects = on_disk.objects
    run(spine, on_disk.new_eraser())
    assert on_disk.holding(b"sarah@acme.com") == []
    [bundle], [manifest] = on_disk.keys("zip"), on_disk.keys("json")
    assert on_disk.check(scope, bundle).holds
    said = json.loads(on_disk.content(manifest))["files"]
    for key in (bundle, *on_disk.keys("parquet")):
        name = key.rpartition("/")[2]
        file = io.BytesIO(on_disk.content(key))
        assert said[name]["bytes"] == len(file.getvalue())
    assert show(spine, scope, public_id).stage == "scrub"


@pytest.mark.parametrize("number", range(3))
def test_what_a_crash_of_the_archiving_left_is_reached_too(on_disk: Kept, number: int) -> None:
    """Under a name of ours, and in no table."""
    spine, scope = on_disk.spine, on_disk.organization()
    on_disk.archive.check_marker()
    on_disk.archive.objects = Dying(on_disk.objects, number)  # type: ignore[assignment]
    with pytest.raises(Cut):
        on_disk.expire(scope, *MIXED)
    on_disk.archive.objects = on_disk.objects
    assert len(on_disk.keys("")) == number
    erase(spine, scope, on_disk.new_eraser())
    assert on_disk.holding(b"sarah@acme.com") == []


def test_what_broke_off_on_the_way_to_the_archive_is_removed(
    sqlite_spine: Spine, tmp_path: Path, s3_server: S3Server, line: Line
) -> None:
    """Parts of an upload lie under no name, and hold bytes."""
    bucket = s3_server.bucket(via=line.port)
    kept = Kept(sqlite_spine, tmp_path, bucket)
    scope = kept.organization()
    kept.archive.check_marker()
    line.budget = PART_BYTES * 3 // 2
    with pytest.raises(TargetError):
        bucket.put(f"{folder_of(scope)}/2026/1.zip", io.BytesIO(b"sarah@acme.com" * PART_BYTES))
    line.budget = None
    assert s3_server.client._list_multipart_uploads(bucket._bucket).uploads
    erase(sqlite_spine, scope, kept.eraser)
    assert s3_server.client._list_multipart_uploads(bucket._bucket).uploads == []


def test_half_a_file_in_the_directory_is_removed(on_disk: Kept) -> None:
    scope = on_disk.organization()
    on_disk.expire(scope, by_sarah())
    half = on_disk.folder / "archive" / folder_of(scope) / "2026" / ".000000000009-0123456789ab.zip.part"
    half.parent.mkdir(exist_ok=True)
    half.write_bytes(b"half of sarah@acme.com")
    erase(on_disk.spine, scope, on_disk.eraser)
    assert not half.exists()


def test_two_erasures_after_each_other_leave_a_bundle_that_holds(on_disk: Kept) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    on_disk.expire(scope, *MIXED, event(description="sarah@acme.com met nico@acme.com"))
    first, second = ask(spine, scope), ask(spine, scope, Subject("nico@acme.com"))
    run(spine, on_disk.eraser)
    for public_id in (first, second):
        confirm(spine, scope, public_id)
    run(spine, on_disk.eraser)
    assert on_disk.holding(b"sarah@acme.com", b"nico@acme.com") == []
    report = on_disk.check(scope, on_disk.keys("zip")[0])
    assert report.holds, report.lines()
    erase(spine, scope, on_disk.eraser, Subject("john@acme.com"))
    assert on_disk.holding(b"john@acme.com") == []
    assert on_disk.check(scope, on_disk.keys("zip")[0]).holds


def test_nothing_is_archived_while_a_person_is_erased(on_disk: Kept) -> None:
    spine, scope = on_disk.spine, on_disk.organization()
    old = spine.record(scope, aged(31, **by_sarah())).events[0].index
    spine.ship()
    public_id = ask(spine, scope)
    run(spine, on_disk.eraser)
    confirm(spine, scope, public_id)
    on_disk.purge()
    assert old in spine.indexes(scope.org_id)
    assert on_disk.keys("zip") == []


def test_an_archived_file_that_was_changed_keeps_the_erasure_open(on_disk: Kept) -> None:
    scope = on_disk.organization()
    on_disk.expire(scope, *MIXED)
    key = on_disk.keys("zip")[0]
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(on_disk.content(key))) as old, zipfile.ZipFile(changed, "w") as new:
        for name in old.namelist():
            new.writestr(name, old.read(name).replace(b"somebody else", b"somebody evil"))
    on_disk.objects.put(key, changed)
    public_id = ask(on_disk.spine, scope)
    with pytest.raises(TargetError):
        run(on_disk.spine, on_disk.eraser)
    assert "was changed" in show(on_disk.spine, scope, public_id).waits_for


def test_what_is_left_can_be_restored(on_disk: Kept) -> None:
    scope = on_disk.organization()
    on_disk.expire(scope, *MIXED)
    erase(on_disk.spine, scope, on_disk.eraser)
    restored = [event_from_line(line) for line in on_disk.lines().values()]
    assert restored[0]["actor"] == {"type": "user", "name": "erased"}
    assert restored[2]["description"] == "of somebody else"
    assert MARKER_FILE in on_disk.objects.keys("")
    assert SARAH.email not in json.dumps(restored)
    assert len(events(on_disk.spine, scope)) > 0
