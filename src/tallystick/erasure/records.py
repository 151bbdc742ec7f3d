"""What the log tells of erasures: its records, each as far as it is the entry at its index."""

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
from tallystick.search.scan import records
from tallystick.store.events import EventStore

logger = structlog.get_logger(__name__)


class Told(msgspec.Struct, frozen=True):
    """What one record in the log says: its own index, the erasure (`ers_…`), parts (bits), indexes, and why."""

    index: int
    event_id: bytes
    erasure: str
    parts: int
    indexes: str
    reason: str


def told(database: Database, store: EventStore, scope: Scope, end: int) -> list[Told]:
    """All that the log tells below index `end`, in order. What stands in the store and not in the log says nothing."""
    nodes = DetachedNodes(database, scope.org_id)
    return [
        one
        for event in records(database, store, scope, end)
        if (one := _read(event)) is not None and _stands(nodes, event)
    ]


def telling_of(database: Database, store: EventStore, scope: Scope, index: int) -> list[Told]:
    """The records that name the event at this index, which the scope may see."""
    with database.read() as connection:
        size = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
    return [one for one in told(database, store, scope, size) if index in index_set.parse_indexes(one.indexes)]


def _stands(nodes: Nodes, event: StoredEvent) -> bool:
    """Whether the record is the entry at its index: one that somebody put into the store would erase what it names."""
    position, place = divmod(event.index, TILE_WIDTH)
    entry = nodes.entries(position)[place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
    if entry == entry_of_event(event):
        return True
    logger.error("record_not_in_log", index=event.index)
    return False


def _read(event: StoredEvent) -> Told | None:
    if msgspec.json.decode(event.what)["action"] != "audit_log.subject_erased":
        return None
    by = msgspec.json.decode(event.what)["recorded_by"]
    if (by["type"], by["id"]) != ("system", "tallystick"):
        return None
    said = msgspec.json.decode(event.details).get("metadata", {})
    try:
        return Told(
            event.index, event.id, said["erasure"], mask_of(said["parts"].split(",")), said["indexes"], said["reason"]
        )
    except (KeyError, ValueError):
        return None
