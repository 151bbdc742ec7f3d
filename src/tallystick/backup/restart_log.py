"""Restart of a frozen log: an operator's decision after an older backup was restored.

The tree and its indexes continue under a new origin. Entries that were signed under the old origin after the backup
are lost, which stays provable: checkpoints of the old origin still exist outside, and the first record under the new
origin names the old one and how far it was signed.
"""

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import Connection, select

from tallystick.access import organizations
from tallystick.access.audit import Caller, resource
from tallystick.access.organizations import Organization
from tallystick.access.scopes import operator_scope
from tallystick.backup.manifest import NewFile, open_file
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.durable import sync_folder
from tallystick.errors import Conflict, Unavailable
from tallystick.ingest.commit import commit
from tallystick.ingest.reconcile import contradictions
from tallystick.ledger.high_water import HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import rename_log
from tallystick.ledger.log import Log, lock, read
from tallystick.ledger.nodes import EntriesExpired, Nodes
from tallystick.ledger.signer import last_checkpoint
from tallystick.ledger.tables import logs
from tallystick.merkle.tree import root_of
from tallystick.outbox import write as outbox
from tallystick.store import expiry, transfer
from tallystick.store.copied_columns import highest_index
from tallystick.store.events import EventStore
from tallystick.store.windows import Window


@dataclass(frozen=True, slots=True)
class RestartedLog:
    """The result: both origins, entries in the tree, entries signed before, and the file of the trimmed events."""

    old_origin: str
    new_origin: str
    size: int
    signed: int
    trimmed: int
    trimmed_to: str


def restart_frozen_log(
    database: Database,
    store: EventStore,
    data_dir: Path,
    slug: str,
    host: str,
    *,
    caller: Caller,
    redacted_keys: frozenset[str],
    accept_tree: bool = False,
) -> RestartedLog:
    """Restart the frozen log of an organization. The caller holds the lock of the data directory.

    Conflict where it is not frozen, where the control database contradicts itself, and, unless `accept_tree`, where
    what was signed here is not what the tree says.
    """
    with database.read() as connection:
        organization = organizations.by_slug(connection, slug)
        log = read(connection, organization.org_id)
    if log.frozen_reason is None:
        raise Conflict(f"The log of {slug} is not frozen, so there is nothing to restart.", code="not_frozen")
    marks = HighWaterMarks(data_dir)
    marks.open()
    mark = marks.of(log.origin_id)
    with database.read() as connection:
        _refuse_damaged(connection, log)
        if not accept_tree:
            _refuse_changed_tree(connection, log, marks.largest_within(log.origin_id, log.size))
    trimmed, trimmed_to = _trim(store, data_dir, organization, log)
    with database.write() as connection:
        before = read(connection, log.org_id)
        if before != log:
            raise Conflict("The log changed in the meantime. Stop all servers and try again.")
        origin, last = _origin(connection, log.org_id), last_checkpoint(connection, log.org_id)
        after = rename_log(connection, log, host)
        new_origin = _origin(connection, log.org_id)
        signed = max(mark.size if mark else 0, last.size if last else 0)
        _record(
            connection,
            organization,
            caller,
            {
                "old_origin": origin,
                "new_origin": new_origin,
                "entries": after.size,
                "entries_signed": signed,
                "root_signed": b64encode(_root_signed(mark, last)).decode(),
                "reason": log.frozen_reason,
                "last_checkpoint_here": last.note if last else "",
            },
        )
        # Commit the record in the same transaction: it is the first under the new origin, and no crash leaves the new
        # origin without it.
        commit(connection, lock(connection, log.org_id), [], now=now_us(), redacted_keys=redacted_keys)
    return RestartedLog(origin, new_origin, log.size, signed, trimmed, trimmed_to)


def _root_signed(mark: HighWaterMark | None, last: object) -> bytes:
    if mark is not None and mark.size >= getattr(last, "size", 0):
        return mark.root
    return getattr(last, "root", b"")


def _refuse_damaged(connection: Connection, log: Log) -> None:
    ((_edge, problem),) = contradictions(connection, [log.org_id])
    if problem is not None:
        raise Conflict(
            f"The control database contradicts itself ({problem}), so the log cannot continue from it. Restore the "
            "newest backup first, then restart the log.",
            code="log_damaged",
        )


def _refuse_changed_tree(connection: Connection, log: Log, mark: HighWaterMark | None) -> None:
    """Raise Conflict when the tree has another root at the high-water mark, the largest that fits into the tree.

    An older backup of the same log has the same root there.
    """
    if mark is None:
        return
    try:
        same = root_of(mark.size, Nodes(connection, log.org_id)) == mark.root
    except EntriesExpired:
        return
    if not same:
        raise Conflict(
            f"The first {mark.size} entries have a different root than the one signed here: they were changed, or "
            "belong to another log. Restore a backup. If you know why and want to continue this tree, use "
            "--accept-tree.",
            code="another_tree",
        )


def _trim(store: EventStore, data_dir: Path, organization: Organization, log: Log) -> tuple[int, str]:
    """Move events beyond the tree from the store into a file: their indexes will be assigned again."""
    scope = operator_scope(log.org_id)
    highest = highest_index(store, scope)
    if highest < log.size:
        return 0, ""
    present = store.present(log.org_id, log.size, highest + 1)
    name = f"trimmed-{organization.slug}-{now_us()}.arrow"
    everything = Window(None, None)
    with NewFile(data_dir, name) as file:
        for piece in transfer.rows_of(store, scope, everything, log.size, highest + 1):
            file.write(piece)
    with open_file(data_dir, file.entry(0)) as stream:
        written = transfer.count_in(stream)
    if written < len(present):
        raise Unavailable(f"The event store returned {written} of the {len(present)} events to move. Try again.")
    sync_folder(data_dir)
    expiry.delete_indexes(store, scope, sorted(present))
    return len(present), str(data_dir / name)


def _origin(connection: Connection, org_id: UUID) -> str:
    return str(connection.execute(select(logs.c.origin).where(logs.c.org_id == org_id)).scalar() or "")


def _record(connection: Connection, organization: Organization, caller: Caller, metadata: dict[str, object]) -> None:
    by = operator_scope(organization.org_id).principal
    entry_id = outbox.write(
        connection,
        organization.org_id,
        {
            "action": "audit_log.log_restarted",
            "actor": {"type": by.kind, "id": by.id, "name": by.name},
            "resource": resource("organization", organization.org_id, "org", organization.name),
            "context": {"source": caller.source},
            "metadata": {name: value for name, value in metadata.items() if value != ""},
        },
        now=now_us(),
    )
    outbox.move_to_front(connection, organization.org_id, entry_id)
