"""Appends copied batches to the logs of a restored control database, as they were appended first."""

from collections.abc import Iterable, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, insert, select, update

from tallystick.access.tables import organizations
from tallystick.clock import rfc3339
from tallystick.copies.batch_copies import CopiedBatch, CopiedExternalId, CopiedLog
from tallystick.errors import Conflict, TallystickError
from tallystick.events.geoip import AddressFacts
from tallystick.events.record import Record
from tallystick.ingest.own_actions import prepare_entry
from tallystick.ingest.tables import external_ids
from tallystick.journal.batches import decode_batch
from tallystick.journal.tables import journal
from tallystick.ledger import log as ledger_log
from tallystick.ledger.log import Log
from tallystick.ledger.prover import entry_of_event
from tallystick.ledger.tables import checkpoints, logs
from tallystick.outbox import write as outbox
from tallystick.query.own_records import is_own_record
from tallystick.retention.index_set import parse_indexes
from tallystick.retention.tables import prunings
from tallystick.search.paging import as_stored_event

NO_ENTRY = -(1 << 60)  # of a deletion whose record is in the log: never a number of the outbox
AT_ONCE = 400
MOST_WAITING = 100_000  # own events in the outbox of an organization


def append_copied(connection: Connection, copied: CopiedLog, redacted_keys: frozenset[str]) -> int | None:
    """Append what the log lacks of the batches, in this transaction; returns the number of events.

    `redacted_keys`: with which own events are recorded.
    None for an organization that the restored snapshot does not have. Raises Conflict if the batches do not
    continue the log, if an event does not give its entry, or if the root is another one than it was.
    """
    if not _has_log(connection, copied):
        return None
    if copied.end <= ledger_log.read(connection, copied.org_id).size:
        return 0
    _take_name(connection, copied)
    log = ledger_log.lock(connection, copied.org_id)
    start = log.size
    for batch in copied.batches:
        if batch.first_index + batch.events > log.size:
            log = _append_batch(connection, log, batch, redacted_keys)
    if log.size != copied.end or (copied.root and log.root != copied.root):
        raise Conflict(f"The copied events of {copied.org_id} to index {copied.end - 1} do not give the log's root.")
    _add_external_ids(connection, log.org_id, [one for one in copied.external_ids if one.log_index >= start])
    return log.size - start


def _has_log(connection: Connection, copied: CopiedLog) -> bool:
    """Whether the organization is there; its log is created if it has none."""
    if connection.execute(select(logs.c.size).where(logs.c.org_id == copied.org_id)).first() is not None:
        return True
    known = select(organizations.c.org_id).where(organizations.c.org_id == copied.org_id)
    if connection.execute(known).first() is None:
        return False
    ledger_log.create(connection, copied.org_id, now=copied.created_at)
    return True


def _take_name(connection: Connection, copied: CopiedLog) -> None:
    """Give the log the name that it had then; under another one it was restarted, and is not frozen any more."""
    mine = logs.c.org_id == copied.org_id
    before = connection.execute(select(logs.c.origin_id).where(mine)).scalar_one()
    # A log has its full name from its first key on, which is made after the first events.
    values: dict[str, str | None] = {"origin_id": copied.origin_id}
    if copied.origin is not None:
        values["origin"] = copied.origin
    if before != copied.origin_id:
        values["frozen_reason"] = None
        connection.execute(update(checkpoints).where(checkpoints.c.org_id == copied.org_id).values(note=None))
    connection.execute(update(logs).where(mine).values(values))


def _append_batch(connection: Connection, log: Log, batch: CopiedBatch, redacted_keys: frozenset[str]) -> Log:
    if batch.first_index != log.size:
        raise Conflict(f"The copies lack index {log.size} of {log.org_id}. Restore to an earlier moment with --at.")
    records = decode_batch(log.org_id, batch).records
    for index, record in enumerate(records, batch.first_index):
        if entry_of_event(as_stored_event(index, record)) != record.entry:
            raise Conflict(f"Index {index} of {log.org_id} was changed in the copies. Restore to an earlier moment.")
    received = [record.received_at for record in records]
    values = {"received_from": min(received), "received_to": max(received), "body": batch.body}
    connection.execute(
        insert(journal).values(org_id=log.org_id, first_index=batch.first_index, events=batch.events, **values)
    )
    after = ledger_log.append(connection, log, [record.entry for record in records])
    _settle_own(connection, log.org_id, records, redacted_keys)
    return after


def _settle_own(connection: Connection, org_id: UUID, records: Sequence[Record], redacted_keys: frozenset[str]) -> None:
    """Take what is in the log by now out of the outbox, and note deletions that it records."""
    waiting = outbox.take(connection, org_id, MOST_WAITING)
    for record in records if waiting else ():
        entry = next((one for one in waiting if _is_record_of(one, record, redacted_keys)), None)
        if entry is not None:
            outbox.delete(connection, [entry])
            waiting.remove(entry)
    for record in records:
        if record.action == "audit_log.pruned" and is_own_record(record.what):
            _note_deletion(connection, org_id, record)


def _is_record_of(entry: outbox.OutboxEntry, record: Record, redacted_keys: frozenset[str]) -> bool:
    """Whether the record is what this entry became: the same parts, at the same time."""
    if entry.event.get("action") != record.action or entry.event.get("timestamp") != rfc3339(record.occurred_at):
        return False
    try:
        (made,) = prepare_entry(
            entry,
            now=record.received_at,
            redacted_keys=redacted_keys,
            find_address=lambda _address: AddressFacts(record.country, record.network),
        )
    except (TallystickError, msgspec.ValidationError):
        return False
    return _parts_of(made.record) == _parts_of(record)


def _parts_of(record: Record) -> tuple[bytes, ...]:
    return record.what, record.target, record.who, record.details


def _note_deletion(connection: Connection, org_id: UUID, record: Record) -> None:
    indexes = str(msgspec.json.decode(record.details)["metadata"]["indexes"])
    mine = (prunings.c.org_id == org_id) & (prunings.c.indexes == indexes)
    if connection.execute(select(prunings.c.entry_id).where(mine)).first() is None:
        times = {"before": record.received_at, "made_at": record.received_at}
        connection.execute(
            insert(prunings).values(
                org_id=org_id, pruning_id=UUID(bytes=record.id), entry_id=NO_ENTRY, indexes=indexes,
                events=len(parse_indexes(indexes)), **times,
            )
        )  # fmt: skip


def _add_external_ids(connection: Connection, org_id: UUID, found: Iterable[CopiedExternalId]) -> None:
    rows = [{"org_id": org_id, **msgspec.structs.asdict(one)} for one in found]
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        ids = [row["external_id"] for row in some]
        # An id is free again after its event was purged.
        connection.execute(
            delete(external_ids).where(external_ids.c.org_id == org_id, external_ids.c.external_id.in_(ids))
        )
        connection.execute(insert(external_ids), some)
