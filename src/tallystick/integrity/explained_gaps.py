"""The indexes whose events the event store rightly lacks: purged, being purged, accepted as lost, or set aside."""

from uuid import UUID

from sqlalchemy import Connection, Table, func, insert, select, update

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.integrity.deletion_records import DeletionRecords
from tallystick.journal.tables import lost_events, set_aside
from tallystick.ledger.tables import logs
from tallystick.query.scope import Scope
from tallystick.retention.index_set import IndexSet, Range, format_ranges, parse_ranges
from tallystick.retention.tables import prunings, purged_indexes
from tallystick.store.events import EventStore

# The row of what purges deleted before `purged_indexes` was written.
EARLIER = UUID(int=0)


class ExplainedGaps:
    """The explanations of one log, as the control database has them.

    `purged`: events that finished purges deleted. `settled`: also those that are lost, or set aside. `all`: also those
    that a purge under way may have deleted.
    """

    def __init__(self, database: Database, store: EventStore, scope: Scope) -> None:
        self._database = database
        self._scope = scope
        self._version: tuple[object, ...] = ()
        self.purged = self.settled = self.all = IndexSet()
        _add_earlier_purges(database, store, scope)
        self.refresh()

    def refresh(self) -> None:
        """Read again what has changed. After reading the store, this explains every deletion that was seen there."""
        org_id = self._scope.org_id
        # One snapshot: the transaction that ends a purge takes its row out of one table and puts it into another.
        with self._database.read() as connection:
            under_way = _texts(connection, prunings, org_id)
            sums = [
                connection.execute(select(func.count(), func.sum(of.c.events)).where(of.c.org_id == org_id)).one()
                for of in (purged_indexes, lost_events)
            ]
            aside = select(set_aside.c.log_index).where(set_aside.c.org_id == org_id)
            kept = sorted(connection.execute(aside).scalars())
            version = (under_way, kept, *sums)
            if version == self._version:
                return
            self.purged = IndexSet(_ranges(_texts(connection, purged_indexes, org_id)))
            lost = _ranges(_texts(connection, lost_events, org_id))
        self._version = version
        self.settled = IndexSet([*self.purged.ranges(), *lost, *((index, index) for index in kept)])
        self.all = IndexSet([*self.settled.ranges(), *_ranges(under_way)]) if under_way else self.settled


def _texts(connection: Connection, table: Table, org_id: UUID) -> list[str]:
    found = select(table.c.indexes).where(table.c.org_id == org_id).order_by(*table.primary_key)
    return list(connection.execute(found).scalars())


def _ranges(texts: list[str]) -> list[Range]:
    return [pair for text in texts for pair in parse_ranges(text)]


def _add_earlier_purges(database: Database, store: EventStore, scope: Scope) -> None:
    """Add the purges of earlier versions to the table, from their records in the trail as far as these are there."""
    mine = purged_indexes.c.org_id == scope.org_id
    with database.read() as connection:
        pruned = connection.execute(select(logs.c.pruned).where(logs.c.org_id == scope.org_id)).scalar_one()
        known = connection.execute(select(func.coalesce(func.sum(purged_indexes.c.events), 0)).where(mine)).scalar_one()
    if pruned <= known:
        return
    recorded = DeletionRecords(database, store, scope).purged
    with database.write() as connection:
        organizations.lock_row(connection, scope.org_id)
        # Read after the records: a purge that was still under way then is here now, or in the table.
        here = [text for table in (prunings, purged_indexes) for text in _texts(connection, table, scope.org_id)]
        known_set = IndexSet(_ranges(here))
        earlier = [pair for first, last in recorded.ranges() for pair in known_set.outside(first, last)]
        if not earlier:
            return
        row = (mine) & (purged_indexes.c.pruning_id == EARLIER)
        before = connection.execute(select(purged_indexes.c.indexes).where(row)).scalar()
        whole = IndexSet([*earlier, *(parse_ranges(before) if before else [])])
        values = {"indexes": format_ranges(whole.ranges()), "events": whole.count()}
        if not connection.execute(update(purged_indexes).where(row).values(values)).rowcount:
            connection.execute(insert(purged_indexes).values(org_id=scope.org_id, pruning_id=EARLIER, **values))
