"""Erasure records: the `audit_log.subject_erased` events of a log that match their entries."""

import msgspec
import structlog
from sqlalchemy import select

from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.ledger.nodes import DetachedNodes, Nodes
from tallystick.ledger.prover import entry_of_event
from tallystick.ledger.tables import logs
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.remains import mask_of
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.query.scope import Scope
from tallystick.retention import index_set
from tallystick.search.scan import explanatory_records
from tallystick.store.events import EventStore

ACTION = "audit_log.subject_erased"
logger = structlog.get_logger(__name__)


class ErasureRecord(msgspec.Struct, frozen=True):
    """One record: its own index and event id, the erasure (`ers_…`), its parts (bits) and indexes, its reason."""

    index: int
    event_id: bytes
    erasure: str
    parts: int
    indexes: str
    reason: str


def erasure_records(database: Database, store: EventStore, scope: Scope, end: int) -> list[ErasureRecord]:
    """All records below index `end`, in order. A record in the event store that is not in the log is ignored."""
    nodes = DetachedNodes(database, scope.org_id)
    return [
        one
        for event in explanatory_records(database, store, scope, end)
        if (one := _parse_record(event)) is not None and _is_in_log(nodes, event)
    ]


def records_of_event(database: Database, store: EventStore, scope: Scope, index: int) -> list[ErasureRecord]:
    """The records that cover the event at `index`. The caller has checked that the scope may see the event."""
    with database.read() as connection:
        size = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
    return [
        one for one in erasure_records(database, store, scope, size) if index in index_set.parse_indexes(one.indexes)
    ]


def _is_in_log(nodes: Nodes, event: StoredEvent) -> bool:
    """Whether the record matches the entry at its index: otherwise a forged row in the store could cause an erasure."""
    position, place = divmod(event.index, TILE_WIDTH)
    entry = nodes.entries(position)[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
    if entry == entry_of_event(event):
        return True
    logger.error("record_not_in_log", index=event.index)
    return False


def _parse_record(event: StoredEvent) -> ErasureRecord | None:
    if msgspec.json.decode(event.what)["action"] != ACTION:
        return None
    said = msgspec.json.decode(event.details).get("metadata", {})
    try:
        return ErasureRecord(
            event.index, event.id, said["erasure"], mask_of(said["parts"].split(",")), said["indexes"], said["reason"]
        )
    except (KeyError, ValueError):
        return None
