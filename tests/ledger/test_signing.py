"""Checkpoints: one root for one size, nothing signed that does not fit, and an older copy is noticed first."""

import json
import shutil
from pathlib import Path
from uuid import UUID

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import delete, insert, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope, person_scope
from tallystick.backup.secret_rotation import reseal
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.errors import Conflict, Forbidden, Unavailable
from tallystick.ledger import log as ledger
from tallystick.ledger.high_water import FILE, MIN_LINES_BEFORE_REWRITE, HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import OVERLAP_DAYS, Keyring
from tallystick.ledger.log import LedgerDamaged
from tallystick.ledger.signer import Signer, last_checkpoint
from tallystick.ledger.tables import checkpoints, logs, signing_keys
from tallystick.outbox.write import outbox
from tallystick.query.scope import Principal
from tallystick.secret_keys import SecretKeys
from tallystick.verify.notes import Key, open_checkpoint
from tests.ledger.test_append import append, entries_of

SECRET = "a" * 64
HOST = "audit.example.com"


def new_organization(database: Database, slug: str = "acme") -> UUID:
    with database.write() as connection:
        org_id = organizations.create(connection, slug, now=1).org_id
        ledger.create(connection, org_id, now=1)
    return org_id


def signer_on(database: Database, data_dir: Path, secret: str = SECRET) -> Signer:
    made = Signer(database, Keyring(SecretKeys(secret), HOST), data_dir)
    made.open()
    return made


def frozen_reason(database: Database, org_id: UUID) -> str:
    with database.read() as connection:
        return ledger.read(connection, org_id).frozen_reason or ""


def opened(signer: Signer, org_id: UUID, note: str):
    return open_checkpoint(note, [Key.read(key.vkey) for key in signer.keys(org_id)])


def test_a_checkpoint_is_signed_of_what_is_committed(database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(database), signer_on(database, tmp_path)
    log = append(database, org_id, entries_of(300))
    found = opened(signer, org_id, signer.checkpoint(org_id).note)
    assert (found.size, found.root) == (300, log.root)
    assert found.origin == f"{HOST}/log/{log.origin_id}"


def test_an_empty_log_can_be_signed(sqlite_database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(sqlite_database), signer_on(sqlite_database, tmp_path)
    assert opened(signer, org_id, signer.checkpoint(org_id).note).size == 0


def test_a_growing_log_is_signed_once_a_second_unless_a_proof_needs_more(database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(database), signer_on(database, tmp_path)
    append(database, org_id, entries_of(3))
    assert signer.checkpoint(org_id).size == 3
    append(database, org_id, entries_of(2, first=3))
    assert signer.checkpoint(org_id).size == 3
    assert signer.checkpoint(org_id, covering=4).size == 5


def test_one_step_signs_every_log_that_grew_and_the_next_none(database: Database, tmp_path: Path) -> None:
    signer = signer_on(database, tmp_path)
    all_of_them = [new_organization(database, f"org-{number}") for number in range(3)]
    for org_id in all_of_them:
        append(database, org_id, entries_of(5))
    assert signer.step()
    assert not signer.step()
    append(database, all_of_them[1], entries_of(1, first=5))
    assert signer.step()


def test_of_two_servers_one_signs_in_the_background(database: Database, tmp_path: Path) -> None:
    org_id = new_organization(database)
    append(database, org_id, entries_of(5))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    first, second = signer_on(database, tmp_path / "a"), signer_on(database, tmp_path / "b")
    assert first.step() == 1
    assert second.step() == 0
    assert second.checkpoint(org_id) == first.checkpoint(org_id)


def test_an_orderly_stop_signs_what_grew_until_then(sqlite_database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(sqlite_database), signer_on(sqlite_database, tmp_path)
    signer.start()
    append(sqlite_database, org_id, entries_of(3))
    signer.stop()
    with sqlite_database.read() as connection:
        last = last_checkpoint(connection, org_id)
    assert last is not None
    assert last.size == 3


def test_a_rotation_of_the_secret_key_changes_no_signing_key(database: Database, tmp_path: Path) -> None:
    org_id, before = new_organization(database), signer_on(database, tmp_path)
    append(database, org_id, entries_of(5))
    old_note, old_keys = before.checkpoint(org_id).note, [key.vkey for key in before.keys(org_id)]
    keys = SecretKeys("b" * 64, (SECRET,))
    with database.write() as connection:
        assert reseal(connection, keys) == {"previous": 1}
        assert reseal(connection, keys) == {"current": 1}
    after = signer_on(database, tmp_path, "b" * 64)
    append(database, org_id, entries_of(3, first=5))
    assert [key.vkey for key in after.keys(org_id)] == old_keys
    assert [opened(after, org_id, note).size for note in (old_note, after.checkpoint(org_id, covering=7).note)] == [
        5,
        8,
    ]
    with pytest.raises(Unavailable, match="cannot be decrypted"):
        before.keys(org_id)


def test_what_no_key_decrypts_stays_as_it_is(sqlite_database: Database, tmp_path: Path) -> None:
    signer_on(sqlite_database, tmp_path).keys(new_organization(sqlite_database))
    with sqlite_database.write() as connection:
        sealed = connection.execute(select(signing_keys.c.sealed)).scalar_one()
        assert reseal(connection, SecretKeys("b" * 64, ("c" * 64,))) == {"lost": 1}
        assert connection.execute(select(signing_keys.c.sealed)).scalar_one() == sealed


def test_the_origin_stays_when_the_public_url_changes(sqlite_database: Database, tmp_path: Path) -> None:
    org_id = new_organization(sqlite_database)
    before = signer_on(sqlite_database, tmp_path).keys(org_id)[0].vkey
    moved = Signer(sqlite_database, Keyring(SecretKeys(SECRET), "elsewhere.example.com"), tmp_path)
    assert moved.keys(org_id)[0].vkey == before


def test_two_roots_for_one_size_cannot_exist(database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(database), signer_on(database, tmp_path)
    append(database, org_id, entries_of(5))
    with database.write() as connection:
        connection.execute(insert(checkpoints).values(org_id=org_id, size=5, root=bytes(32), made_at=1))
    with pytest.raises(Unavailable):
        signer.checkpoint(org_id)
    assert "another root" in frozen_reason(database, org_id)


def test_a_frozen_log_is_not_signed_but_its_last_checkpoint_is_given(database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(database), signer_on(database, tmp_path)
    append(database, org_id, entries_of(5))
    last = signer.checkpoint(org_id)
    append(database, org_id, entries_of(1, first=5))
    with database.write() as connection:
        ledger.freeze(connection, org_id, "because")
    assert signer.checkpoint(org_id) == last
    assert not signer.step()
    with pytest.raises(Unavailable) as refusal:
        signer.checkpoint(org_id, covering=6)
    assert refusal.value.code == "log_frozen"


def test_attack_the_tree_rewritten_with_a_new_root_is_not_signed(database: Database, tmp_path: Path) -> None:
    org_id, signer = new_organization(database), signer_on(database, tmp_path)
    append(database, org_id, entries_of(300))
    signer.checkpoint(org_id)
    other = new_organization(database, "other")
    append(database, other, entries_of(400, name="forged"))
    with database.write() as connection:
        forged = connection.execute(select(logs.c.size, logs.c.root, logs.c.edge).where(logs.c.org_id == other)).one()
        from_other = ledger.tiles
        connection.execute(delete(from_other).where(from_other.c.org_id == org_id))
        connection.execute(update(from_other).where(from_other.c.org_id == other).values(org_id=org_id))
        connection.execute(update(logs).where(logs.c.org_id == org_id).values(forged._mapping))
    with pytest.raises(LedgerDamaged):
        signer.checkpoint(org_id, covering=301)
    assert "another root" in frozen_reason(database, org_id)


def copied(url: str, to: Path) -> Database:
    shutil.copyfile(url.removeprefix("sqlite:///"), to)
    return Database(f"sqlite:///{to}")


@pytest.mark.parametrize("grown_since", [0, 2, 500])
def test_attack_a_replayed_old_backup_is_frozen_before_anything_is_signed(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path, grown_since: int
) -> None:
    """Whether the restored copy is still shorter than what was signed, or has grown beyond it."""
    org_id, signer = new_organization(sqlite_database), signer_on(sqlite_database, tmp_path)
    append(sqlite_database, org_id, entries_of(5))
    signer.checkpoint(org_id)
    sqlite_database.engine.dispose()
    backup = copied(sqlite_url, tmp_path / "backup.db")
    append(sqlite_database, org_id, entries_of(20, first=5))
    signer.checkpoint(org_id, covering=25)
    if grown_since:
        append(backup, org_id, entries_of(grown_since, first=5, name="other"))
    restored = signer_on(backup, tmp_path)
    assert "Restore the newest backup" in frozen_reason(backup, org_id)
    assert restored.step() == 0
    with pytest.raises(Unavailable), backup.write() as connection:
        ledger.lock(connection, org_id)
    backup.close()


def test_an_old_backup_of_everything_is_as_good_as_any(
    sqlite_database: Database, sqlite_url: str, tmp_path: Path
) -> None:
    """With the marks set back too nothing here can tell; the checkpoints that people hold do."""
    org_id, signer = new_organization(sqlite_database), signer_on(sqlite_database, tmp_path)
    append(sqlite_database, org_id, entries_of(5))
    held = signer.checkpoint(org_id)
    fresh = tmp_path / "fresh"
    fresh.mkdir()
    assert signer_on(sqlite_database, fresh).checkpoint(org_id) == held


class TestMarks:
    def test_they_are_read_back(self, tmp_path: Path) -> None:
        marks = HighWaterMarks(tmp_path)
        marks.open()
        marks.append([HighWaterMark("a", 5, bytes(32)), HighWaterMark("b", 7, bytes([1]) * 32)])
        marks.append([HighWaterMark("a", 9, bytes([2]) * 32)])
        again = HighWaterMarks(tmp_path)
        again.open()
        assert (again.of("a"), again.of("b")) == (
            HighWaterMark("a", 9, bytes([2]) * 32),
            HighWaterMark("b", 7, bytes([1]) * 32),
        )
        assert again.of("c") is None

    def test_a_line_that_was_broken_off_is_left_out_and_the_next_is_whole(self, tmp_path: Path) -> None:
        marks = HighWaterMarks(tmp_path)
        marks.open()
        marks.append([HighWaterMark("a", 5, bytes(32))])
        with (tmp_path / FILE).open("a") as file:
            file.write("a 9 AAAA")
        again = HighWaterMarks(tmp_path)
        again.open()
        again.append([HighWaterMark("b", 1, bytes(32))])
        third = HighWaterMarks(tmp_path)
        third.open()
        assert (third.of("a"), third.of("b")) == (HighWaterMark("a", 5, bytes(32)), HighWaterMark("b", 1, bytes(32)))

    def test_they_do_not_grow_for_ever(self, tmp_path: Path) -> None:
        (tmp_path / FILE).write_text(
            "".join(HighWaterMark("a", size, bytes(32)).line for size in range(MIN_LINES_BEFORE_REWRITE + 5))
        )
        marks = HighWaterMarks(tmp_path)
        marks.open()
        marks.append([HighWaterMark("a", 99_999, bytes(32))])
        assert (tmp_path / FILE).read_text() == HighWaterMark("a", 99_999, bytes(32)).line


class TestKeys:
    def test_the_private_key_is_sealed_where_it_lies(self, database: Database, tmp_path: Path) -> None:
        org_id, signer = new_organization(database), signer_on(database, tmp_path)
        key = signer.keys(org_id)[0]
        raw = key.private.private_bytes_raw()
        with database.read() as connection:
            sealed = connection.execute(select(signing_keys.c.sealed)).scalar_one()
        assert raw not in sealed
        assert len(sealed) == 12 + 32 + 16
        assert raw.hex() not in repr(key)
        assert "private" not in repr(key)

    def test_another_secret_does_not_open_it_and_the_error_says_what_to_do(
        self, database: Database, tmp_path: Path
    ) -> None:
        org_id = new_organization(database)
        signer_on(database, tmp_path).keys(org_id)
        with pytest.raises(Unavailable, match="TALLYSTICK_SECRET_KEY") as refusal:
            signer_on(database, tmp_path, secret="b" * 64).keys(org_id)
        assert refusal.value.code == "signing_key_sealed"

    def test_a_lost_key_is_replaced_and_the_trail_says_how_far_it_had_signed(
        self, database: Database, tmp_path: Path
    ) -> None:
        org_id, signer = new_organization(database), signer_on(database, tmp_path)
        append(database, org_id, entries_of(3))
        signer.checkpoint(org_id, covering=3)
        lost = signer.keys(org_id)[0]
        ring = Keyring(SecretKeys("b" * 64), HOST)
        with database.write() as connection:
            made = ring.replace_lost(connection, operator_scope(org_id), now=clock.now_us())
        with database.read() as connection:
            record = json.loads(connection.execute(select(outbox).order_by(outbox.c.entry_id.desc())).first().event)
        assert record["changes"] == {"key": {"before": lost.vkey, "after": made.vkey}}
        assert record["metadata"] == {"previous_key_lost": True, "signed_through": 3}
        append(database, org_id, entries_of(1))
        later = signer_on(database, tmp_path, secret="b" * 64)
        assert [key.vkey for key in later.keys(org_id)] == [made.vkey]
        assert later.checkpoint(org_id, covering=4).size == 4

    def test_a_key_that_can_be_decrypted_is_not_replaced_as_lost(self, database: Database, tmp_path: Path) -> None:
        org_id, signer = new_organization(database), signer_on(database, tmp_path)
        key = signer.keys(org_id)[0]
        with pytest.raises(Conflict, match="without --lost-key"), database.write() as connection:
            Keyring(SecretKeys(SECRET), HOST).replace_lost(connection, operator_scope(org_id), now=clock.now_us())
        assert signer.keys(org_id)[0].vkey == key.vkey

    def test_a_sealed_key_of_another_organization_does_not_open(self, database: Database, tmp_path: Path) -> None:
        alice, bob = new_organization(database, "alice"), new_organization(database, "bob")
        signer = signer_on(database, tmp_path)
        signer.keys(alice)
        with database.write() as connection:
            connection.execute(update(signing_keys).values(org_id=bob))
        with pytest.raises(Unavailable):
            signer.keys(bob)

    def test_after_a_change_both_sign_for_thirty_days(self, database: Database, tmp_path: Path) -> None:
        org_id, signer = new_organization(database), signer_on(database, tmp_path)
        before = signer.keys(org_id)[0]
        now = clock.now_us()
        ring = Keyring(SecretKeys(SECRET), HOST)
        with database.write() as connection:
            made = ring.rotate(connection, operator_scope(org_id), now=now)
        append(database, org_id, entries_of(1))
        note = signer.checkpoint(org_id, covering=1).note
        for key in (before, made):
            assert open_checkpoint(note, [Key.read(key.vkey)]).size == 1
        with database.read() as connection:
            just_before = ring.active_keys(connection, org_id, now=now + OVERLAP_DAYS * DAY_US - 1)
            just_after = ring.active_keys(connection, org_id, now=now + OVERLAP_DAYS * DAY_US)
        assert [key.vkey for key in just_before] == [made.vkey, before.vkey]
        assert [key.vkey for key in just_after] == [made.vkey]

    def test_a_change_is_told_in_the_trail_without_the_private_key(
        self, sqlite_database: Database, tmp_path: Path
    ) -> None:
        org_id, signer = new_organization(sqlite_database), signer_on(sqlite_database, tmp_path)
        before = signer.keys(org_id)[0]
        with sqlite_database.write() as connection:
            made = Keyring(SecretKeys(SECRET), HOST).rotate(connection, operator_scope(org_id), now=clock.now_us())
            told = b"".join(connection.execute(select(outbox.c.event)).scalars())
        assert b"audit_log.signing_key_rotated" in told
        assert before.vkey.encode() in told
        assert made.vkey.encode() in told
        assert made.private.private_bytes_raw().hex().encode() not in told

    @pytest.mark.parametrize("role", ["admin", "auditor", "member"])
    def test_only_an_owner_changes_the_key(self, sqlite_database: Database, role) -> None:
        org_id = new_organization(sqlite_database)
        scope = person_scope(org_id, Principal("user", "usr_1", "Bob", "bob@example.com"), role)
        with pytest.raises(Forbidden), sqlite_database.write() as connection:
            Keyring(SecretKeys(SECRET), HOST).rotate(connection, scope, now=1)

    def test_each_log_has_a_key_of_its_own(self, sqlite_database: Database, tmp_path: Path) -> None:
        signer = signer_on(sqlite_database, tmp_path)
        alice, bob = new_organization(sqlite_database, "alice"), new_organization(sqlite_database, "bob")
        assert signer.keys(alice)[0].public != signer.keys(bob)[0].public
        assert isinstance(signer.keys(alice)[0].private, Ed25519PrivateKey)
