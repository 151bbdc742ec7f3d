"""The scheduler: begins the runs that are due, and follows each until its file can be delivered."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, Table, delete, select, update

from tallystick import clock
from tallystick.access import organizations
from tallystick.database.engine import Database, is_lock_timeout
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
LOCK_PAUSE_SECONDS = 10  # how long an organization rests whose rows another transaction has locked


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
        self._pauses = Pauses[UUID]("schedules", seconds=PAUSE_SECONDS)  # schedules and organizations

    def step(self, now: int | None = None) -> bool:
        """Advances one schedule; False when nothing is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        if not self._has_work(now) or not self.may_work(now):
            return False
        stages = (
            (self._run_with_export, self._follow),
            (self._due_schedule, self._begin),
            (self._run_without_recipients, self._close),
        )
        if not any(self._advance_one(find_row(now), now, work) for find_row, work in stages):
            return False
        self._own_actions_waiting()
        self._wake_deliveries()
        return True

    def _advance_one(self, row: Row[Any] | None, now: int, work: Callable[[Row[Any], int], None]) -> bool:
        """Works on a row; False when there is none. After an error its schedule rests.

        If another transaction has locked a row that the work needs, the whole organization rests.
        """
        if row is None:
            return False
        try:
            work(row, now)
        except Exception as error:
            if is_lock_timeout(error):
                self._pauses.fail(row.org_id, now, error, seconds=LOCK_PAUSE_SECONDS)
            else:
                self._pauses.fail(row.schedule_id, now, error)
        return True

    def _first(self, wanted: Select[Any], table: Table, now: int) -> Row[Any] | None:
        """The first row that is wanted, of a schedule that does not rest; `table` has the columns of the schedule."""
        resting = self._pauses.paused(now)
        if resting:
            wanted = wanted.where(table.c.org_id.not_in(resting), table.c.schedule_id.not_in(resting))
        with self._database.read() as connection:  # every second: no lock while there is nothing to do
            return connection.execute(wanted.limit(1)).first()

    def _has_work(self, now: int) -> bool:
        """Whether a schedule is due or a run is open; otherwise no lease is needed."""
        due = select(export_schedules.c.org_id).where(export_schedules.c.next_at <= now).limit(1)
        open_runs = select(schedule_runs.c.org_id).where(schedule_runs.c.state.in_(OPEN)).limit(1)
        with self._database.read() as connection:
            return bool(connection.execute(due).first() or connection.execute(open_runs).first())

    def _run_with_export(self, now: int) -> Row[Any] | None:
        """A run whose export is finished."""
        same = (exports.c.org_id == schedule_runs.c.org_id) & (exports.c.export_id == schedule_runs.c.export_id)
        finished = select(schedule_runs).join(exports, same).where(exports.c.state.not_in(request.OPEN))
        return self._first(finished.where(schedule_runs.c.state == "making"), schedule_runs, now)

    def _due_schedule(self, now: int) -> Row[Any] | None:
        """The schedule whose time has come, longest waiting first, unless a file of it is just being sent.

        Beginning the next run ends an open one. If that file still arrived, its events would be sent a second time.
        """
        wanted = select(export_schedules).where(export_schedules.c.next_at <= now, ~_is_sending_any(now))
        return self._first(wanted.order_by(export_schedules.c.next_at), export_schedules, now)

    def _run_without_recipients(self, now: int) -> Row[Any] | None:
        """A run without a waiting delivery that nobody closed: its recipients were erased."""
        mine = (schedule_deliveries.c.org_id == schedule_runs.c.org_id) & (
            schedule_deliveries.c.run_id == schedule_runs.c.run_id
        )
        waiting = select(schedule_deliveries.c.run_id).where(mine, schedule_deliveries.c.state == "waiting").exists()
        return self._first(
            select(schedule_runs).where(schedule_runs.c.state == "sending", ~waiting), schedule_runs, now
        )

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
            organizations.lock_row(connection, row.org_id)
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
            organizations.lock_row(connection, row.org_id)
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
