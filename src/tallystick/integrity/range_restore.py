"""Restores missing events from a copy: a backup, bundles, or the event store of another node.

The records of deletions come back first, so that all of them are known when the other events follow: an event that was
purged after the copy was made does not come back, and one that was erased comes back without its erased parts.
"""

from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from uuid import UUID

import msgspec
import structlog

from tallystick import clock
from tallystick.access.scopes import operator_scope
from tallystick.database.engine import Database
from tallystick.erasure import erasure_list
from tallystick.events.catalogue import LASTING
from tallystick.events.copies import record_of, stamp_of
from tallystick.events.record import Record, StoredEvent
from tallystick.integrity.deletion_records import DeletionRecords
from tallystick.integrity.event_copies import EventCopy, open_copy
from tallystick.integrity.explained_gaps import ExplainedGaps
from tallystick.integrity.missing_events import find_and_save
from tallystick.integrity.verified_restore import LogName, RestoreLease, find_logs, insert_as_in_log
from tallystick.journal.missing_ranges import IndexGap, IndexRange
from tallystick.ledger import log as ledger_log
from tallystick.ledger.reduce_bundle import without
from tallystick.merkle.commitment import PARTS
from tallystick.merkle.remains import mask_of, parts_of
from tallystick.query.own_records import is_own_record
from tallystick.retention.index_set import IndexSet
from tallystick.settings import Settings
from tallystick.store.bounded_rows import size_of
from tallystick.store.copied_columns import held_among
from tallystick.store.events import EventStore
from tallystick.work.stop_signal import check_stop

EVENTS_AT_ONCE = 20_000
BYTES_AT_ONCE = 32 << 20
NOTICED_BY = "restore_range"
Progress = Callable[[int, int], None]
"""Called with the number of restored events and of missing ones; an exception that it raises ends the work."""
logger = structlog.get_logger(__name__)


class RestoredLog(msgspec.Struct, frozen=True):
    """What came back of one log: the numbers of events that were missing, and that were restored.

    `differing`: how many had a copy that the log does not confirm. `left`: what is missing still.
    """

    slug: str
    missing: int
    restored: int
    differing: int
    left: list[IndexGap]

    @property
    def still_missing(self) -> int:
        return sum(gap.events for gap in self.left)


def restore_range(
    database: Database,
    store: EventStore,
    settings: Settings,
    source: str,
    progress: Progress,
    *,
    slug: str = "",
    only: IndexRange | None = None,
) -> list[RestoredLog]:
    """Restore what is missing of all logs, or of one organization and one range, from the copy at `source`.

    It can be interrupted and repeated at any time. Conflict, NotFound, SettingsError, StoreError, Unavailable.
    """
    everything, wanted = find_logs(database), find_logs(database, slug)
    restored: list[RestoredLog] = []
    with open_copy(source, everything, settings) as copy:
        for log in wanted:
            gaps = find_and_save(database, store, log.org_id, by=NOTICED_BY)
            selected = gaps if only is None else _clipped(gaps, only)
            if selected:
                missing = sum(gap.events for gap in gaps)
                with RestoreLease(database) as lease:
                    restoring = _LogRestore(database, store, settings.data_dir, log, lease, selected, missing, progress)
                    restoring.restore_from(copy)
                left = find_and_save(database, store, log.org_id, by=NOTICED_BY)
                differing = restoring.differing.count()
                restored.append(RestoredLog(log.slug, missing, restoring.restored, differing, left))
                logger.warning(
                    "events_restored", org_id=str(log.org_id), events=restoring.restored, source=source,
                    missing=sum(gap.events for gap in left), differing=differing,
                )  # fmt: skip
    return restored


def _clipped(gaps: Sequence[IndexGap], only: IndexRange) -> list[IndexGap]:
    inside = (IndexGap(max(gap.first, only[0]), min(gap.last, only[1]), gap.events) for gap in gaps)
    return [gap for gap in inside if gap.first <= gap.last]


class _LogRestore:
    """The restoration of one log's missing events."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        data_dir: Path,
        log: LogName,
        lease: RestoreLease,
        gaps: Sequence[IndexGap],
        missing: int,
        progress: Progress,
    ) -> None:
        """`missing`: how many events are missing in all, also beside the gaps that are to be restored."""
        self.restored = 0
        self.differing = IndexSet()
        self._database = database
        self._store = store
        self._data_dir = data_dir
        self._log = log
        self._scope = operator_scope(log.org_id)
        self._lease = lease
        self._gaps = gaps
        self._wanted = IndexSet((gap.first, gap.last) for gap in gaps)
        self._progress = progress
        self._missing = missing
        with database.read() as connection:
            self._end = ledger_log.read(connection, log.org_id).stored_end

    def restore_from(self, copy: EventCopy) -> None:
        """Restore the records of deletions first, then everything else."""
        everything = self._wanted
        self._wanted = IndexSet([(0, max(self._end - 1, 0))])  # records explain events of other ranges, too
        self._restore(copy, only_records=True)
        self._wanted = everything
        self._restore(copy, only_records=False)

    def _restore(self, copy: EventCopy, *, only_records: bool) -> None:
        self._lease.wait()
        self._term = self._lease.term
        self._explained = ExplainedGaps(self._database, self._store, self._scope)
        self._lost_parts = _lost_parts(self._database, self._store, self._data_dir, self._log.org_id)
        waiting: dict[int, list[StoredEvent]] = {}
        size = 0
        with closing(copy.read(self._log, self._gaps)) as blocks:
            for block in blocks:
                check_stop()
                for event in block:
                    if event.index in self._wanted and not (only_records and not _is_record(event)):
                        copies = waiting.setdefault(event.index, [])
                        if event not in copies:
                            copies.append(event)
                            size += size_of(event)
                if len(waiting) >= EVENTS_AT_ONCE or size >= BYTES_AT_ONCE:
                    self._insert(waiting)
                    waiting, size = {}, 0
                if self.restored >= self._missing:
                    break
        self._insert(waiting)

    def _insert(self, copies: dict[int, list[StoredEvent]]) -> None:
        """Insert the first copy of each event; where the log does not confirm it, the next one."""
        while copies:
            differing = self._insert_as_in_log([one for _, (one, *_others) in sorted(copies.items())])
            copies = {index: copies[index][1:] for index in differing if copies[index][1:]}
            self.differing = IndexSet(
                [*self.differing.ranges(), *((index, index) for index in differing if index not in copies)]
            )
        self._progress(self.restored, self._missing)

    def _insert_as_in_log(self, events: list[StoredEvent]) -> list[int]:
        """Insert those of the events, ascending by index, that are missing; returns the indexes of altered copies."""
        self._lease.wait()
        if self._lease.term != self._term:  # something may have been erased meanwhile
            self._term = self._lease.term
            self._lost_parts = _lost_parts(self._database, self._store, self._data_dir, self._log.org_id)
        held = held_among(self._store, self._scope, [event.index for event in events])
        self._explained.refresh()
        absent = [
            event
            for event in events
            if event.index not in held and event.index < self._end and event.index not in self._explained.all
        ]
        if not absent:
            return []
        found, differing = self._as_recorded(absent)
        differing += insert_as_in_log(self._database, self._store, self._log.org_id, found, self._lease)
        self.restored += len(absent) - len(differing)
        return differing

    def _as_recorded(self, events: Iterable[StoredEvent]) -> tuple[list[tuple[int, Record]], list[int]]:
        """The records of the events, without their erased parts; and the indexes of what is no event."""
        found: list[tuple[int, Record]] = []
        refused: list[int] = []
        for event in events:
            try:
                erased = (part for part, indexes in self._lost_parts.items() if event.index in indexes)
                if mask := mask_of(erased):
                    event = without(event, mask)
                found.append((event.index, record_of(_dated(event))))
            except (ValueError, TypeError, KeyError, AttributeError, OverflowError):  # of a copy that was altered
                refused.append(event.index)
        return found, refused


def _is_record(event: StoredEvent) -> bool:
    """Whether it may be a record that explains what was deleted."""
    return is_own_record(event.what) and any(action.encode() in event.what for action in LASTING)


def _dated(event: StoredEvent) -> StoredEvent:
    """The event with the timestamp that it was recorded with; the copy's where that part was erased."""
    stamp = stamp_of(event)
    if stamp is None:
        # A bundle does not have it any more.
        return event if event.occurred_at else msgspec.structs.replace(event, occurred_at=event.received_at)
    return msgspec.structs.replace(event, occurred_at=clock.to_us(msgspec.convert(stamp, type=datetime)))


def _lost_parts(database: Database, store: EventStore, data_dir: Path, org_id: UUID) -> dict[str, IndexSet]:
    """For each part the events that lost it, by the records in the log and by the erasure list beside the databases."""
    recorded = DeletionRecords(database, store, operator_scope(org_id)).erased
    listed: dict[str, list[tuple[int, int]]] = {part: recorded[part].ranges() for part in PARTS}
    for line in erasure_list.read(data_dir):
        if line.org_id == org_id:
            indexes = [(index, index) for index in erasure_list.matching_indexes(database, line)]
            for part in parts_of(line.parts):
                listed[part] += indexes
    return {part: IndexSet(ranges) for part, ranges in listed.items()}
