"""The purge: what is past its retention is announced in the log, then deleted, in small steps."""

from collections.abc import Callable, Set
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import clock, ids, telemetry
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US, rfc3339
from tallystick.database.engine import Database
from tallystick.destinations.guard import TargetError
from tallystick.errors import TallystickError, Unavailable
from tallystick.events.catalogue import LASTING
from tallystick.ingest.tables import external_ids
from tallystick.journal import set_aside
from tallystick.ledger.tables import logs
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Condition, Query
from tallystick.query.scope import Scope
from tallystick.retention import clock_guard, holds, index_set
from tallystick.retention.archive import Archive, Archived, note_problem
from tallystick.retention.tables import prunings, purges
from tallystick.search.match import compile_match
from tallystick.search.scan import is_own
from tallystick.store import expiry
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work import leases
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "purge"
LEASE_SECONDS = 120
IDLE_SECONDS = 5.0
PAUSE_SECONDS = 300
# One step: what a statement deletes at once, and what the record of it can hold.
MOST_EVENTS = 20_000
MOST_TEXT = 50_000
_LOOKUP = 400
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pruning:
    """A deletion that the log was told of, or is about to be."""

    org_id: UUID
    pruning_id: UUID
    entry_id: int
    indexes: str
    events: int
    before: int


class Purger(Background):
    """Deletes what is past its retention. A crash at any place goes on with the same deletion."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        warn: Callable[[UUID, int], object] = lambda _org, _now: None,
        archive: Archive | None = None,
        is_erasing: Callable[[Connection, UUID], bool] = lambda _connection, _org: False,
    ) -> None:
        """`warn` is called with each organization once its day's purge is over: what goes next may be told.

        With an `archive` nothing is announced, and so nothing deleted, before it is written there; and nothing is
        written there while a person is erased.
        """
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        # A breath between steps: nothing else may wait for a purge.
        super().__init__("purge", idle_seconds=IDLE_SECONDS, breath_seconds=0.05, lease=lease)
        self._database = database
        self._archive = archive
        self._is_erasing = is_erasing
        self._warn = warn
        self._store = store
        self._pauses = Pauses[UUID]("purge", seconds=PAUSE_SECONDS)  # by organization
        self._doubting = False

    def _believes_the_clock(self) -> bool:
        believed = clock_guard.is_believed(self._database, clock.now_us())
        if not believed and not self._doubting:
            logger.error("purge_waits_for_the_clock", advice="see: tallystick doctor")
        self._doubting = not believed
        telemetry.purge_clock_doubted.set(not believed)
        return believed

    def step(self, now: int | None = None) -> bool:
        """One deletion, or the plan of one; False when there is nothing to do.

        `now` is in microseconds; without it the clock's, if that can be believed.
        """
        if now is None:
            if not self._believes_the_clock():
                return False
            now = clock.now_us()
        if not self.may_work(now):
            return False
        with self._database.write() as connection:
            paused = self._pauses.paused(now)
            announced = _recorded(connection, paused)
            due = _due(connection, now, paused) if announced is None else announced.org_id
            # After the record was seen in the log: see `copying`.
            waits = leases.backup_is_running(connection, now=now)
        if due is None or waits:
            return False
        try:
            if announced is not None:
                self._finish(announced)
            else:
                self._plan(due, now)
        except Exception:
            # What fails for one organization is tried again later, and holds up no other.
            self._pauses.pause(due, now)
            raise
        return True

    def _plan(self, due: UUID, now: int) -> None:
        """Look through the organization that is due, and announce what is to go."""
        with self._database.read() as connection:
            scope = operator_scope(due)
            days = organizations.effective_retention_days(connection, due, now)
            if self._must_wait(connection, due):
                self._pauses.pause(due, now)
                return
            held = holds.active(connection, scope)
            stored = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == due)).scalar_one()
            before, free = now - days * DAY_US, holds.not_held(held)
            aside = _expired_aside(connection, due, before, free)
        found = expiry.expired(self._store, scope, before, only=free, through=stored - 1, most=MOST_EVENTS)
        going = index_set.prefix_within([*found, *aside], MOST_TEXT)
        written = self._archived(scope, going, before, now) if going else None
        is_ours = written is None or self.may_work(max(now, clock.now_us()))  # an archive may take its time
        with self._database.write() as connection:
            # Whoever changes the retention, places a hold or confirms an erasure has this row: nothing can cross.
            organizations.lock_row(connection, due)
            is_shorter = organizations.effective_retention_days(connection, due, now) <= days
            stands = (
                is_ours
                and is_shorter
                and holds.active(connection, scope) == held
                and not self._must_wait(connection, due)
                and not _is_announced(connection, due)
            )
            if stands and going:
                if self._archive and written:
                    self._archive.note(connection, scope, written, now=now)
                _announce(connection, due, going, before=before, days=days, now=now)
            elif stands:
                _set_next(connection, due, now)
        if not stands and self._archive and written:
            self._archive.discard(written.step)
        elif stands and not going:
            self._warn(due, now)

    def _must_wait(self, connection: Connection, org_id: UUID) -> bool:
        """What is being erased must not be archived whole meanwhile."""
        return self._archive is not None and self._is_erasing(connection, org_id)

    def _archived(self, scope: Scope, going: list[int], before: int, now: int) -> Archived | None:
        """What is to go, in the archive if there is one. If that fails nothing goes, and the page says why."""
        if self._archive is None:
            return None
        try:
            return self._archive.write(scope, going, before=before)
        except TargetError as error:
            problem = f"The archive cannot be written: {error.detail.rstrip('.')}"
        except OSError as error:
            problem = f"The archive cannot be written: {error.strerror or error}"
        except (StoreError, TallystickError) as error:
            problem = f"The archive cannot be written: {type(error).__name__}"
        with self._database.write() as connection:
            note_problem(connection, scope, problem, now=now)
        raise Unavailable(f"{problem}. Nothing is deleted until it is.", code="archive_failed")

    def _finish(self, pruning: Pruning) -> None:
        gone = index_set.parse_indexes(pruning.indexes)
        expiry.remove(self._store, operator_scope(pruning.org_id), gone)
        with self._database.write() as connection:
            for start in range(0, len(gone), _LOOKUP):
                some = gone[start : start + _LOOKUP]
                connection.execute(
                    delete(external_ids).where(
                        external_ids.c.org_id == pruning.org_id, external_ids.c.log_index.in_(some)
                    )
                )
                set_aside.remove(connection, pruning.org_id, some)
            removed = connection.execute(
                delete(prunings).where(prunings.c.org_id == pruning.org_id, prunings.c.pruning_id == pruning.pruning_id)
            )
            if removed.rowcount:
                connection.execute(
                    update(logs).where(logs.c.org_id == pruning.org_id).values(pruned=logs.c.pruned + pruning.events)
                )
        telemetry.events_pruned_total.inc(pruning.events)


def _recorded(connection: Connection, paused: Set[UUID]) -> Pruning | None:
    """A deletion whose record is in the log."""
    for row in connection.execute(select(prunings).order_by(prunings.c.made_at)).all():
        if row.org_id not in paused and not outbox.is_waiting(connection, row.entry_id):
            return _pruning(row)
    return None


def _pruning(row: Row[tuple[object, ...]]) -> Pruning:
    return Pruning(row.org_id, row.pruning_id, row.entry_id, row.indexes, row.events, row.before)


def _due(connection: Connection, now: int, paused: Set[UUID]) -> UUID | None:
    """The organization that waits longest for its daily purge, unless a deletion of it is under way."""
    statement = (
        select(logs.c.org_id)
        .outerjoin(purges, purges.c.org_id == logs.c.org_id)
        .where(purges.c.next_run_at.is_(None) | (purges.c.next_run_at <= now))
        .where(logs.c.frozen_reason.is_(None))
        .where(logs.c.org_id.not_in(select(prunings.c.org_id)), logs.c.org_id.not_in(paused))
        .order_by(purges.c.next_run_at)
        .limit(1)
    )
    found: UUID | None = connection.execute(statement).scalar()
    return found


def _is_announced(connection: Connection, org_id: UUID) -> bool:
    return connection.execute(select(prunings.c.entry_id).where(prunings.c.org_id == org_id)).first() is not None


def _expired_aside(connection: Connection, org_id: UUID, before: int, free: Condition) -> list[int]:
    """Those that the store never took: read from the journal, judged in Python."""
    wanted = compile_match(Query(free))
    return [
        index
        for index, record in set_aside.of_organization(connection, org_id)
        if record.occurred_at < before and not (record.action in LASTING and is_own(record)) and wanted(record)
    ]


def _announce(connection: Connection, org_id: UUID, going: list[int], *, before: int, days: int, now: int) -> None:
    text = index_set.format_indexes(going)
    entry_id = outbox.write(
        connection,
        org_id,
        {
            "action": "audit_log.pruned",
            "actor": {"type": "system", "id": "tallystick", "name": "Tallystick"},
            "metadata": {
                "indexes": text, "events": len(going), "before": rfc3339(before), "retention_days": days,
            },
        },
        now=clock.now_us(),
    )  # fmt: skip
    connection.execute(
        insert(prunings).values(
            org_id=org_id, pruning_id=ids.new_uuid(now), entry_id=entry_id, indexes=text, events=len(going),
            before=before, made_at=now,
        )
    )  # fmt: skip


def _set_next(connection: Connection, org_id: UUID, now: int) -> None:
    values = {"next_run_at": now + DAY_US, "last_run_at": now}
    if not connection.execute(update(purges).where(purges.c.org_id == org_id).values(values)).rowcount:
        connection.execute(insert(purges).values(org_id=org_id, **values))
