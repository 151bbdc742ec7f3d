"""The background worker of exports: builds them in turns by organization, and deletes expired files."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection, select, update
from sqlalchemy.exc import SQLAlchemyError

from tallystick import clock, telemetry
from tallystick.access.audit import Caller
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.errors import TallystickError, Unavailable
from tallystick.exports import files, links, request
from tallystick.exports.builder import BuildFunction, DeletionState, EventsDeleted, ExportBuilder, ExportResult
from tallystick.exports.links import SharedLink
from tallystick.exports.request import COMPLETED_ACTIONS, EXPORTED, Export, is_export
from tallystick.exports.tables import exports
from tallystick.journal.missing_ranges import format_missing
from tallystick.ledger.prover import Prover
from tallystick.ledger.tables import logs
from tallystick.query.scope import Principal, Scope
from tallystick.store.errors import StoreDamaged, StoreError, StoreUpgrading
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.disk_space import DiskSpace
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "exports"
LEASE_SECONDS = 120
IDLE_SECONDS = 1.0
CHECK_SECONDS = 1.0  # between two checks of whether it was cancelled
MAX_REST_SECONDS = 0.5
CLEANUP_SECONDS = 60.0
PAUSE_SECONDS = 30
DELETION_PAUSE_SECONDS = 5
MAX_RUNS = 3
TURN_SECONDS = 20.0  # after which an export that is being built lets one of another organization come before it
MAX_OPEN = 3  # exports that are begun
KEEP_DAYS = 7
MOST_BYTES = 10_000_000_000
logger = structlog.get_logger(__name__)

RecordRanges = Callable[[Connection, Scope, Iterable[tuple[int, int]]], None]
"""Stores which ranges of indexes (first, last) were exported completely."""


class ExportCancelled(Exception):
    """The export was cancelled, was taken over by another process, or the server stops."""


class Exporter(Background):
    """Builds requested exports. After a crash the same export is built again, at most MAX_RUNS times."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        *,
        record_ranges: RecordRanges = lambda *_: None,
        deletions: DeletionState = lambda _: (False, None),
        builders: Mapping[str, BuildFunction] | None = None,
        most_bytes: int = MOST_BYTES,
        disk: DiskSpace | None = None,
    ) -> None:
        """`builders` are for the kinds that are not formats of events, such as reports; `most_bytes` is the limit of
        all files of one organization."""
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("exports", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._data_dir = data_dir
        self._builder = ExportBuilder(
            database, store, prover, data_dir, deletions, builders or {}, most_bytes, disk or DiskSpace(data_dir)
        )
        self._last_org = UUID(int=0)
        self._open: list[UUID] = []  # the organizations of the exports that are begun, the one being built last
        self._pauses = Pauses[UUID]("exports", seconds=PAUSE_SECONDS)  # by export: its last run met an outage
        self._cleaned_up_at = 0.0
        self._record_ranges = record_ranges
        self.is_recording: Callable[[], bool] = lambda: False  # events wait to be recorded: exports pause for them
        self.on_own_action: Callable[[], None] = lambda: None  # called when the server's own actions wait in the outbox

    def path(self, one: Export) -> Path:
        """The path of a finished export's file."""
        return files.path_of(self._data_dir, one.org_id, one.export_id)

    def check_space(self, _connection: Connection, scope: Scope) -> None:
        """Raise Conflict (`no_export_space`) if the organization's files leave no space for another one."""
        self._builder.space_left(scope.org_id)

    def remove_ended_file(self, one: Export) -> None:
        """Delete the file of an export that was ended; if it is being built, that stops within a second."""
        if not one.has_file:
            files.remove(self.path(one))

    def begin_download(self, one: Export, by: Principal, caller: Caller, link: SharedLink | None = None) -> None:
        """Record a download, and by which link, in the trail; call it before the first byte is sent."""
        now = clock.now_us()
        through = {} if link is None else {"link": link.public_id, "link_of": link.by.label}
        with self._database.write() as connection:
            if link is not None:
                links.note_use(connection, link, now)
            request.record_action(
                connection,
                one,
                "audit_log.export_downloaded",
                by=by,
                caller=caller,
                now=now,
                metadata={"rows": one.rows, "sha256": one.sha256, **through},
            )
        self.on_own_action()

    def finish_download(self, one: Export) -> None:
        """Store the ranges of a file as exported; call it after the last byte was sent."""
        if one.ranges:
            with self._database.write() as connection:
                self._record_ranges(
                    connection, operator_scope(one.org_id), msgspec.json.decode(one.ranges, type=list[tuple[int, int]])
                )

    def step(self, now: int | None = None) -> bool:
        """Build one export; False when none can be built at `now` (µs since 1970)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        if time.monotonic() - self._cleaned_up_at > CLEANUP_SECONDS or not self._cleaned_up_at:
            self.clean_up(now)
            self._cleaned_up_at = time.monotonic()
        one = self._next(now)
        if one is None:
            return False
        self._build(one, now)
        return True

    def clean_up(self, now: int) -> None:
        """Delete expired files and files without a row; mark the rows whose files are lost."""
        there = (exports.c.state == "completed") & (exports.c.gone == "")
        with self._database.write() as connection:
            past = update(exports).where(there, exports.c.expires_at <= now)
            connection.execute(past.values(gone="expired"))
            links.delete_old(connection, now)
        with self._database.read() as connection:
            wanted = select(exports).where(there | (exports.c.state == "running"))
            rows = [request.export_of(row) for row in connection.execute(wanted)]
        named = {files.path_of(self._data_dir, one.org_id, one.export_id): one for one in rows}
        for path in files.list_files(self._data_dir):
            known = named.get(path)
            if known is None or not known.has_file:
                path.unlink(missing_ok=True)
        for path, one in named.items():
            if one.has_file and not path.exists():
                with self._database.write() as connection:
                    connection.execute(update(exports).where(is_export(one.org_id, one.export_id)).values(gone="lost"))

    def _next(self, now: int) -> Export | None:
        """The oldest export of the next organization that has one whose events are all stored, and none begun.

        A running one is included: the process that built it is gone, since this one holds the lease.
        """
        ready = (
            select(exports)
            .join(logs, logs.c.org_id == exports.c.org_id)
            .where(exports.c.state.in_(request.OPEN), logs.c.stored_end >= exports.c.position)
            .where(exports.c.export_id.not_in(self._pauses.paused(now)), exports.c.org_id.not_in(self._open))
            .order_by(exports.c.org_id, exports.c.export_id)
            .limit(1)
        )
        with self._database.read() as connection:
            row = (
                connection.execute(ready.where(exports.c.org_id > self._last_org)).first()
                or connection.execute(ready).first()
            )
        return None if row is None else request.export_of(row)

    def _build(self, one: Export, now: int) -> None:
        self._last_org = one.org_id
        run = one.run + 1
        mine = is_export(one.org_id, one.export_id)
        if run > MAX_RUNS:
            self._fail(
                one,
                one.run,
                f"It was started {MAX_RUNS} times, and the server stopped each time. Export fewer events at once.",
                now,
            )
            return
        with self._database.write() as connection:
            begun = update(exports).where(mine, exports.c.state.in_(request.OPEN), exports.c.run == one.run)
            if not connection.execute(begun.values(state="running", run=run, progress=0)).rowcount:
                return
        began = time.monotonic()
        self._open.append(one.org_id)
        try:
            watch = ProgressWatch(self._database, one, run, self._renew, self.is_recording, self._let_others)
            made = self._builder.build(one, watch, now=now)
        except ExportCancelled:
            self._requeue(one, run)
            return
        except EventsDeleted:
            self._pauses.pause(one.export_id, now, seconds=DELETION_PAUSE_SECONDS)
            self._requeue(one, run)
            return
        except (StoreError, SQLAlchemyError, Unavailable, OSError) as problem:
            if self.stopping.is_set():  # it was broken off, and did not fail
                self._requeue(one, run)
                return
            self._retry(one, run, _error_text(problem), now)
            return
        except TallystickError as problem:
            self._fail(one, run, problem.detail, now)
            return
        except Exception:
            logger.exception("export_failed", export=one.public_id)
            self._fail(one, run, "An unexpected error occurred. The server's log has the details.", now)
            return
        finally:
            self._open.pop()
        self._finish(one, run, made)
        telemetry.export_seconds.labels(one.format).observe(time.monotonic() - began)

    def _let_others(self) -> None:
        """Build an export of another organization before the one that is begun goes on."""
        now = clock.now_us()
        if len(self._open) < MAX_OPEN and (one := self._next(now)) is not None:
            try:
                self._build(one, now)
            except Exception as error:  # of this one; the one that is begun goes on
                self._pauses.fail(one.export_id, now, error)

    def _renew(self) -> bool:
        """Renew the lease; False when the export must stop."""
        return not self.stopping.is_set() and self.may_work(clock.now_us())

    def _finish(self, one: Export, run: int, made: ExportResult) -> None:
        now = clock.now_us()
        values = {
            "state": "completed",
            "progress": 1000,
            "rows": made.rows,
            "bytes": made.bytes,
            "sha256": made.sha256,
            "ranges": made.ranges,
            "missing": msgspec.json.encode(made.missing).decode() if made.missing else "",
            "lost": msgspec.json.encode(made.lost).decode() if made.lost else "",
            "finished_at": now,
            "expires_at": now + KEEP_DAYS * DAY_US,
        }
        with self._database.write() as connection:
            mine = is_export(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            is_mine = connection.execute(update(exports).where(mine).values(values)).rowcount == 1
            if is_mine:
                metadata = {"rows": made.rows, "bytes": made.bytes, "sha256": made.sha256}
                metadata |= {"missing": format_missing(made.missing)} if made.missing else {}
                metadata |= {"lost": format_missing(made.lost)} if made.lost else {}
                caller = Caller(address=one.address, peer=one.address, source=one.source)
                action = COMPLETED_ACTIONS.get(one.format, EXPORTED)
                request.record_action(connection, one, action, by=one.by, caller=caller, now=now, metadata=metadata)
        if not is_mine:  # cancelled, or personal data was erased meanwhile
            files.remove(files.path_of(self._data_dir, one.org_id, one.export_id))
            return
        telemetry.exported_events_total.labels(one.format).inc(made.rows)
        self.on_own_action()

    def _requeue(self, one: Export, run: int) -> None:
        """Queue the export again, unless it was cancelled; this run does not count."""
        with self._database.write() as connection:
            mine = is_export(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            connection.execute(update(exports).where(mine).values(state="queued", run=run - 1, progress=0))

    def _retry(self, one: Export, run: int, words: str, now: int) -> None:
        if run >= MAX_RUNS:
            self._fail(one, run, words, now)
            return
        self._pauses.pause(one.export_id, now)
        logger.warning("export_waits", export=one.public_id, error=words[:500])
        with self._database.write() as connection:
            mine = is_export(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            connection.execute(update(exports).where(mine).values(state="queued", progress=0))

    def _fail(self, one: Export, run: int, words: str, now: int) -> None:
        with self._database.write() as connection:
            mine = is_export(one.org_id, one.export_id) & (exports.c.run == run) & exports.c.state.in_(request.OPEN)
            failed = update(exports).where(mine).values(state="failed", error=words[:2000], finished_at=now)
            is_mine = connection.execute(failed).rowcount == 1
            if is_mine:
                request.record_action(
                    connection,
                    one,
                    "audit_log.export_failed",
                    by=one.by,
                    now=clock.now_us(),
                    metadata={"error": words[:500]},
                )
        if not is_mine:  # another process has taken it over
            return
        files.remove(files.path_of(self._data_dir, one.org_id, one.export_id))
        telemetry.exports_failed_total.inc()
        self.on_own_action()


class ProgressWatch:
    """Saves the progress of a running export, and raises ExportCancelled when it must stop.

    While events wait to be recorded, the export pauses for as long as it worked since the last call, so that it takes
    at most half of the processor. After each TURN_SECONDS it lets another organization's export come before it.
    """

    def __init__(
        self,
        database: Database,
        one: Export,
        run: int,
        renew: Callable[[], bool],
        is_recording: Callable[[], bool],
        let_others: Callable[[], None],
    ) -> None:
        self._database = database
        self._one = one
        self._run = run
        self._renew = renew
        self._is_recording = is_recording
        self.let_others = let_others
        self._turn_from = time.monotonic()
        self._worked_from = time.monotonic()
        self._next = 0.0

    def report(self, progress: int) -> None:
        """`save`, and let another export come before if it is its turn."""
        if time.monotonic() - self._turn_from > TURN_SECONDS:
            self.let_others()
            self._turn_from = self._worked_from = time.monotonic()
        self.save(progress)

    def save(self, progress: int) -> None:
        """Save the progress in thousandths, at most once a second; ExportCancelled."""
        if self._is_recording():
            time.sleep(min(time.monotonic() - self._worked_from, MAX_REST_SECONDS))
        self._worked_from = time.monotonic()
        if time.monotonic() < self._next and progress < 1000:
            return
        self._next = time.monotonic() + CHECK_SECONDS
        if not self._renew():
            raise ExportCancelled
        with self._database.write() as connection:
            mine = is_export(self._one.org_id, self._one.export_id)
            same = (exports.c.run == self._run) & (exports.c.state == "running")
            if not connection.execute(update(exports).where(mine, same).values(progress=progress)).rowcount:
                raise ExportCancelled


def _error_text(problem: Exception) -> str:
    if isinstance(problem, StoreDamaged):
        return "Some stored events are damaged and cannot be read. The operator has to repair the event store."
    if isinstance(problem, TallystickError):
        return problem.detail
    if isinstance(problem, StoreUpgrading):
        return "The event store is being rebuilt for a new version of the server. Export again when it is finished."
    if isinstance(problem, StoreError):
        return "The event store did not respond."
    if isinstance(problem, SQLAlchemyError):
        return "The control database did not respond."
    return f"Writing to disk failed: {problem}."
