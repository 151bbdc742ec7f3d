"""What comes back from continuous copies, and what does not."""

import io

import pytest
from sqlalchemy import select

from tallystick import clock
from tallystick.access import keys
from tallystick.access.audit import Caller
from tallystick.access.tables import api_keys
from tallystick.backup.restore import refuse_interrupted
from tallystick.backup.secret_rotation import reseal
from tallystick.clock import DAY_US
from tallystick.copies import restore as copies_restore
from tallystick.copies.restore import RestoredCopies, restore_copies
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.errors import Conflict, NotFound, SettingsError, Unavailable
from tallystick.events.geoip import AddressFacts
from tallystick.ledger.high_water import HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import Keyring
from tallystick.ledger.tables import logs
from tallystick.merkle.remains import mask_of
from tallystick.outbox import write as outbox
from tallystick.retention import holds
from tallystick.retention.purge import Purger
from tallystick.retention.tables import prunings, purged_indexes
from tallystick.secret_keys import SecretKeys
from tests.copies.copies_driver import SECRET, entries, trail, unseen
from tests.retention.purge_driver import purge_with
from tests.retention.test_purge import event as aged

pytestmark = pytest.mark.one_engine


def events(*marks: str) -> list[dict[str, object]]:
    return [{"action": "project.updated", "external_id": mark, "metadata": {"mark": mark}} for mark in marks]


@pytest.mark.both_engines
def test_what_was_recorded_before_the_last_round_comes_back_with_its_index_and_root(installation):
    spine = installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a", "b"))
    spine.ship()
    spine.record(scope, *events("c"))  # in the journal of the full copy
    installation.copy()
    spine.record(scope, *events("d", "e"))
    spine.ship()
    later = spine.organization("later")
    spine.record(scope, *events("f"))
    spine.record(later, *events("g"))
    installation.copy(snapshot=True)
    before = {one: (spine.size(one.org_id), entries(trail(spine.database, spine.store, one))) for one in (scope, later)}
    spine.record(scope, *events("too late"))
    with spine.database.read() as connection:
        root = connection.execute(select(logs.c.origin_id).where(logs.c.org_id == scope.org_id)).scalar_one()
    with installation.restored() as there:
        assert there.done.appended == 5  # the own event of the new organization included
        for one, (size, held) in before.items():
            found = there.trail(one)
            assert entries(found)[:size] == held
            assert [event.index for event in found] == list(range(there.log(one).size))
        assert there.log(scope).origin_id != root  # more may have been signed under the old name


def test_what_changed_beside_the_events_comes_back_from_the_snapshot(installation):
    spine = installation.spine
    scope = installation.begin()
    with spine.database.write() as connection:
        keys.create_key(connection, scope, "made after the full copy", ("events:write",), now=clock.now_us())
    spine.sequencer.tick([])
    installation.copy(snapshot=True)
    with installation.restored() as there, there.database.read() as connection:
        assert connection.execute(select(api_keys.c.name)).scalars().all() == ["made after the full copy"]
        assert outbox.organizations_waiting(connection) == []


def test_an_own_action_that_the_snapshot_has_in_the_outbox_is_in_the_trail_once(installation):
    spine = installation.spine
    scope = installation.begin()
    with spine.database.write() as connection:
        keys.create_key(connection, scope, "one", ("events:write",), now=clock.now_us())
    installation.copy(snapshot=True)
    spine.sequencer.tick([])
    installation.copy()
    with installation.restored() as there:
        actions = [event.what for event in there.trail(scope) if b"api_key.created" in event.what]
        with there.database.read() as connection:
            assert outbox.organizations_waiting(connection) == []
    assert len(actions) == 1


def test_an_own_action_with_a_country_from_its_address_is_in_the_trail_once_too(installation):
    spine = installation.spine
    scope = installation.begin()
    spine.places["203.0.113.9"] = AddressFacts("DE", "AS64496 Example")
    with spine.database.write() as connection:
        event = {"action": "user.login", "context": {"ip_address": "203.0.113.9"}}
        outbox.write(connection, scope.org_id, event, now=clock.now_us())
    installation.copy(snapshot=True)
    spine.sequencer.tick([])
    installation.copy()
    spine.places["203.0.113.9"] = AddressFacts("FR", "AS64497 Other")
    with installation.restored() as there:
        found = [event.who for event in there.trail(scope) if b"user.login" in event.what]
        with there.database.read() as connection:
            assert outbox.organizations_waiting(connection) == []
    assert [b'"country":"DE"' in who for who in found] == [True]


def test_what_was_purged_after_the_full_copy_stays_away(installation):
    spine = installation.spine
    scope = spine.organization("acme", days=30)
    old = spine.record(scope, aged(31)).events[0].index
    spine.ship()
    installation.copy()
    purge_with(spine, Purger(spine.database, spine.store))
    assert old not in spine.indexes(scope.org_id)
    installation.copy()
    with installation.restored() as there:
        assert there.done.deleted == 1
        assert old not in [event.index for event in there.trail(scope)]
        with there.database.read() as connection:
            assert connection.execute(select(prunings)).all() == []
            assert len(connection.execute(select(purged_indexes)).all()) == 1
            assert connection.execute(select(logs.c.pruned)).scalars().all() == [1]


def test_what_was_erased_later_is_erased_before_the_restore_is_complete(installation):
    spine = installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a", "b"))
    spine.ship()
    installation.copy()
    spine.record(scope, *events("c"))
    installation.copy()
    at = clock.now_us()
    line = erasure_list.line_of(
        spine.database, scope.org_id, "ers_01m83d8ecmexkvkkqz4nen96ka", mask_of(["details"]), "2-3"
    )
    erasure_list.append(installation.home, [line])
    installation.copy()
    with installation.restored(at) as there:
        assert there.done.erased == 2
        found = there.trail(scope)
        assert [event.index for event in found if not event.details] == [2, 3]
        assert b"a" in found[1].details
        assert entries(found[:4])  # what is left of them still gives their entries
        assert erasure_list.read(there.settings.data_dir) == [line]


def test_purges_and_holds_after_the_moment_that_is_restored_count_all_the_same(installation):
    spine = installation.spine
    scope = spine.organization("acme", days=30)
    old = [one.index for one in spine.record(scope, aged(31), aged(32)).events]
    spine.ship()
    installation.copy()
    at = clock.now_us()
    purge_with(spine, Purger(spine.database, spine.store))
    with spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "user:sarah@acme.com", now=clock.now_us())
    spine.sequencer.tick([])
    installation.copy(snapshot=True)
    with installation.restored(at) as there:
        assert there.done.deleted == 2
        assert not set(old) & {event.index for event in there.trail(scope)}
        with there.database.read() as connection:
            assert [hold.name for hold in holds.active(connection, scope)] == ["Case 7"]
            assert connection.execute(select(logs.c.pruned)).scalars().all() == [2]


def test_a_moment_before_the_last_round_is_restored_as_it_was(installation):
    spine = installation.spine
    scope = installation.begin()
    spine.record(scope, *events("a"))
    installation.copy()
    size, at = spine.size(scope.org_id), clock.now_us()
    spine.record(scope, *events("b"))
    installation.copy()
    with installation.restored(at) as there:
        assert there.done.restarted["acme"].size == size
    with pytest.raises(NotFound, match="The first copy is of"), installation.restored(at - DAY_US):
        pass


def test_a_log_of_which_nothing_more_was_signed_keeps_its_name(installation):
    spine = installation.spine
    scope = installation.begin()
    spine.record(scope, *events("a"))
    installation.copy()
    with spine.database.read() as connection:
        log = connection.execute(select(logs).where(logs.c.org_id == scope.org_id)).one()
    lost = installation.home / "lost"
    lost.mkdir()
    HighWaterMarks(lost).append([HighWaterMark(log.origin_id, log.size, log.root)])
    with installation.restored(marks=lost / "ledger.marks") as there:
        assert (there.done.restarted, there.done.result.missing) == ({}, [])
        assert there.log(scope).origin_id == log.origin_id
        assert there.log(scope).root == log.root
    HighWaterMarks(lost).append([HighWaterMark(log.origin_id, log.size + 1, bytes(32))])
    with installation.restored(marks=lost / "ledger.marks") as there:
        assert "1 events were recorded after the backup" in there.done.result.missing[0]
        assert there.done.restarted == {}


def test_a_restore_that_is_interrupted_keeps_the_server_away_and_goes_on_where_it_was(installation, monkeypatch):
    spine = installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a"))
    spine.ship()
    installation.copy()
    for mark in ("b", "c"):
        spine.record(scope, *events(mark))
        installation.copy(snapshot=True)
    before = entries(trail(spine.database, spine.store, scope))
    settings = installation.lose()

    def restore() -> RestoredCopies:
        return restore_copies(settings, installation.storage, None, "tallystick restore", Caller("cli"), unseen)

    for step in ("append_copied", "restart_frozen_log", "finish_deletions"):
        with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
            patch.setattr(copies_restore, step, lambda *_arguments, **_named: 1 / 0)
            restore()
        with pytest.raises(SettingsError, match="again: tallystick restore"):
            refuse_interrupted(settings.data_dir)
    restore()
    refuse_interrupted(settings.data_dir)
    database = Database(settings.database_url)
    found = trail(database, spine.store, scope)
    database.close()
    assert entries(found)[: len(before)] == before
    assert len([one for one in found if b"audit_log.log_restarted" in one.what]) == 1
    assert not (settings.data_dir / copies_restore.DOWNLOAD).exists()


def test_a_changed_copy_is_refused_by_name(installation):
    spine = installation.spine
    installation.begin()
    spine.organization("later")
    installation.copy(snapshot=True)
    (key,) = installation.files("/events-")
    content = io.BytesIO()
    installation.storage.get(key, content)
    changed = bytearray(content.getvalue())
    changed[len(changed) // 2] ^= 1
    installation.storage.put(key, io.BytesIO(changed))
    with pytest.raises(Conflict, match=key), installation.restored():
        pass


def test_a_restore_says_what_the_event_store_lacked_when_the_copy_was_made(sqlite_installation):
    spine = sqlite_installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a", "b"))
    spine.ship()
    spine.lose(scope, [0, 1])
    sqlite_installation.copy()
    with sqlite_installation.restored() as there:
        (said,) = there.done.result.missing
    assert "acme: the event store lacked 2 events" in said


def test_nothing_is_erased_or_served_where_the_event_store_was_not_accepted(sqlite_installation, monkeypatch):
    spine = sqlite_installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a"))
    sqlite_installation.copy()
    settings = sqlite_installation.lose()
    erased: list[object] = []
    monkeypatch.setattr(copies_restore, "erase_now", lambda *arguments: erased.append(arguments) or 0)

    def restore() -> RestoredCopies:
        return restore_copies(settings, sqlite_installation.storage, None, "again", Caller("cli"), unseen)

    with monkeypatch.context() as patch, pytest.raises(Conflict, match="store adopt"):
        patch.setattr(copies_restore.StoreIdentity, "_compare", lambda *_arguments: None)
        restore()
    with monkeypatch.context() as patch, pytest.raises(Unavailable, match="could not be moved"):
        patch.setattr(copies_restore.Shipper, "_waits_for_space", lambda _shipper: True)
        restore()
    assert erased == []
    with pytest.raises(SettingsError):
        refuse_interrupted(settings.data_dir)
    restore()
    assert len(erased) == 1


def test_a_key_rotated_after_the_full_copy_is_the_one_that_is_needed(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    old, new = SecretKeys(SECRET), SecretKeys("the key that the rotation made, long enough", (SECRET,))
    with spine.database.write() as connection:
        Keyring(old, "log.example").prepare(connection, scope.org_id, now=clock.now_us())
    spine.ship()
    installation.copy()
    at = clock.now_us()
    with spine.database.write() as connection:
        reseal(connection, new)
    installation.copy(snapshot=True)
    with pytest.raises(Conflict, match="the one that the rotation made"), installation.restored(secret=SECRET):
        pass
    target = installation.home / "restored"
    assert not (target / "tallystick.db").exists()
    assert not (target / erasure_list.FILE).exists()
    with installation.restored(secret=new.current) as there, there.database.read() as connection:
        key = Keyring(SecretKeys(new.current), "log.example").active_keys(connection, scope.org_id, now=clock.now_us())
        assert len(key) == 1
    with pytest.raises(Conflict, match="as the previous one"), installation.restored(at, secret=new.current):
        pass
    with installation.restored(at, secret=SECRET) as there:
        assert there.log(scope).size > 0


def test_an_interrupted_restore_of_another_moment_is_not_continued(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    at = clock.now_us()
    spine.record(scope, *events("a"))
    installation.copy()
    settings = installation.lose()

    def restore(moment: int | None) -> RestoredCopies:
        return restore_copies(settings, installation.storage, moment, "first command", Caller("cli"), unseen)

    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(copies_restore, "finish_deletions", lambda *_arguments: 1 / 0)
        restore(None)
    with pytest.raises(Conflict, match="Complete it: first command"):
        restore(at)
    assert restore(None).appended == 0  # it was at its last step
    refuse_interrupted(settings.data_dir)
