"""The probe of the control database: what waits there, how long, and what failed."""

import time

from sqlalchemy import ColumnElement, Connection, FromClause, and_, func, select

from tallystick import clock, telemetry
from tallystick.alerts.tables import alert_positions
from tallystick.backup.request import last_finished_at
from tallystick.clock import DAY_US, SECOND_US
from tallystick.copies.progress import read_state
from tallystick.database.engine import Database
from tallystick.destinations.tables import deliveries, destinations, mails
from tallystick.exports.request import OPEN
from tallystick.exports.tables import exports
from tallystick.integrity.rounds import count_differences
from tallystick.journal import batches, missing_ranges, set_aside
from tallystick.ledger.tables import logs
from tallystick.monitoring.lag import LagClock
from tallystick.monitoring.probe import Probe
from tallystick.retention import clock_guard
from tallystick.schedules.tables import export_schedules, schedule_deliveries, schedule_runs

ROUNDS_SECONDS = 60.0  # the results of the integrity check are read for each organization
GIVEN_UP = ("given_up", "failed")


class DatabaseProbe(Probe):
    """Measures what the control database knows of the whole installation; the same on every node."""

    def __init__(self, database: Database) -> None:
        super().__init__("database_probe")
        self._database = database
        self._search_lag, self._alert_lag = LagClock(), LagClock()
        self._rounds_read_at = -ROUNDS_SECONDS

    def ask(self) -> None:
        now = clock.now_us()
        with self._database.read() as connection:
            self._measure_logs(connection)
            _measure_journal(connection)
            _measure_deliveries(connection, now)
            _measure_schedules(connection, now)
            _measure_rest(connection)
            if time.monotonic() - self._rounds_read_at >= ROUNDS_SECONDS:
                telemetry.integrity_differences.set(count_differences(connection))
                self._rounds_read_at = time.monotonic()
        telemetry.measured_seconds.set(clock.now_us() / SECOND_US)

    def _measure_logs(self, connection: Connection) -> None:
        unstored = {
            row.org_id: (row.stored_end, row.size)
            for row in connection.execute(
                select(logs.c.org_id, logs.c.stored_end, logs.c.size).where(logs.c.size > logs.c.stored_end)
            )
        }
        reached = func.coalesce(alert_positions.c.next_index, 0)
        unevaluated = {
            row.org_id: (row.reached, row.size)
            for row in connection.execute(
                select(logs.c.org_id, reached.label("reached"), logs.c.size)
                .outerjoin(alert_positions, alert_positions.c.org_id == logs.c.org_id)
                .where(logs.c.size > reached)
            )
        }
        now, waiting = time.monotonic(), sum(end - at for at, end in unstored.values())
        telemetry.journal_events.set(waiting)
        telemetry.searchable_lag_events.set(waiting)
        telemetry.searchable_lag_seconds.set(self._search_lag.seconds(unstored, now))
        telemetry.alerts_lag_events.set(sum(end - at for at, end in unevaluated.values()))
        telemetry.alerts_lag_seconds.set(self._alert_lag.seconds(unevaluated, now))
        telemetry.log_frozen.set(_count(connection, logs, logs.c.frozen_reason.is_not(None)))


def _measure_journal(connection: Connection) -> None:
    telemetry.journal_bytes.set(batches.size(connection)[1])
    telemetry.set_aside_events.set(sum(set_aside.counts(connection).values()))
    telemetry.store_missing_events.set(sum(missing_ranges.count_missing(connection).values()))


def _measure_deliveries(connection: Connection, now: int) -> None:
    of_run = and_(
        schedule_runs.c.org_id == schedule_deliveries.c.org_id, schedule_runs.c.run_id == schedule_deliveries.c.run_id
    )
    queues = (
        ("messages", deliveries, deliveries, deliveries.c.made_at),
        ("emails", mails, mails, mails.c.made_at),
        ("exports", schedule_deliveries, schedule_deliveries.join(schedule_runs, of_run), schedule_runs.c.made_at),
    )
    for queue, table, source, made_at in queues:
        waiting, oldest = connection.execute(
            select(func.count(), func.min(made_at)).select_from(source).where(table.c.state == "waiting")
        ).one()
        given_up = and_(table.c.state.in_(GIVEN_UP), table.c.finished_at > now - DAY_US)
        telemetry.deliveries_waiting.labels(queue).set(waiting)
        telemetry.deliveries_oldest_seconds.labels(queue).set(max(0, now - (oldest or now)) / SECOND_US)
        telemetry.deliveries_given_up.labels(queue).set(_count(connection, table, given_up))
    for state in ("failing", "disabled"):
        mine = and_(destinations.c.enabled, destinations.c.state == state)
        telemetry.destinations_by_state.labels(state).set(_count(connection, destinations, mine))


def _measure_schedules(connection: Connection, now: int) -> None:
    due = select(func.min(export_schedules.c.next_at)).where(export_schedules.c.enabled)
    next_at = connection.execute(due).scalar()
    telemetry.schedules_late_seconds.set(max(0, now - (next_at or now)) / SECOND_US)
    telemetry.exports_waiting.set(_count(connection, exports, exports.c.state.in_(OPEN)))


def _measure_rest(connection: Connection) -> None:
    telemetry.last_backup_seconds.set((last_finished_at(connection) or 0) // SECOND_US)
    copied = read_state(connection)
    telemetry.last_copy_seconds.set(copied.copied_at // SECOND_US if copied else 0)
    telemetry.last_snapshot_seconds.set((copied.snapshot_at or copied.copied_at) // SECOND_US if copied else 0)
    telemetry.purge_clock_doubted.set(clock_guard.doubted_times(connection) is not None)


def _count(connection: Connection, table: FromClause, condition: ColumnElement[bool]) -> int:
    return connection.execute(select(func.count()).select_from(table).where(condition)).scalar_one()
