"""The purge: events past their retention are recorded in the log, then deleted, in small steps."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence, Set
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, Select, delete, insert, select, update

from tallystick import clock, ids, telemetry
from tallystick.access import organizations
from tallystick.access.decisions import expire_decisions
from tallystick.access.organizations import RETENTION
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US, rfc3339
from tallystick.database.engine import Database
from tallystick.destinations.address_guard import TargetError
from tallystick.errors import TallystickError, Unavailable
from tallystick.events.catalogue import LASTING
from tallystick.ingest.tables import external_ids
from tallystick.intake_rules.changes import INTAKE_RULES
from tallystick.intake_rules.rule_list import KeepClass, expiry_classes, keep_classes
from tallystick.journal import set_aside, tail
from tallystick.ledger.tables import logs
from tallystick.outbox import write as outbox
from tallystick.query.conditions import Condition, Query
from tallystick.query.own_records import is_own_record
from tallystick.query.scope import Scope
from tallystick.retention import clock_guard, holds, index_set
from tallystick.retention.archive import Archive, ArchivedStep, save_problem
from tallystick.retention.grace import settled_at
from tallystick.retention.late_events import Mail, no_mail, tell_waiting
from tallystick.retention.tables import prunings, purged_indexes, purges
from tallystick.search.match import compile_match
from tallystick.store import expiry
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.expiry import LATE_US, ExpiryClass, ExpiryCount
from tallystick.work import leases
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "purge"
LEASE_SECONDS = 120
IDLE_SECONDS = 5.0
PAUSE_SECONDS = 300
# One step: events that one statement deletes, and characters of indexes that one record can hold.
MAX_EVENTS = 20_000
MAX_RECORD_TEXT = 50_000
_BATCH = 400
COUNT_SECONDS = 5.0
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Pruning:
    """A deletion that is recorded in the log, or whose record waits in the outbox."""

    org_id: UUID
    pruning_id: UUID
    entry_id: int
    indexes: str
    events: int
    before: int


class Purger(Background):
    """Deletes events past their retention. After a crash it continues with the same deletion.

    Each organization once a day, in steps of two calls: the first plans a deletion, archives its events, stores the
    exact indexes and writes the record to the outbox; the second, once the record is in the log, deletes by these
    indexes. Deleting is idempotent, so a crash repeats it. Events that meanwhile come under a hold are still deleted,
    since the log says so already.
    """

    def __init__(
        self,
        database: Database,
        store: EventStore,
        warn: Callable[[UUID, int], object] = lambda _org, _now: None,
        archive: Archive | None = None,
        is_erasing: Callable[[Connection, UUID], bool] = lambda _connection, _org: False,
        mail_late: Mail = no_mail,
        grace_us: int = 0,
    ) -> None:
        """`warn` is called with each organization after its daily purge, to mail about what expires next.

        With an `archive`, events are deleted only after they are written there, and nothing is written there while
        an erasure runs. Events that are recorded late wait for `grace_us` and a daily purge that tells of them by
        `mail_late`; 0: they go with the others.
        """
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        # A pause between steps, so that nothing else waits for a purge.
        super().__init__("purge", idle_seconds=IDLE_SECONDS, breath_seconds=0.05, lease=lease)
        self._database = database
        self._archive = archive
        self._is_erasing = is_erasing
        self._warn = warn
        self._mail_late = mail_late
        self._grace_us = grace_us
        self._store = store
        self._pauses = Pauses[UUID]("purge", seconds=PAUSE_SECONDS)  # by organization
        self._is_doubting = False

    def _trusts_clock(self) -> bool:
        believed = clock_guard.is_trusted(self._database, clock.now_us())
        if not believed and not self._is_doubting:
            logger.error("purge_waits_for_the_clock", advice="see: tallystick doctor")
        self._is_doubting = not believed
        return believed

    def step(self, now: int | None = None) -> bool:
        """Delete, or plan a deletion; False when there is nothing to do.

        `now` is in µs since 1970; by default the current time, and nothing is done while the clock is doubted.
        """
        if now is None:
            if not self._trusts_clock():
                return False
            now = clock.now_us()
        if not self.may_work(now):
            return False
        with self._database.write() as connection:
            expire_decisions(connection, (RETENTION, holds.RELEASE, INTAKE_RULES), now=now)
            paused = self._pauses.paused(now)
            announced = _next_recorded(connection, paused)
            due = _next_due(connection, now, paused) if announced is None else announced.org_id
            # Read after the record was seen in the log: a backup that starts now has the record of what is deleted.
            waits = leases.deletions_must_wait(connection, now=now)
        if due is None or waits:
            return False
        try:
            if announced is not None:
                return self._delete(announced, now)
            self._plan_purge(due, now)
        except Exception:
            # A failing organization is retried later, so that it does not hold up the others.
            self._pauses.pause(due, now)
            raise
        return True

    def _plan_purge(self, due: UUID, now: int) -> None:
        """Find the expired events of an organization, archive them and record their deletion."""
        with self._database.read() as connection:
            scope = operator_scope(due)
            days = organizations.effective_retention_days(connection, due, now)
            if self._must_wait(connection, due):
                self._pauses.pause(due, now)
                return
            held = holds.active(connection, scope)
            log = connection.execute(_stored_and_pruned(due)).one()
            before, free = now - days * DAY_US, holds.unheld_condition(held)
            kept = keep_classes(connection, due, now)
            classes = expiry_classes(kept, now, days)
            settled = settled_at(connection, due, now, self._grace_us) if self._grace_us else None
            aside = _expired_set_aside(connection, due, before, free, classes, settled)
        found = aside | expiry.find_expired(
            self._store, scope, before, only=free, classes=classes, settled_at=settled, through=log.stored_end - 1,
            most=MAX_EVENTS,
        )  # fmt: skip
        going = index_set.prefix_within([*found], MAX_RECORD_TEXT)
        waiting = ExpiryCount()
        if settled is not None and not going:
            waiting = expiry.count_expiring(
                self._store, scope, before, only=free, classes=classes, unsettled_since=settled, seconds=COUNT_SECONDS
            )
        latest = max([before, *(one.before for one in classes)])
        written = self._write_archive(scope, going, latest, now) if going else None
        is_ours = written is None or self.may_work(max(now, clock.now_us()))  # an archive may take its time
        with self._database.write() as connection:
            # Changing the retention, placing a hold and confirming an erasure lock the same row. So what was read
            # above is checked again under the lock: if any of it changed, or if another process has purged meanwhile,
            # the plan is dropped and made anew.
            organizations.lock_row(connection, due)
            is_shorter = organizations.effective_retention_days(connection, due, now) <= days
            stands = (
                is_ours
                and is_shorter
                and holds.active(connection, scope) == held
                and keep_classes(connection, due, now) == kept
                and not self._must_wait(connection, due)
                and not _is_announced(connection, due)
                and connection.execute(_stored_and_pruned(due)).one().pruned == log.pruned
            )
            if stands and going:
                if self._archive and written:
                    self._archive.record_step(connection, scope, written, now=now)
                rules = _count_by_rule([found[index] for index in going], kept, classes)
                _announce(connection, due, going, before=before, days=days, rules=rules, now=now)
            elif stands:
                if waiting.events:
                    tell_waiting(connection, due, waiting, self._mail_late, days=days, now=now)
                _schedule_next(connection, due, now)
        if not stands and self._archive and written:
            self._archive.discard(written.step)
        elif stands and not going:
            self._warn(due, now)

    def _must_wait(self, connection: Connection, org_id: UUID) -> bool:
        """Whether an erasure runs: its events must not be archived with the parts that it removes."""
        return self._archive is not None and self._is_erasing(connection, org_id)

    def _write_archive(self, scope: Scope, going: list[int], before: int, now: int) -> ArchivedStep | None:
        """Archive the events, if there is an archive. When that fails the page shows why, and nothing is deleted."""
        if self._archive is None:
            return None
        try:
            return self._archive.write(scope, going, before=before)
        except TargetError as error:
            problem = f"The archive cannot be written: {error.detail.rstrip('.')}"
        except OSError as error:
            problem = f"The archive cannot be written: {error.strerror or error}"
        except (StoreError, TallystickError) as error:
            if self.stopping.is_set():  # it was broken off, and did not fail
                raise
            reason = error.detail.rstrip(".") if isinstance(error, Unavailable) else type(error).__name__
            problem = f"The archive cannot be written: {reason}"
        with self._database.write() as connection:
            save_problem(connection, scope, problem, now=now)
        raise Unavailable(f"{problem}. Nothing is deleted until this is fixed.", code="archive_failed")

    def _delete(self, pruning: Pruning, now: int) -> bool:
        """Delete the events of a recorded deletion; False if it must wait."""
        must_wait = partial(leases.deletions_must_wait, now=now)
        if not _delete_events(self._database, self._store, pruning, must_wait):
            return False
        telemetry.events_pruned_total.inc(pruning.events)
        return True


def announce_again(connection: Connection, org_id: UUID, indexes: Sequence[int], *, days: int, now: int) -> None:
    """Record that these events (ascending) are deleted, as they were before an earlier state was restored.

    The caller commits the records, then calls `finish_deletions`.
    """
    left = list(indexes)
    while left:
        going = index_set.prefix_within(left[:MAX_EVENTS], MAX_RECORD_TEXT)
        _announce(connection, org_id, going, before=now, days=days, now=now)
        left = left[len(going) :]


def finish_deletions(database: Database, store: EventStore) -> int:
    """Delete the events of every deletion that is recorded in a log; returns how many. For a restore."""
    with database.read() as connection:
        rows = connection.execute(select(prunings).order_by(prunings.c.made_at)).all()
        recorded = [_pruning(row) for row in rows if not outbox.is_waiting(connection, row.entry_id)]
    for pruning in recorded:
        _delete_events(database, store, pruning, lambda _connection: False)
    return sum(pruning.events for pruning in recorded)


def _delete_events(
    database: Database, store: EventStore, pruning: Pruning, must_wait: Callable[[Connection], bool]
) -> bool:
    gone = index_set.parse_indexes(pruning.indexes)
    with leases.deleting(database, must_wait) as may_delete:
        if not may_delete or not tail.remove(database, pruning.org_id, gone, must_wait):
            return False
        expiry.delete_indexes(store, operator_scope(pruning.org_id), gone)
    with database.write() as connection:
        for start in range(0, len(gone), _BATCH):
            some = gone[start : start + _BATCH]
            mine = (external_ids.c.org_id == pruning.org_id) & external_ids.c.log_index.in_(some)
            connection.execute(delete(external_ids).where(mine))
            set_aside.remove(connection, pruning.org_id, some)
        removed = connection.execute(
            delete(prunings).where(prunings.c.org_id == pruning.org_id, prunings.c.pruning_id == pruning.pruning_id)
        )
        if removed.rowcount:
            values = {"indexes": pruning.indexes, "events": pruning.events}
            connection.execute(
                insert(purged_indexes).values(org_id=pruning.org_id, pruning_id=pruning.pruning_id, **values)
            )
            connection.execute(
                update(logs).where(logs.c.org_id == pruning.org_id).values(pruned=logs.c.pruned + pruning.events)
            )
    return True


def _next_recorded(connection: Connection, paused: Set[UUID]) -> Pruning | None:
    """The oldest deletion whose record is in the log."""
    for row in connection.execute(select(prunings).order_by(prunings.c.made_at)).all():
        if row.org_id not in paused and not outbox.is_waiting(connection, row.entry_id):
            return _pruning(row)
    return None


def _pruning(row: Row[tuple[object, ...]]) -> Pruning:
    return Pruning(row.org_id, row.pruning_id, row.entry_id, row.indexes, row.events, row.before)


def _next_due(connection: Connection, now: int, paused: Set[UUID]) -> UUID | None:
    """Of the organizations without an unfinished deletion, the one that has waited longest for its daily purge."""
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


def _stored_and_pruned(org_id: UUID) -> Select[tuple[int, int]]:
    return select(logs.c.stored_end, logs.c.pruned).where(logs.c.org_id == org_id)


def _is_announced(connection: Connection, org_id: UUID) -> bool:
    return connection.execute(select(prunings.c.entry_id).where(prunings.c.org_id == org_id)).first() is not None


def _expired_set_aside(
    connection: Connection,
    org_id: UUID,
    before: int,
    free: Condition,
    classes: Sequence[ExpiryClass],
    settled: int | None,
) -> dict[int, int]:
    """The expired events that are set aside, as `find_expired`: read from the journal and matched in Python."""
    wanted, found = compile_match(Query(free)), dict[int, int]()
    members = [compile_match(Query(one.condition)) for one in classes]
    cutoffs = [before, *(one.before for one in classes)]
    for index, record in set_aside.of_organization(connection, org_id):
        number = next((number for number, is_member in enumerate(members, 1) if is_member(record)), 0)
        lasts = record.action in LASTING and is_own_record(record.what)
        is_late = record.received_at - record.occurred_at > LATE_US
        waits = settled is not None and is_late and record.received_at >= settled
        if record.occurred_at < cutoffs[number] and not lasts and not waits and wanted(record):
            found[index] = number
    return found


def _count_by_rule(
    numbers: Sequence[int], kept: Sequence[KeepClass], classes: Sequence[ExpiryClass]
) -> list[dict[str, Any]]:
    """How many events of a deletion expired by each rule, given the numbers of their classes."""
    counts = Counter(numbers)
    return [
        {"rule": one.rule.id, "days": one.rule.days, "before": rfc3339(expiring.before), "events": counts[number]}
        for number, (one, expiring) in enumerate(zip(kept, classes, strict=True), 1)
        if counts[number] and one.rule.days is not None
    ]


def _announce(
    connection: Connection,
    org_id: UUID,
    going: list[int],
    *,
    before: int,
    days: int,
    now: int,
    rules: Sequence[Mapping[str, Any]] = (),
) -> None:
    text = index_set.format_indexes(going)
    entry_id = outbox.write(
        connection,
        org_id,
        {
            "action": "audit_log.pruned",
            "actor": {"type": "system", "id": "tallystick", "name": "Tallystick"},
            "metadata": {
                "indexes": text,
                "events": len(going),
                "before": rfc3339(before),
                "retention_days": days,
                **({"rules": rules} if rules else {}),
            },
        },
        now=clock.now_us(),
    )
    connection.execute(
        insert(prunings).values(
            org_id=org_id,
            pruning_id=ids.new_uuid(now),
            entry_id=entry_id,
            indexes=text,
            events=len(going),
            before=before,
            made_at=now,
        )
    )


def _schedule_next(connection: Connection, org_id: UUID, now: int) -> None:
    values = {"next_run_at": now + DAY_US, "last_run_at": now}
    if not connection.execute(update(purges).where(purges.c.org_id == org_id).values(values)).rowcount:
        connection.execute(insert(purges).values(org_id=org_id, **values))
