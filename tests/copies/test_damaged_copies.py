"""Copies that are damaged, left over, or of another time, and what they must not hold up."""

import io
import zipfile

import pytest
import zstandard

from tallystick import clock
from tallystick.clock import DAY_US, HOUR_US, rfc3339
from tallystick.copies.batch_copies import decode_copies
from tallystick.copies.generations import list_generations
from tallystick.copies.snapshot import unpack_snapshot
from tallystick.destinations.address_guard import TargetError
from tallystick.errors import Conflict
from tallystick.ingest.commit import commit
from tallystick.journal.batches import decode_body
from tallystick.ledger import log as ledger_log
from tallystick.outbox import write as outbox
from tallystick.retention import clock_guard
from tallystick.retention.purge import Purger
from tests.copies.copies_driver import Installation, Restored
from tests.copies.test_copier import generation
from tests.copies.test_restore import events
from tests.retention.purge_driver import purge_with
from tests.retention.test_purge import event as aged


def damage(installation: Installation, key: str) -> None:
    content = io.BytesIO()
    installation.storage.get(key, content)
    changed = bytearray(content.getvalue())
    changed[len(changed) // 2] ^= 1
    installation.storage.put(key, io.BytesIO(changed))


@pytest.mark.parametrize("kind", ["/events-", "/control-"])
def test_a_moment_before_a_damaged_file_can_be_restored(sqlite_installation, kind):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    spine.record(scope, *events("a"))
    installation.copy()
    at = clock.now_us()
    spine.organization("later")
    installation.copy(snapshot=True)
    damage(installation, installation.files(kind)[-1])
    with pytest.raises(Conflict), installation.restored():
        pass
    with installation.restored(at) as there:
        assert there.done.appended == 1
        assert any("cannot be read" in line for line in there.done.result.missing)


@pytest.mark.parametrize("key", ["1Z/full/x", "20261399T000000.000000Z/events-20261129T000000.000000Z.zst"])
def test_a_file_of_another_name_holds_up_nothing(sqlite_installation, key):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.storage.put(key, io.BytesIO(b"x"))
    installation.copy()
    installation.copy()
    assert len([one for one in list_generations(installation.storage) if one.is_complete]) == 1
    assert key in installation.files("")
    with installation.restored() as there:
        assert there.done.result.missing == []


def test_what_a_failed_full_copy_left_goes_before_the_next_one(sqlite_installation):
    installation = sqlite_installation
    installation.begin()
    put = installation.storage.put

    def full(key, file):
        if key.endswith("organizations.ndjson.zst"):
            raise TargetError("No space left on device.")
        return put(key, file)

    installation.storage.put = full
    for _ in range(3):
        with pytest.raises(TargetError):
            installation.copy(later=DAY_US)
    assert len(list_generations(installation.storage)) == 2


def test_old_copies_go_where_no_new_one_can_be_made(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    installation.copy()
    old = [generation(0), generation(1)]
    for key in (key for one in old for key in one.keys):
        installation.storage.put(key, io.BytesIO(b"of an earlier day"))
    spine.record(scope, *events("a"))
    installation.storage.fails = True
    with pytest.raises(TargetError):
        installation.copy(later=HOUR_US)
    assert old[0].name not in [one.name for one in list_generations(installation.storage)]


def test_a_place_that_lets_nothing_be_deleted_takes_copies_and_says_so(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    installation.copy()
    installation.storage.put("20200101T000000.000000Z/full/x", io.BytesIO(b"left"))

    def refuse(_key: str) -> None:
        raise TargetError("Access denied.")

    monkeypatch.setattr(installation.storage, "delete", refuse)
    installation.copier = installation.new_copier()
    spine.record(scope, *events("a"))
    for _ in range(2):
        with pytest.raises(TargetError, match="denied"):
            installation.copy(later=HOUR_US)
    assert len(installation.files("/events-")) == 1


def test_a_clock_that_leaps_ahead_deletes_no_copy(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    spine.organization("acme")
    installation.copy()
    installation.copy(later=DAY_US)
    now = clock.now_us()
    assert clock_guard.is_trusted(spine.database, now)
    there = installation.files("/full/manifest.json")
    monkeypatch.setattr(clock, "now_us", lambda: now + 400 * DAY_US)
    for _ in range(3):
        installation.copier.step()
    assert len(there) == 2
    assert set(there) <= set(installation.files("/full/manifest.json"))


def test_a_purge_stays_done_where_the_log_was_restarted_since(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme", days=30)
    old = spine.record(scope, aged(31)).events[0].index
    spine.ship()
    installation.copy()
    at = clock.now_us()
    purge_with(spine, Purger(spine.database, spine.store))
    installation.copy()
    with installation.restored() as there:
        assert old not in [event.index for event in there.trail(scope)]
        installation.copier_of(there).step()
    assert len(list_generations(installation.storage)) == 2
    with installation.restored(at) as there:
        assert old not in [event.index for event in there.trail(scope)]


def test_events_of_an_organization_that_does_not_come_back_are_named(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    installation.begin()
    later = spine.organization("later")
    spine.record(later, *events("a"))
    installation.copy()
    with installation.restored() as there:
        assert any(str(later.org_id) in line or "later" in line for line in there.done.result.missing)


def purge_restored(there: Restored) -> None:
    """Purge what is due in a restored installation, whose logs have new names."""
    purger = Purger(there.database, there.store)
    for _ in range(10):
        purger.step(clock.now_us())
        with there.database.write() as connection:
            for org_id in outbox.organizations_waiting(connection):
                log = ledger_log.lock(connection, org_id)
                commit(connection, log, [], now=clock.now_us(), redacted_keys=frozenset())


@pytest.mark.parametrize("recorded", [2, 300])
def test_a_purge_under_the_new_name_of_a_log_counts_for_copies_under_its_old_name(sqlite_installation, recorded):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme", days=30)
    spine.record(scope, *[aged(31) for _ in range(recorded)])
    spine.ship()
    installation.copy()
    spine.record(scope, aged(0))
    installation.copy()
    at = clock.now_us()
    with installation.restored() as there:
        name = there.log(scope).origin_id
        copier = installation.copier_of(there)
        copier.step()
        purge_restored(there)
        copier.step()
    with installation.restored(at) as there:
        assert there.log(scope).origin_id != name
        assert there.done.result.missing == []
        assert there.done.deleted == recorded
        assert [event.index for event in there.trail(scope)][:2] == [0, recorded + 1]


def huge_frame() -> bytes:
    """A small frame that says that it holds a terabyte."""
    header = b"\x28\xb5\x2f\xfd\xe0" + (1 << 40).to_bytes(8, "little")
    return header + b"\x01\x00\x00"


@pytest.mark.parametrize("decode", [lambda data: decode_copies(data, "key"), decode_body])
def test_a_frame_that_says_it_is_huge_is_refused(decode):
    with pytest.raises((Conflict, zstandard.ZstdError)):
        decode(huge_frame())


def test_a_snapshot_that_unpacks_to_more_than_it_has_bytes_is_refused(tmp_path):
    path = tmp_path / "control.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("control/x", bytes(1 << 20))
    with pytest.raises(Conflict, match=r"control\.zip cannot be read"):
        unpack_snapshot(path, tmp_path / "snapshot")
    assert not (tmp_path / "snapshot").exists()


def test_a_file_of_a_full_copy_that_is_larger_than_its_manifest_says_is_not_downloaded(sqlite_installation):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.copy()
    (key,) = installation.files("/organizations.ndjson.zst")
    installation.storage.put(key, io.BytesIO(bytes(1 << 20)))
    with pytest.raises(Conflict, match="larger than it can be"), installation.restored():
        pass


def test_own_events_that_differ_in_their_details_alone_are_told_apart(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    one, other = (
        {"action": "audit_log.test", "timestamp": rfc3339(DAY_US * 20_000), "metadata": {"number": number}}
        for number in (1, 2)
    )
    with spine.database.write() as connection:
        for event in (one, other, one):
            outbox.write(connection, scope.org_id, event, now=clock.now_us())
    installation.copy(snapshot=True)  # with all three in the outbox
    with spine.database.write() as connection:  # the first alone is committed by then
        taken = outbox.take(connection, scope.org_id, 10)
        outbox.delete(connection, taken[1:])
    spine.sequencer.tick([])
    installation.copy()
    with installation.restored() as there:
        found = [event.details for event in there.trail(scope) if b"audit_log.test" in event.what]
    assert [b'"number":2' in details for details in found] == [False, True, False]
