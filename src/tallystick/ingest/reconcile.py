"""Reconciliation at the start: do journal, shipments, Merkle tree and event store agree?

Contradictions freeze the log of the organization. Events that the store lacks are found by `integrity.missing_events`.
"""

from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection, func, select

from tallystick import clock, telemetry
from tallystick.database.engine import Database
from tallystick.ingest.tables import shipment_ranges
from tallystick.journal.tables import journal
from tallystick.ledger import log as ledger_log
from tallystick.ledger.check import check_edge
from tallystick.ledger.tables import logs
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

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
    with database.write() as connection:
        columns = (logs.c.org_id, logs.c.size, logs.c.fixed_end, logs.c.stored_end, logs.c.frozen_reason)
        rows = connection.execute(select(*columns)).all()
        for row in rows:
            problem = contradiction(connection, row.org_id, row.size, row.fixed_end, row.stored_end)
            _held, highest = holdings.get(row.org_id, (0, -1))
            if problem is None and highest >= row.size:
                problem = (
                    f"the event store holds index {highest}, the log ends before {row.size}: "
                    "the control database is older than the event store"
                )
            if problem is not None:
                findings.append(Inconsistency(row.org_id, problem))
                ledger_log.freeze(connection, row.org_id, problem)
                continue
            if row.frozen_reason is None:
                ledger_log.mark(connection, ledger_log.lock(connection, row.org_id), now=clock.now_us())
        frozen = connection.execute(
            select(func.count()).select_from(logs).where(logs.c.frozen_reason.is_not(None))
        ).scalar_one()
    telemetry.log_frozen.set(frozen)
    for finding in findings:
        logger.error("reconcile", org_id=str(finding.org_id), problem=finding.problem)
    return findings


def contradiction(connection: Connection, org_id: UUID, size: int, fixed: int, stored: int) -> str | None:
    """The contradiction within the control database, in words, or None."""
    if not stored <= fixed <= size:
        return f"positions out of order: stored {stored}, fixed {fixed}, size {size}"
    if (mismatch := check_edge(connection, org_id)) is not None:
        return mismatch
    rows = connection.execute(
        select(journal.c.first_index, journal.c.events)
        .where(journal.c.org_id == org_id, journal.c.first_index + journal.c.events > stored)
        .order_by(journal.c.first_index)
    )
    at = stored
    for row in rows:
        if row.first_index > at:
            return f"the journal has no event {at}"
        at = row.first_index + row.events
    if at < size:
        return f"the journal ends at {at}, the log at {size}"
    if at > size:
        return f"the journal goes on to {at}, the log ends at {size}"
    open_ranges = connection.execute(
        select(func.min(shipment_ranges.c.first_index), func.max(shipment_ranges.c.end_index)).where(
            shipment_ranges.c.org_id == org_id
        )
    ).one()
    if open_ranges[0] is not None and (open_ranges[0] < stored or open_ranges[1] > fixed):
        return f"shipments reach from {open_ranges[0]} to {open_ranges[1]}, beyond {stored} to {fixed}"
    return None
