"""Accepts missing events as lost, where no copy has them: the trail then says so for good, and nothing waits for them.

Each record names the exact indexes. What is lost is explained from then on, as what a purge deleted is.
"""

from collections.abc import Iterator

import msgspec
import structlog
from sqlalchemy import insert

from tallystick import clock, ids
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.errors import Conflict
from tallystick.integrity.missing_events import exact_gaps, find_and_save
from tallystick.integrity.verified_restore import LogName, RestoreLease, find_logs
from tallystick.journal.missing_ranges import IndexRange, read_missing
from tallystick.journal.tables import lost_events
from tallystick.ledger import log as ledger_log
from tallystick.outbox import write as outbox
from tallystick.retention.index_set import Range, format_ranges
from tallystick.store.events import EventStore

MAX_RECORD_TEXT = 50_000  # characters of indexes that one record can hold
NOTICED_BY = "accept_loss"
ACTION = "audit_log.events_lost"
logger = structlog.get_logger(__name__)


class AcceptedLoss(msgspec.Struct, frozen=True):
    """The number of events that were accepted as lost, and the number that are missing still."""

    slug: str
    lost: int
    still_missing: int


def accept_loss(database: Database, store: EventStore, slug: str, pair: IndexRange) -> AcceptedLoss:
    """Record all events of the range that are missing now as lost.

    Conflict if none is missing there, or if events are restored meanwhile; NotFound, StoreError. It can be repeated.
    """
    (log,) = find_logs(database, slug)
    scope = operator_scope(log.org_id)
    with database.read() as connection:
        end = min(pair[1] + 1, ledger_log.read(connection, log.org_id).stored_end)
    lost = 0
    with RestoreLease(database) as lease:  # nothing comes back meanwhile
        lease.wait()
        for ranges in _records(exact_gaps(database, store, scope, pair[0], end)):
            lost += _record(database, log, ranges, lease)
    if not lost:
        raise Conflict(f"No event of {slug} is missing within {pair[0]}-{pair[1]}. See: tallystick doctor")
    left = find_and_save(database, store, log.org_id, by=NOTICED_BY)
    logger.warning("events_lost", org_id=str(log.org_id), events=lost, missing=sum(gap.events for gap in left))
    return AcceptedLoss(slug, lost, sum(gap.events for gap in left))


def _records(gaps: Iterator[Range]) -> Iterator[list[Range]]:
    """The gaps, adjacent ones joined, in lists whose text fits into one record."""
    found: list[Range] = []
    length = 0
    for first, last in gaps:
        if found and found[-1][1] + 1 == first:
            found[-1] = (found[-1][0], last)
            continue
        if length > MAX_RECORD_TEXT:
            yield found
            found, length = [], 0
        found.append((first, last))
        length += len(format_ranges([(last, last + 1)])) + 1
    if found:
        yield found


def _record(database: Database, log: LogName, ranges: list[Range], lease: RestoreLease) -> int:
    now = clock.now_us()
    text, events = format_ranges(ranges), sum(last - first + 1 for first, last in ranges)
    with database.write() as connection:
        organizations.lock_row(connection, log.org_id)
        lease.require(connection)
        known = read_missing(connection, log.org_id)
        met = [one.received_before for one in known if one.first <= ranges[-1][1] and one.last >= ranges[0][0]]
        actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
        event = {"action": ACTION, "actor": actor, "metadata": {"indexes": text, "events": events}}
        entry_id = outbox.write(connection, log.org_id, event, now=now)
        row = {
            "org_id": log.org_id, "loss_id": ids.new_uuid(now), "entry_id": entry_id, "indexes": text,
            "events": events, "received_before": max(met, default=now), "accepted_at": now,
        }  # fmt: skip
        connection.execute(insert(lost_events).values(row))
    return events
