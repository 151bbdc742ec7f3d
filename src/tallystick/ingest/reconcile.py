"""Reconciliation at the start: do journal, shipments, Merkle tree and event store agree?

Contradictions freeze the log of the organization. Events that the store lacks are found by `integrity.missing_events`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection, func, select

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.ingest.tables import shipment_ranges
from tallystick.journal.tables import journal
from tallystick.ledger import log as ledger_log
from tallystick.ledger.check import check_edge
from tallystick.ledger.edges import LogEdge, read_edges
from tallystick.ledger.tables import logs
from tallystick.store.errors import StoreError
from tallystick.store.events import NOTHING, EventStore

logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Inconsistency:
    """An inconsistency of an organization's log, in which nothing more may be recorded."""

    org_id: UUID
    problem: str


def reconcile(database: Database, store: EventStore | None) -> list[Inconsistency]:
    """Check every log and freeze those that contradict themselves. Does not wait for a store that is down.

    `store`: None if it is another one than the events belong to.
    """
    try:
        holdings = store.holdings() if store is not None else {}
    except StoreError as error:
        logger.warning("store_not_checked", error=str(error)[:500])
        holdings = {}
    findings: list[Inconsistency] = []
    unmarked: list[UUID] = []
    with database.read() as connection:
        org_ids = connection.execute(select(logs.c.org_id)).scalars().all()
        for edge, problem in contradictions(connection, org_ids):
            log = edge.log
            highest = holdings.get(log.org_id, NOTHING).highest
            if problem is None and highest >= log.size:
                problem = (
                    f"the event store holds index {highest}, the log ends before {log.size}: "
                    "the control database is older than the event store"
                )
            if problem is not None:
                findings.append(Inconsistency(log.org_id, problem))
            elif log.frozen_reason is None and (edge.checkpoint is None or edge.checkpoint.size != log.size):
                unmarked.append(log.org_id)
    with database.write() as connection:
        for finding in findings:
            ledger_log.freeze(connection, finding.org_id, finding.problem)
        for org_id in unmarked:
            ledger_log.mark(connection, ledger_log.lock(connection, org_id), now=clock.now_us())
    for finding in findings:
        logger.error("reconcile", org_id=str(finding.org_id), problem=finding.problem)
    return findings


def contradictions(connection: Connection, org_ids: Sequence[UUID]) -> Iterator[tuple[LogEdge, str | None]]:
    """Each log with its contradiction within the control database, in words, or None; call it in a consistent view."""
    spans, shipped = _journal_spans(connection), _shipment_bounds(connection)
    for edge in read_edges(connection, org_ids):
        yield edge, _contradiction(edge, spans.get(edge.log.org_id, ()), shipped.get(edge.log.org_id))


def _contradiction(edge: LogEdge, spans: Sequence[tuple[int, int]], shipped: tuple[int, int] | None) -> str | None:
    size, fixed, stored = edge.log.size, edge.log.fixed_end, edge.log.stored_end
    if not stored <= fixed <= size:
        return f"positions out of order: stored {stored}, fixed {fixed}, size {size}"
    if (mismatch := check_edge(edge)) is not None:
        return mismatch
    at = stored
    for first, end in spans:
        if first > at:
            return f"the journal has no event {at}"
        at = end
    if at < size:
        return f"the journal ends at {at}, the log at {size}"
    if at > size:
        return f"the journal goes on to {at}, the log ends at {size}"
    if shipped is not None and (shipped[0] < stored or shipped[1] > fixed):
        return f"shipments reach from {shipped[0]} to {shipped[1]}, beyond {stored} to {fixed}"
    return None


def _journal_spans(connection: Connection) -> dict[UUID, list[tuple[int, int]]]:
    """What the journal holds of each organization beyond what is stored, batches that follow each other as one."""
    end = journal.c.first_index + journal.c.events
    rows = connection.execute(
        select(journal.c.org_id, journal.c.first_index, end)
        .join(logs, logs.c.org_id == journal.c.org_id)
        .where(end > logs.c.stored_end)
        .order_by(journal.c.org_id, journal.c.first_index)
    )
    spans: dict[UUID, list[tuple[int, int]]] = {}
    for org_id, first, behind in rows:
        mine = spans.setdefault(org_id, [])
        if mine and first <= mine[-1][1]:
            mine[-1] = (mine[-1][0], behind)
        else:
            mine.append((first, behind))
    return spans


def _shipment_bounds(connection: Connection) -> dict[UUID, tuple[int, int]]:
    """The first index and the end of the open shipments of each organization."""
    ranges = shipment_ranges.c
    rows = connection.execute(
        select(ranges.org_id, func.min(ranges.first_index), func.max(ranges.end_index)).group_by(ranges.org_id)
    )
    return {org_id: (first, end) for org_id, first, end in rows}
