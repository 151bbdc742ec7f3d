"""The scheduler: begins the runs that are due, and follows each until its file can be delivered."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Row, Select, delete, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.exports import request
from tallystick.exports.exporter import Exporter
from tallystick.exports.tables import exports
from tallystick.schedules import runs
from tallystick.schedules.export_queue import export_of, is_sending
from tallystick.schedules.schedule import OPEN, find, is_schedule
from tallystick.schedules.tables import export_schedules, schedule_deliveries, schedule_runs
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.pauses import Pauses

LEASE = "schedules"
LEASE_SECONDS = 900  # longer than an email can take, since the same lease covers the deliveries
IDLE_SECONDS = 1.0
PAUSE_SECONDS = 60  # how long a schedule rests after an error; no other schedule waits for it
MAX_ROWS_OF_ONE = 50  # rows that a resting schedule may have before those of others


class Scheduler(Background):
    """Begins, follows and closes runs, one transaction at a time; an ExportQueue delivers their files."""

    def __init__(
        self,
        database: Database,
        exporter: Exporter,
        lease: Lease,
        wake_deliveries: Callable[[], None] = lambda: None,
        own_actions_waiting: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__("schedules", idle_seconds=IDLE_SECONDS, lease=lease)
        self._database = database
        self._exporter = exporter
        self._wake_deliveries = wake_deliveries
        self._own_actions_waiting = own_actions_waiting
        self._pauses = Pauses[Hashable]("schedules", seconds=PAUSE_SECONDS)

    def step(self, now: int | None = None) -> bool:
        """Advances one schedule; False when nothing is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        if not self._has_work(now) or not self.may_work(now):
            return False
        stages = (
            (self._runs_with_export, self._follow),
            (self._due_schedules, self._begin),
            (self._runs_without_recipients, self._close),
        )
        if not any(self._advance_one(find_rows(now), now, work) for find_rows, work in stages):
            return False
        self._own_actions_waiting()
        self._wake_deliveries()
        return True

    def _advance_one(self, rows: Sequence[Row[Any]], now: int, work: Callable[[Row[Any], int], None]) -> bool:
        """Works on the first row whose schedule does not rest; False when there is none."""
        for row in rows:
            item = (row.org_id, row.schedule_id)
            if not self._pauses.is_paused(item, now):
                self._pauses.attempt(item, now, partial(work, row, now))
                return True
        return False

    def _read(self, wanted: Select[Any]) -> Sequence[Row[Any]]:
        with self._database.read() as connection:  # every second: no lock while there is nothing to do
            return connection.execute(wanted.limit(1 + len(self._pauses) * MAX_ROWS_OF_ONE)).all()

    def _has_work(self, now: int) -> bool:
        """Whether a schedule is due or a run is open; otherwise no lease is needed."""
        due = select(export_schedules.c.org_id).where(export_schedules.c.next_at <= now).limit(1)
        open_runs = select(schedule_runs.c.org_id).where(schedule_runs.c.state.in_(OPEN)).limit(1)
        with self._database.read() as connection:
            return bool(connection.execute(due).first() or connection.execute(open_runs).first())

    def _runs_with_export(self, _now: int) -> Sequence[Row[Any]]:
        """Runs whose export is finished."""
        same = (exports.c.org_id == schedule_runs.c.org_id) & (exports.c.export_id == schedule_runs.c.export_id)
        finished = select(schedule_runs).join(exports, same).where(exports.c.state.not_in(request.OPEN))
        return self._read(finished.where(schedule_runs.c.state == "making"))

    def _due_schedules(self, now: int) -> Sequence[Row[Any]]:
        """Schedules whose time has come, longest waiting first, unless a file of theirs is just being sent.

        Beginning the next run ends an open one. If that file still arrived, its events would be sent a second time.
        """
        wanted = select(export_schedules).where(export_schedules.c.next_at <= now, ~_is_sending_any(now))
        return self._read(wanted.order_by(export_schedules.c.next_at))

    def _runs_without_recipients(self, _now: int) -> Sequence[Row[Any]]:
        """Runs without a waiting delivery that nobody closed: their recipients were erased."""
        mine = (schedule_deliveries.c.org_id == schedule_runs.c.org_id) & (
            schedule_deliveries.c.run_id == schedule_runs.c.run_id
        )
        waiting = select(schedule_deliveries.c.run_id).where(mine, schedule_deliveries.c.state == "waiting").exists()
        return self._read(select(schedule_runs).where(schedule_runs.c.state == "sending", ~waiting))

    def _begin(self, row: Row[Any], now: int) -> None:
        """Begins the run that is due; the schedule's next time is set in the same transaction."""
        with self._database.write() as connection:
            organizations.lock_row(connection, row.org_id)
            mine = is_schedule(row.org_id, row.schedule_id)
            schedule = find(connection, row.org_id, row.schedule_id)
            if schedule is None:
                return
            still_due = (export_schedules.c.next_at == row.next_at) & export_schedules.c.enabled & ~_is_sending_any(now)
            claimed = update(export_schedules).where(mine, still_due)
            if not connection.execute(claimed.values(next_at=schedule.calendar.following(now))).rowcount:
                return
            runs.end_all_open(connection, schedule, runs.OVERTAKEN, now)
            runs.start(connection, find(connection, row.org_id, row.schedule_id) or schedule, now)
        self._exporter.wake()

    def _follow(self, row: Row[Any], now: int) -> None:
        """Lets the file of a run be delivered, or makes it again, or ends the run, as its export ended."""
        with self._database.write() as connection:
            is_run = runs.is_run(row.org_id, row.run_id)
            run = connection.execute(select(schedule_runs).where(is_run, schedule_runs.c.state == "making")).first()
            if run is None:
                return
            schedule = find(connection, run.org_id, run.schedule_id)
            export = export_of(connection, run)
            if schedule is None:
                connection.execute(delete(schedule_runs).where(is_run))
            elif export.has_file:
                is_making = is_run & (schedule_runs.c.state == "making")
                connection.execute(update(schedule_runs).where(is_making).values(state="sending", rows=export.rows))
            elif export.gone in ("erased", "lost", "expired"):
                runs.restart(connection, schedule, run, now)
            else:
                error = export.error or f"The export was {'deleted' if export.gone else 'cancelled'}."
                runs.close(connection, schedule, run, now, error=error)

    def _close(self, row: Row[Any], now: int) -> None:
        with self._database.write() as connection:
            schedule = find(connection, row.org_id, row.schedule_id)
            if schedule is None:
                connection.execute(delete(schedule_runs).where(runs.is_run(row.org_id, row.run_id)))
            else:
                runs.close(connection, schedule, row, now)
        self._exporter.wake()


def schedule_lease(database: Database) -> Lease:
    """The lease of the schedules: of all processes one works on them."""
    return Lease(database, LEASE, seconds=LEASE_SECONDS)


def _is_sending_any(now: int) -> Any:
    """Whether a file of the schedule in `export_schedules` is being sent."""
    mine = (
        (schedule_runs.c.org_id == export_schedules.c.org_id)
        & (schedule_runs.c.schedule_id == export_schedules.c.schedule_id)
        & (schedule_deliveries.c.org_id == schedule_runs.c.org_id)
        & (schedule_deliveries.c.run_id == schedule_runs.c.run_id)
    )
    return select(schedule_runs.c.run_id).where(mine, schedule_runs.c.state == "sending", is_sending(now)).exists()
