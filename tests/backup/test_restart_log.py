"""Letting a frozen log go on, and refusing to."""

import io

import msgspec
import pyarrow as pa
import pytest
from sqlalchemy import select, update

from tallystick.access.audit import Caller
from tallystick.backup.restart_log import restart_frozen_log
from tallystick.clock import now_us
from tallystick.errors import Conflict, Unavailable
from tallystick.events.incoming import EventInput
from tallystick.events.intake import prepare
from tallystick.ingest.reconcile import reconcile
from tallystick.ledger import log as ledger_log
from tallystick.ledger.high_water import HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import Keyring
from tallystick.ledger.signer import Signer
from tallystick.ledger.tables import logs, tiles
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Query
from tallystick.secret_keys import SecretKeys
from tallystick.setting_values import REDACTED_KEYS

SECRET, HOST = "k" * 40, "audit.example.com"


def log_of(spine, scope):
    with spine.database.read() as connection:
        return ledger_log.read(connection, scope.org_id)


@pytest.fixture
def frozen(spine):
    """A log with a few stored events that was frozen."""
    scope = spine.organization()
    spine.record(scope, {"action": "project.updated"}, {"action": "project.updated"})
    spine.ship()
    with spine.database.write() as connection:
        Keyring(SecretKeys(SECRET), HOST).prepare(connection, scope.org_id, now=now_us())
        ledger_log.freeze(connection, scope.org_id, "it is older")
    return scope


def go_on(spine, tmp_path, **options):
    return restart_frozen_log(
        spine.database, spine.store, tmp_path, "acme", HOST,
        caller=Caller(source="cli"), redacted_keys=frozenset(REDACTED_KEYS), **options,
    )  # fmt: skip


def put_mark(tmp_path, mark):
    marks = HighWaterMarks(tmp_path)
    marks.open()
    marks.append([mark])


def test_the_first_record_under_the_new_name_says_what_was_lost(spine, frozen, tmp_path):
    before = log_of(spine, frozen)
    put_mark(tmp_path, HighWaterMark(before.origin_id, before.size + 7, bytes(32)))
    with spine.database.write() as connection:
        outbox.write(connection, frozen.org_id, {"action": "user.login"}, now=now_us())  # waited while it was frozen
    done = go_on(spine, tmp_path)
    after = log_of(spine, frozen)
    assert (done.size, done.signed) == (before.size, before.size + 7)
    assert (after.frozen_reason, after.size) == (None, before.size + 2)
    assert after.origin_id != before.origin_id
    spine.ship()
    event = next(one for one in spine.finder.page(frozen, Query()).data if one.index == before.size)
    assert msgspec.json.decode(event.what)["action"] == "audit_log.log_restarted"
    said = msgspec.json.decode(event.details)["metadata"]
    assert said["old_origin"].endswith(before.origin_id)
    assert said["new_origin"] == f"{HOST}/log/{after.origin_id}"
    assert (said["entries"], said["entries_signed"]) == (before.size, before.size + 7)
    assert reconcile(spine.database, spine.store) == []


def test_what_is_signed_then_has_the_new_name_alone(spine, tmp_path):
    scope = spine.organization()
    signer = Signer(spine.database, Keyring(SecretKeys(SECRET), HOST), tmp_path)
    signer.open()
    old = signer.checkpoint(scope.org_id)
    with spine.database.write() as connection:
        ledger_log.freeze(connection, scope.org_id, "it is older")
    done = go_on(spine, tmp_path)
    again = Signer(spine.database, Keyring(SecretKeys(SECRET), HOST), tmp_path)
    again.open()
    new = again.checkpoint(scope.org_id)
    assert old.note.splitlines()[0] == done.old_origin
    assert new.note.splitlines()[0] == done.new_origin
    assert new.size == old.size + 1


def test_rows_that_the_tree_does_not_know_are_moved_into_a_file(spine, frozen, tmp_path):
    """As when the control database alone was set back."""
    size = log_of(spine, frozen).size
    records = [
        made.record
        for made in prepare(
            [EventInput(action="project.updated")] * 3, received_at=now_us(),
            recorded_by=frozen.principal, redacted_keys=frozenset(),
        )
    ]  # fmt: skip
    spine.store.insert([(frozen.org_id, size, records)], f"unknown to {frozen.org_id}")
    (finding,) = reconcile(spine.database, spine.store)
    assert "the log ends before" in finding.problem
    done = go_on(spine, tmp_path)
    assert done.trimmed == 3
    with pa.ipc.open_stream(io.BytesIO((tmp_path / done.trimmed_to).read_bytes())) as reader:
        assert sorted(reader.read_all()["seq"].to_pylist()) == [size, size + 1, size + 2]
    spine.ship()
    assert spine.indexes(frozen.org_id) == list(range(size + 1))
    assert reconcile(spine.database, spine.store) == []


def test_a_log_that_is_not_frozen_is_left_alone(spine, tmp_path):
    scope = spine.organization()
    with pytest.raises(Conflict, match="not frozen"):
        go_on(spine, tmp_path)
    assert log_of(spine, scope).frozen_reason is None


def test_another_tree_than_was_signed_goes_on_only_if_the_operator_accepts_it(spine, frozen, tmp_path):
    log = log_of(spine, frozen)
    put_mark(tmp_path, HighWaterMark(log.origin_id, log.size, bytes(32)))
    with pytest.raises(Conflict) as refused:
        go_on(spine, tmp_path)
    assert refused.value.code == "another_tree"
    assert log_of(spine, frozen) == log
    go_on(spine, tmp_path, accept_tree=True)
    assert log_of(spine, frozen).frozen_reason is None


def test_a_shorter_tree_that_was_signed_otherwise_is_no_older_copy(spine, frozen, tmp_path):
    """Cutting the end off does not make a changed tree look like a copy: an earlier signature is held against it."""
    log = log_of(spine, frozen)
    put_mark(tmp_path, HighWaterMark(log.origin_id, log.size - 1, bytes(32)))
    put_mark(tmp_path, HighWaterMark(log.origin_id, log.size + 5, bytes(32)))
    with pytest.raises(Conflict) as refused:
        go_on(spine, tmp_path)
    assert refused.value.code == "another_tree"


def test_nothing_is_moved_out_of_the_store_before_it_is_in_the_file(spine, frozen, tmp_path, monkeypatch):
    size = log_of(spine, frozen).size
    records = [
        made.record
        for made in prepare(
            [EventInput(action="project.updated")] * 2, received_at=now_us(),
            recorded_by=frozen.principal, redacted_keys=frozenset(),
        )
    ]  # fmt: skip
    spine.store.insert([(frozen.org_id, size, records)], f"unknown to {frozen.org_id}")
    monkeypatch.setattr("tallystick.store.transfer.count_in", lambda _stream: 1)
    with pytest.raises(Unavailable, match="1 of the 2"):
        go_on(spine, tmp_path)
    assert spine.indexes(frozen.org_id)[-2:] == [size, size + 1]
    assert log_of(spine, frozen).frozen_reason is not None


def test_a_tree_that_contradicts_itself_never_goes_on(spine, frozen, tmp_path):
    with spine.database.write() as connection:
        hashes = connection.execute(select(tiles.c.hashes).where(tiles.c.org_id == frozen.org_id)).scalars().first()
        connection.execute(update(tiles).where(tiles.c.org_id == frozen.org_id).values(hashes=bytes(len(hashes))))
    with pytest.raises(Conflict) as refused:
        go_on(spine, tmp_path, accept_tree=True)
    assert refused.value.code == "log_damaged"
    with spine.database.read() as connection:
        reason = select(logs.c.frozen_reason).where(logs.c.org_id == frozen.org_id)
        assert connection.execute(reason).scalar_one() == "it is older"


def test_a_power_cut_before_the_record_leaves_the_log_as_it_was(spine, frozen, tmp_path, monkeypatch):
    """Name and record are one transaction: whoever starts a server in between finds no name without it."""
    before = log_of(spine, frozen)

    def cut(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("tallystick.backup.restart_log.commit", cut)
        with pytest.raises(KeyboardInterrupt):
            go_on(spine, tmp_path)
    assert log_of(spine, frozen) == before
    done = go_on(spine, tmp_path)
    assert log_of(spine, frozen).size == before.size + 1 == done.size + 1
