"""The work: what is due begins, what is made is sent, what was refused is tried again."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

import structlog
from sqlalchemy import Row, Select, delete, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.guard import TargetError
from tallystick.destinations.smtp import EmailNotSent, InvalidEmail
from tallystick.errors import TallystickError
from tallystick.exports import request
from tallystick.exports.exporter import Exporter
from tallystick.exports.tables import exports
from tallystick.schedules import runs
from tallystick.schedules.export_email import DeliveryMethod, ExportFile, ExportMailer, store_file
from tallystick.schedules.recipients import may_receive
from tallystick.schedules.schedule import OPEN, OPERATOR_STORAGE, Schedule, find, is_schedule
from tallystick.schedules.tables import export_schedules, schedule_deliveries, schedule_runs
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "schedules"
LEASE_SECONDS = 900  # longer than a mail may take
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 60  # a schedule for which something failed rests so long, and no other
MOST_OF_ONE = 50  # rows that a schedule which rests may have before those of others
AWAY_SECONDS = 60  # a mail server that cannot be reached is left in peace so long, by all schedules
CLAIM_SECONDS = 900  # who sends has a delivery alone for so long; after a crash it goes again then
GIVEN_UP_AFTER = DAY_US
LONGEST_PAUSE_SECONDS = 3600
KEPT = 400 * DAY_US
TIDY_EVERY = DAY_US
logger = structlog.get_logger(__name__)


class Scheduler(Background):
    """Runs the schedules of all. Each step is one transaction, or one mail and the transaction after it."""

    def __init__(
        self,
        database: Database,
        exporter: Exporter,
        post: ExportMailer | None,
        place: FileStorage | None,
        told: Callable[[], None] = lambda: None,
    ) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("schedules", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._exporter = exporter
        self.post = post
        self.place = place
        self._told = told
        self._away_until = 0
        self._pauses = Pauses[Hashable]("schedules", seconds=PAUSE_SECONDS)
        self._tidied_at = 0

    def step(self, now: int | None = None) -> bool:
        """One thing; False when nothing is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        if not self._anything(now) or not self.may_work(now):
            return False
        done = any(self._for_one(find_rows(now), now, work) for find_rows, work in (
            (self._made, self._look), (self._due, self._begin), (self._waiting, self._send), (self._left, self._close),
        ))  # fmt: skip
        if done:
            self._told()
        return done

    def _for_one(self, rows: Sequence[Row[Any]], now: int, work: Callable[[Row[Any], int], None]) -> bool:
        """The first of them whose schedule did not fail a moment ago; False when there is none."""
        for row in rows:
            if not self._pauses.is_paused((row.org_id, row.schedule_id), now):
                self._pauses.attempt((row.org_id, row.schedule_id), now, partial(work, row, now))
                return True
        return False

    def _read(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:  # each second: no lock while nothing is to be done
            return connection.execute(wanted.limit(1 + len(self._pauses) * MOST_OF_ONE)).all()

    def _due(self, now: int) -> Sequence[Row[Any]]:
        """The schedules whose time has come, longest first."""
        wanted = select(export_schedules).where(export_schedules.c.next_at <= now)
        return self._read(wanted.order_by(export_schedules.c.next_at))

    def _made(self, _now: int) -> Sequence[Row[Any]]:
        """Runs whose file is made, or will never be."""
        same = (exports.c.org_id == schedule_runs.c.org_id) & (exports.c.export_id == schedule_runs.c.export_id)
        ready = select(schedule_runs).join(exports, same).where(exports.c.state.not_in(request.OPEN))
        return self._read(ready.where(schedule_runs.c.state == "making"))

    def _left(self, _now: int) -> Sequence[Row[Any]]:
        """Runs of which nothing waits any more though nobody closed them: those whom it was for were erased."""
        mine = (schedule_deliveries.c.org_id == schedule_runs.c.org_id) & (
            schedule_deliveries.c.run_id == schedule_runs.c.run_id
        )
        waits = select(schedule_deliveries.c.run_id).where(mine, schedule_deliveries.c.state == "waiting").exists()
        return self._read(select(schedule_runs).where(schedule_runs.c.state == "sending", ~waits))

    def _close(self, row: Row[Any], now: int) -> None:
        with self._database.write() as connection:
            schedule = find(connection, row.org_id, row.schedule_id)
            if schedule is None:
                connection.execute(delete(schedule_runs).where(runs.is_run(row.org_id, row.run_id)))
            else:
                runs.close(connection, schedule, row, now)
        self._exporter.wake()

    def _anything(self, now: int) -> bool:
        """Whether something waits, so that what is at rest holds no lease."""
        due = select(export_schedules.c.org_id).where(export_schedules.c.next_at <= now).limit(1)
        under_way = select(schedule_runs.c.org_id).where(schedule_runs.c.state.in_(OPEN)).limit(1)
        with self._database.read() as connection:
            return bool(connection.execute(due).first() or connection.execute(under_way).first())

    def _begin(self, row: Row[Any], now: int) -> None:
        """Its time moves on in the transaction that begins the run."""
        with self._database.write() as connection:
            organizations.lock_row(connection, row.org_id)
            mine = is_schedule(row.org_id, row.schedule_id) & (export_schedules.c.next_at == row.next_at)
            schedule = find(connection, row.org_id, row.schedule_id)
            if schedule is None:
                return
            claimed = update(export_schedules).where(mine, export_schedules.c.enabled)
            if not connection.execute(claimed.values(next_at=schedule.calendar.following(now))).rowcount:
                return
            runs.end_all_open(connection, schedule, runs.OVERTAKEN, now)
            runs.start(connection, find(connection, row.org_id, row.schedule_id) or schedule, now)
            if now - self._tidied_at > TIDY_EVERY:
                self._tidied_at = now
                _tidy(connection, now)
        self._exporter.wake()

    def _look(self, row: Row[Any], now: int) -> None:
        """What became of its file."""
        with self._database.write() as connection:
            mine = runs.is_run(row.org_id, row.run_id) & (schedule_runs.c.state == "making")
            run = connection.execute(select(schedule_runs).where(mine)).first()
            if run is None:
                return
            schedule = find(connection, run.org_id, run.schedule_id)
            export = _export(connection, run)
            if schedule is None:
                connection.execute(delete(schedule_runs).where(runs.is_run(run.org_id, run.run_id)))
            elif export.has_file:
                values = {"state": "sending", "rows": export.rows}
                connection.execute(update(schedule_runs).where(runs.is_run(run.org_id, run.run_id)).values(values))
            elif export.gone in ("erased", "lost", "expired"):
                runs.restart(connection, schedule, run, now)
            else:
                error = export.error or f"The export was {'deleted' if export.gone else 'cancelled'}."
                runs.close(connection, schedule, run, now, error=error)

    def _send(self, row: Row[Any], now: int) -> None:
        """One delivery."""
        with self._database.write() as connection:
            parcel = self._parcel(connection, row, now)
            claimed = parcel is not None and _claim(connection, row, now)
        if parcel is None or not claimed:
            return
        way, problem, for_good = self._deliver(parcel, row.address, now)
        with self._database.write() as connection:
            self._settle(connection, parcel.schedule, row, way, problem, for_good, now)
        if way in ("attached", "stored"):
            self._exporter.finish_download(parcel.export)

    def _waiting(self, now: int) -> Sequence[Row[Any]]:
        """Deliveries that are due, whichever waits for longest first."""
        same = (schedule_runs.c.org_id == schedule_deliveries.c.org_id) & (
            schedule_runs.c.run_id == schedule_deliveries.c.run_id
        )
        wanted = (
            select(schedule_deliveries, schedule_runs.c.schedule_id)
            .join(schedule_runs, same)
            .where(schedule_deliveries.c.state == "waiting", schedule_deliveries.c.next_at <= now)
            .where(schedule_runs.c.state == "sending")
            .order_by(schedule_deliveries.c.next_at)
        )
        if now < self._away_until:
            wanted = wanted.where(schedule_deliveries.c.address == OPERATOR_STORAGE)
        return self._read(wanted)

    def _parcel(self, connection: Any, row: Row[Any], now: int) -> ExportFile | None:
        """What is to be sent; None when that changed meanwhile, which is recorded."""
        schedule = find(connection, row.org_id, row.schedule_id)
        run = connection.execute(select(schedule_runs).where(runs.is_run(row.org_id, row.run_id))).first()
        if schedule is None or run is None:
            connection.execute(delete(schedule_runs).where(runs.is_run(row.org_id, row.run_id)))
            return None
        known = [one for one in schedule.recipients if one.address == row.address]
        if not known or not may_receive(connection, row.org_id, known[0]):
            self._settle(connection, schedule, row, None, "no longer receives it", True, now)
            return None
        export = _export(connection, run)
        path = self._exporter.path(export)
        if not export.has_file or not path.exists():
            runs.restart(connection, schedule, run, now)
            self._exporter.wake()
            return None
        name = organizations.of_scope(connection, operator_scope(row.org_id)).name
        return ExportFile(schedule, run.run_id, export, path, name, run.period, run.left_out)

    def _deliver(self, parcel: ExportFile, address: str, now: int) -> tuple[DeliveryMethod | None, str, bool]:
        """How it went; else what was wrong, and whether it would be again."""
        try:
            if address == OPERATOR_STORAGE:
                if self.place is None:
                    return None, "the operator has not set one (TALLYSTICK_EXPORT_DIR)", True
                return store_file(self.place, parcel), "", False
            if self.post is None:
                return None, "email is not configured (TALLYSTICK_SMTP_URL)", True
            return self.post.send(parcel, address, now), "", False
        except TargetError as problem:
            return None, problem.detail.rstrip("."), False
        except EmailNotSent as problem:
            if problem.away:
                self._away_until = now + AWAY_SECONDS * SECOND_US
            return None, str(problem), problem.for_good
        except (InvalidEmail, OSError, TallystickError) as problem:
            return None, str(problem)[:200], isinstance(problem, InvalidEmail)

    def _settle(
        self,
        connection: Any,
        schedule: Schedule,
        row: Row[Any],
        way: DeliveryMethod | None,
        problem: str,
        for_good: bool,
        now: int,
    ) -> None:
        """Record how a delivery went, and with the last one how its run did."""
        run = connection.execute(select(schedule_runs).where(runs.is_run(row.org_id, row.run_id))).first()
        if run is None:
            return
        mine = (
            (schedule_deliveries.c.org_id == row.org_id)
            & (schedule_deliveries.c.run_id == row.run_id)
            & (schedule_deliveries.c.address == row.address)
        )
        values: dict[str, Any] = {"attempts": row.attempts + 1, "problem": problem[:300]}
        if way is not None:
            values |= {"state": "sent", "way": way, "finished_at": now}
            runs.mark_served(connection, schedule, run, row.address)
        elif for_good or now - run.made_at >= GIVEN_UP_AFTER:
            values |= {"state": "failed", "finished_at": now}
        else:
            values["next_at"] = now + min(60 * 4 ** min(row.attempts, 4), LONGEST_PAUSE_SECONDS) * SECOND_US
        connection.execute(update(schedule_deliveries).where(mine).values(values))
        if problem:
            logger.warning("schedule_not_delivered", schedule=schedule.shown_id, problem=problem)
        waiting = (schedule_deliveries.c.org_id == row.org_id) & (schedule_deliveries.c.run_id == row.run_id)
        left = select(schedule_deliveries.c.address).where(waiting, schedule_deliveries.c.state == "waiting").limit(1)
        if connection.execute(left).first() is None:
            runs.close(connection, schedule, run, now)
            self._exporter.wake()


def _claim(connection: Any, row: Row[Any], now: int) -> bool:
    """Take a delivery before it is sent: of two processes that read it one wins, whoever believes to hold the lease."""
    mine = (schedule_deliveries.c.org_id == row.org_id) & (schedule_deliveries.c.run_id == row.run_id)
    mine &= (schedule_deliveries.c.address == row.address) & (schedule_deliveries.c.state == "waiting")
    taken = update(schedule_deliveries).where(mine, schedule_deliveries.c.next_at == row.next_at)
    return bool(connection.execute(taken.values(next_at=now + CLAIM_SECONDS * SECOND_US)).rowcount)


def _export(connection: Any, run: Row[Any]) -> request.Export:
    row = connection.execute(select(exports).where(request.is_export(run.org_id, run.export_id))).one()
    return request.export_of(row)


def _tidy(connection: Any, now: int) -> None:
    """The history goes after its time."""
    old = (schedule_runs.c.finished_at < now - KEPT) & schedule_runs.c.state.not_in(OPEN)
    gone = select(schedule_runs.c.run_id).where(old)
    connection.execute(delete(schedule_deliveries).where(schedule_deliveries.c.run_id.in_(gone)))
    connection.execute(delete(schedule_runs).where(old))
