"""The work: one export after the other, each organization in turn; and what is past its time goes."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import structlog
from sqlalchemy import Connection, select, update

from tallystick import clock, telemetry
from tallystick.access.audit import Caller
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.errors import TallystickError, Unavailable
from tallystick.exports import files, request
from tallystick.exports.builder import Deletions, Disturbed, Made, Make, Maker
from tallystick.exports.request import EXPORTED, TOLD_AS, Export, is_one
from tallystick.exports.tables import exports
from tallystick.ledger.prover import Prover
from tallystick.ledger.tables import logs
from tallystick.query.scope import Principal, Scope
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "exports"
LEASE_SECONDS = 120
IDLE_SECONDS = 1.0
LOOK_SECONDS = 1.0  # between two looks whether it is still wanted
LONGEST_REST_SECONDS = 0.5
TIDY_SECONDS = 60.0
PAUSE_SECONDS = 30
DISTURBED_SECONDS = 5
MOST_RUNS = 3
KEPT_DAYS = 7
logger = structlog.get_logger(__name__)

Note = Callable[[Connection, Scope, Iterable[tuple[int, int]]], None]
"""Told which indexes left the server in full: first and last of each range."""


class NotWanted(Exception):
    """It was cancelled, begun by somebody else, or the server stops."""


class Exporter(Background):
    """Makes what was asked for. A crash at any place begins the same export again, MOST_RUNS times at most."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        *,
        note: Note = lambda *_: None,
        deletions: Deletions = lambda _: (False, None),
        others: Mapping[str, Make] | None = None,
    ) -> None:
        """`others` make what is no format of events."""
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("exports", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._data_dir = data_dir
        self._maker = Maker(database, store, prover, data_dir, deletions, others or {})
        self._last_org = UUID(int=0)
        self._pauses = Pauses[UUID]("exports", seconds=PAUSE_SECONDS)  # by export: its last run met an outage
        self._tidied = 0.0
        self._note = note
        self.is_recording: Callable[[], bool] = lambda: False  # something waits to be recorded: that comes first
        self.told: Callable[[], None] = lambda: None  # own actions wait in the outbox

    def path(self, one: Export) -> Path:
        """Where the file of a finished export is."""
        return files.path_of(self._data_dir, one.org_id, one.export_id)

    def drop(self, one: Export) -> None:
        """Remove the file of one that was ended; whoever is making it stops within a second."""
        if not one.is_there:
            files.remove(self.path(one))

    def taking(self, one: Export, by: Principal, caller: Caller) -> None:
        """Somebody takes the file: that is told before a byte leaves."""
        with self._database.write() as connection:
            request.tell_of(
                connection, one, "audit_log.export_downloaded", by=by, caller=caller, now=clock.now_us(),
                metadata={"rows": one.rows, "sha256": one.sha256},
            )  # fmt: skip
        self.told()

    def taken(self, one: Export) -> None:
        """All of the file has left."""
        if one.ranges:
            with self._database.write() as connection:
                self._note(
                    connection, operator_scope(one.org_id), msgspec.json.decode(one.ranges, type=list[tuple[int, int]])
                )

    def step(self, now: int | None = None) -> bool:
        """Make one export; False when none can be made at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        if not self.may_work(now):
            return False
        if time.monotonic() - self._tidied > TIDY_SECONDS or not self._tidied:
            self.tidy(now)
            self._tidied = time.monotonic()
        one = self._next(now)
        if one is None:
            return False
        self._make(one, now)
        return True

    def tidy(self, now: int) -> None:
        """What is past its time goes, and files that no row knows; rows whose file is lost say so."""
        there = (exports.c.state == "completed") & (exports.c.gone == "")
        with self._database.write() as connection:
            past = update(exports).where(there, exports.c.expires_at <= now)
            connection.execute(past.values(gone="expired"))
        with self._database.read() as connection:
            wanted = select(exports).where(there | (exports.c.state == "running"))
            rows = [request.read(row) for row in connection.execute(wanted)]
        named = {files.path_of(self._data_dir, one.org_id, one.export_id): one for one in rows}
        for path in files.kept(self._data_dir):
            known = named.get(path)
            if known is None or not known.is_there:
                path.unlink(missing_ok=True)
        for path, one in named.items():
            if one.is_there and not path.exists():
                with self._database.write() as connection:
                    connection.execute(update(exports).where(is_one(one.org_id, one.export_id)).values(gone="lost"))

    def _next(self, now: int) -> Export | None:
        """The oldest one of the next organization that has one whose events are all stored.

        One that is running has lost whoever made it: nobody else holds the lease.
        """
        ready = (
            select(exports)
            .join(logs, logs.c.org_id == exports.c.org_id)
            .where(exports.c.state.in_(request.OPEN), logs.c.stored_end >= exports.c.position)
            .where(exports.c.export_id.not_in(self._pauses.paused(now)))
            .order_by(exports.c.org_id, exports.c.export_id)
            .limit(1)
        )
        with self._database.read() as connection:
            telemetry.exports_waiting.set(self._waiting(connection))
            row = (
                connection.execute(ready.where(exports.c.org_id > self._last_org)).first()
                or connection.execute(ready).first()
            )
        return None if row is None else request.read(row)

    @staticmethod
    def _waiting(connection: Any) -> int:
        states = select(exports.c.export_id).where(exports.c.state.in_(request.OPEN))
        return len(connection.execute(states.limit(10_000)).all())

    def _make(self, one: Export, now: int) -> None:
        self._last_org = one.org_id
        run = one.run + 1
        mine = is_one(one.org_id, one.export_id)
        if run > MOST_RUNS:
            self._fail(
                one,
                one.run,
                f"It was started {MOST_RUNS} times, and the server stopped each time. Export fewer events at once.",
                now,
            )
            return
        with self._database.write() as connection:
            begun = update(exports).where(mine, exports.c.state.in_(request.OPEN), exports.c.run == one.run)
            if not connection.execute(begun.values(state="running", run=run, progress=0)).rowcount:
                return
        began = time.monotonic()
        try:
            made = self._maker.make(one, _Watch(self._database, one, run, self._renew, self.is_recording).look, now=now)
        except NotWanted:
            self._give_back(one, run)
            return
        except Disturbed:
            self._pauses.pause(one.export_id, now, seconds=DISTURBED_SECONDS)
            self._give_back(one, run)
            return
        except (StoreError, Unavailable, OSError) as problem:
            self._try_again(one, run, _words(problem), now)
            return
        except TallystickError as problem:
            self._fail(one, run, problem.detail, now)
            return
        except Exception:
            logger.exception("export_failed", export=one.shown_id)
            self._fail(one, run, "An unexpected error occurred. The server's log has the details.", now)
            return
        self._finish(one, run, made)
        telemetry.export_seconds.labels(one.format).observe(time.monotonic() - began)

    def _renew(self) -> bool:
        """Whether to go on."""
        return not self.stopping.is_set() and self.may_work(clock.now_us())

    def _finish(self, one: Export, run: int, made: Made) -> None:
        now = clock.now_us()
        values = {
            "state": "completed", "progress": 1000, "rows": made.rows, "bytes": made.bytes, "sha256": made.sha256,
            "ranges": made.ranges, "finished_at": now, "expires_at": now + KEPT_DAYS * DAY_US,
        }  # fmt: skip
        with self._database.write() as connection:
            mine = is_one(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            is_mine = connection.execute(update(exports).where(mine).values(values)).rowcount == 1
            if is_mine:
                metadata = {"rows": made.rows, "bytes": made.bytes, "sha256": made.sha256}
                caller = Caller(address=one.address, peer=one.address, source=one.source)
                action = TOLD_AS.get(one.format, EXPORTED)
                request.tell_of(connection, one, action, by=one.by, caller=caller, now=now, metadata=metadata)
        if not is_mine:  # cancelled, or personal data was erased meanwhile
            files.remove(files.path_of(self._data_dir, one.org_id, one.export_id))
            return
        telemetry.exported_events_total.labels(one.format).inc(made.rows)
        self.told()

    def _give_back(self, one: Export, run: int) -> None:
        """Unless it was cancelled it waits again, and this run does not count."""
        with self._database.write() as connection:
            mine = is_one(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            connection.execute(update(exports).where(mine).values(state="queued", run=run - 1, progress=0))

    def _try_again(self, one: Export, run: int, words: str, now: int) -> None:
        if run >= MOST_RUNS:
            self._fail(one, run, words, now)
            return
        self._pauses.pause(one.export_id, now)
        logger.warning("export_waits", export=one.shown_id, error=words[:500])
        with self._database.write() as connection:
            mine = is_one(one.org_id, one.export_id) & (exports.c.run == run) & (exports.c.state == "running")
            connection.execute(update(exports).where(mine).values(state="queued", progress=0))

    def _fail(self, one: Export, run: int, words: str, now: int) -> None:
        with self._database.write() as connection:
            mine = is_one(one.org_id, one.export_id) & (exports.c.run == run) & exports.c.state.in_(request.OPEN)
            failed = update(exports).where(mine).values(state="failed", error=words[:2000], finished_at=now)
            is_mine = connection.execute(failed).rowcount == 1
            if is_mine:
                request.tell_of(
                    connection, one, "audit_log.export_failed", by=one.by, now=clock.now_us(),
                    metadata={"error": words[:500]},
                )  # fmt: skip
        if not is_mine:  # another process has begun it again since
            return
        files.remove(files.path_of(self._data_dir, one.org_id, one.export_id))
        telemetry.exports_failed_total.inc()
        self.told()


class _Watch:
    """Looks now and then whether the export is still wanted, and says how far it is.

    While something waits to be recorded the export rests for as long as it worked.
    """

    def __init__(
        self, database: Database, one: Export, run: int, renew: Callable[[], bool], is_recording: Callable[[], bool]
    ) -> None:
        self._database = database
        self._one = one
        self._run = run
        self._renew = renew
        self._is_recording = is_recording
        self._worked_from = time.monotonic()
        self._next = 0.0

    def look(self, progress: int) -> None:
        if self._is_recording():
            time.sleep(min(time.monotonic() - self._worked_from, LONGEST_REST_SECONDS))
        self._worked_from = time.monotonic()
        if time.monotonic() < self._next and progress < 1000:
            return
        self._next = time.monotonic() + LOOK_SECONDS
        if not self._renew():
            raise NotWanted
        with self._database.write() as connection:
            mine = is_one(self._one.org_id, self._one.export_id)
            same = (exports.c.run == self._run) & (exports.c.state == "running")
            if not connection.execute(update(exports).where(mine, same).values(progress=progress)).rowcount:
                raise NotWanted


def _words(problem: Exception) -> str:
    if isinstance(problem, TallystickError):
        return problem.detail
    return (
        "The event store did not respond." if isinstance(problem, StoreError) else f"Writing to disk failed: {problem}."
    )
