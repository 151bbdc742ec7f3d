"""Runs of a schedule: each makes one file, for the recipients that have received everything up to the same point."""

from collections.abc import Mapping, Sequence
from datetime import date, time
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, record_own, resource
from tallystick.access.current_scope import current_scope
from tallystick.access.scopes import require
from tallystick.errors import Forbidden, TallystickError
from tallystick.exports import request
from tallystick.journal.missing_ranges import format_missing
from tallystick.query.scope import TALLYSTICK, Scope
from tallystick.schedules.recipients import may_receive
from tallystick.schedules.schedule import OPEN, PREFIX, Recipient, Schedule, find, is_schedule, recipients_of
from tallystick.schedules.tables import (
    export_schedules,
    schedule_deliveries,
    schedule_recipients,
    schedule_runs,
)
from tallystick.work.calendar import moment_of

ERASED = "[erased]"  # stands in a filter for a person whose data was erased
OVERTAKEN = "It was not delivered before the next one was due. The next one includes it."
MAX_ERROR = 2000


def start(connection: Connection, schedule: Schedule, now: int, *, asked: bool = False) -> None:
    """Starts the runs that are due at `now`; ends the schedule if its creator may no longer have the files.

    `asked`: a person started it, not the calendar.
    """
    try:
        scope = creator_scope(connection, schedule, now)
    except Forbidden as problem:
        stop(connection, schedule, problem.detail, now)
        return
    ready = [one for one in schedule.recipients if may_receive(connection, schedule.org_id, one)]
    if asked and schedule.mode == "period":
        if ready:
            _start_one(connection, schedule, scope, ready, 0, now, asked=True)
        return
    for until in sorted({one.until for one in ready}):
        group = [one for one in ready if one.until == until]
        _start_one(connection, schedule, scope, group, until, now, asked=asked)


def restart(connection: Connection, schedule: Schedule, run: Row[Any], now: int) -> None:
    """Exports the same events again for a run whose file was lost before every recipient had it."""
    organizations.lock_row(connection, schedule.org_id)
    unchanged = is_run(run.org_id, run.run_id) & schedule_runs.c.state.in_(OPEN)
    unchanged &= schedule_runs.c.export_id == run.export_id
    if connection.execute(select(schedule_runs.c.run_id).where(unchanged).with_for_update()).first() is None:
        return  # closed or restarted since it was read: nobody would use another file
    try:
        scope = creator_scope(connection, schedule, now)
        given = _filter(schedule, run.period)
        export = request.request_export(
            connection, scope, schedule.format, given, now=now, first=run.first, layout=schedule.layout
        )
    except TallystickError as problem:
        close(connection, schedule, run, now, error=_reason(problem))
        return
    values: dict[str, Any] = {"state": "making", "export_id": export.export_id}
    if schedule.mode == "new":
        values["until"] = export.position
    connection.execute(update(schedule_runs).where(is_run(run.org_id, run.run_id)).values(values))


def has_open(connection: Connection, schedule: Schedule) -> bool:
    """Whether any run of the schedule is open; recipients with different progress have separate runs."""
    mine = (schedule_runs.c.org_id == schedule.org_id) & (schedule_runs.c.schedule_id == schedule.schedule_id)
    wanted = select(schedule_runs.c.run_id).where(mine, schedule_runs.c.state.in_(OPEN)).limit(1)
    return connection.execute(wanted).first() is not None


def end_all_open(connection: Connection, schedule: Schedule, error: str, now: int) -> None:
    """Closes every open run; what is not delivered is given up."""
    mine = (schedule_runs.c.org_id == schedule.org_id) & (schedule_runs.c.schedule_id == schedule.schedule_id)
    for run in connection.execute(select(schedule_runs).where(mine, schedule_runs.c.state.in_(OPEN))).all():
        close(connection, schedule, run, now, error=error)


def stop(connection: Connection, schedule: Schedule, reason: str, now: int) -> None:
    """Ends a schedule that cannot go on, and records why."""
    ended = update(export_schedules).where(is_schedule(schedule.org_id, schedule.schedule_id))
    connection.execute(ended.values(enabled=False, next_at=None, stopped=reason[:MAX_ERROR]))
    _record(connection, schedule, "audit_log.schedule_failed", now, {"error": reason[:500], "ended": True})


def close(connection: Connection, schedule: Schedule, run: Row[Any], now: int, *, error: str = "") -> None:
    """Closes a run and records its result; what waits is given up. In mode `period` the next missed run starts."""
    mine = (schedule_deliveries.c.org_id == run.org_id) & (schedule_deliveries.c.run_id == run.run_id)
    left = update(schedule_deliveries).where(mine, schedule_deliveries.c.state == "waiting")
    connection.execute(left.values(state="failed", problem=error[:300], finished_at=now))
    ended = connection.execute(select(schedule_deliveries).where(mine)).all()
    sent = [one for one in ended if one.state == "sent"]
    failed = [one for one in ended if one.state != "sent"]
    problem = error or " ".join(dict.fromkeys(f"{one.address}: {one.problem.rstrip('.')}." for one in failed))
    if not ended and not error:
        problem = "No recipients are left."
    state = "failed" if not sent else "partly" if failed else "delivered"
    values = {"state": state, "error": problem[:MAX_ERROR], "finished_at": now}
    mine_run = is_run(run.org_id, run.run_id) & schedule_runs.c.state.in_(OPEN)
    if not connection.execute(update(schedule_runs).where(mine_run).values(values)).rowcount:
        return
    metadata = {
        "rows": run.rows,
        "format": schedule.format,
        "period": run.period,
        "recipients": [one.address for one in sent],
        "error": problem[:500],
    }
    if run.export_id is not None:
        metadata["export"] = ids.encode(request.PREFIX, run.export_id.bytes)
    action = "audit_log.schedule_delivered" if sent else "audit_log.schedule_failed"
    _record(connection, schedule, action, now, {name: value for name, value in metadata.items() if value is not None})
    if state == "delivered" and schedule.mode == "period" and not run.asked and schedule.enabled:
        _start_next(connection, schedule, {one.address for one in sent}, now)


def mark_served(connection: Connection, schedule: Schedule, run: Row[Any], address: str, *, until: int) -> None:
    """Notes that the recipient has everything up to `until`, the end of the file that was sent.

    Unless a person started it and earlier periods are still owed: those follow by the calendar.
    """
    mine = recipients_of(schedule.org_id, schedule.schedule_id) & (schedule_recipients.c.address == address)
    if run.asked and run.period:
        first = date.fromisoformat(run.period.split()[0])
        mine &= schedule_recipients.c.until >= moment_of(first, time(), schedule.calendar.zone)
    reached = update(schedule_recipients).where(mine, schedule_recipients.c.until < until)
    connection.execute(reached.values(until=until))


def is_run(org_id: UUID, run_id: UUID) -> ColumnElement[bool]:
    """The condition that finds one run."""
    return (schedule_runs.c.org_id == org_id) & (schedule_runs.c.run_id == run_id)


def creator_scope(connection: Connection, schedule: Schedule, now: int) -> Scope:
    """The current scope of the schedule's creator. Raises Forbidden when it is not what it was at creation."""
    if any(ERASED in value for values in schedule.filter.values() for value in values):
        raise Forbidden("Its filter named a person whose data has been erased.", code="access_ended")
    scope = current_scope(connection, schedule.org_id, schedule.by, now=now)
    require(scope, "exports")
    name = schedule.by.email or schedule.by.name
    if (scope.role == "member") != (schedule.role == "member"):
        raise Forbidden(
            f"{name} created it as {schedule.role} and is now {scope.role}, with different access.",
            code="role_changed",
        )
    others = {one.address for one in schedule.recipients if one.state != "unsubscribed"} - {schedule.by.email}
    if scope.role in ("auditor", "member") and others:
        raise Forbidden(f"{name} is now {scope.role} and cannot send to others.", code="role_changed")
    return scope


def _start_one(
    connection: Connection,
    schedule: Schedule,
    scope: Scope,
    group: Sequence[Recipient],
    until: int,
    now: int,
    *,
    asked: bool,
) -> None:
    first, period, left_out = until, "", False
    if schedule.mode == "period":
        missed, left_out = schedule.calendar.missed(until, now)
        if asked:
            missed, left_out = [schedule.calendar.period_before(now)], False
        if not missed:
            return
        first, period, until = 0, f"{missed[0].first} {missed[0].last}", missed[0].end
    run_id = ids.new_uuid(now)
    values: dict[str, Any] = {
        "org_id": schedule.org_id,
        "run_id": run_id,
        "schedule_id": schedule.schedule_id,
        "asked": asked,
        "first": first,
        "period": period,
        "left_out": left_out,
        "error": "",
        "made_at": now,
    }
    try:
        wanted = _filter(schedule, period)
        export = request.request_export(
            connection, scope, schedule.format, wanted, now=now, first=first, layout=schedule.layout
        )
    except TallystickError as problem:
        error = _reason(problem)
        failed = {"state": "failed", "until": until, "error": error[:MAX_ERROR], "finished_at": now}
        connection.execute(insert(schedule_runs).values(values | failed))
        _record(connection, schedule, "audit_log.schedule_failed", now, {"error": error[:500]})
        return
    reaches = until if period else export.position
    values |= {"state": "making", "export_id": export.export_id, "until": reaches}
    connection.execute(insert(schedule_runs).values(values))
    for one in group:
        row = {
            "org_id": schedule.org_id,
            "run_id": run_id,
            "address": one.address,
            "state": "waiting",
            "way": "",
            "attempts": 0,
            "problem": "",
            "next_at": now,
        }
        connection.execute(insert(schedule_deliveries).values(row))


def _reason(problem: TallystickError) -> str:
    """Why no file can be made, for whoever waits for one."""
    if problem.code != "events_missing":
        return problem.detail
    ranges = format_missing(problem.extra["missing"])
    return (
        f"Nothing was sent: the event store lacks events that belong here, at {ranges} in the log. The operator of the "
        "server can restore them, or accept their loss. The next run then sends what was due now as well."
    )


def _filter(schedule: Schedule, period: str) -> dict[str, Sequence[str]]:
    given: dict[str, Sequence[str]] = {**schedule.filter, "tz": [schedule.calendar.zone_name]}
    if period:
        first, last = period.split()
        given |= {"start": [first], "end": [last]}
    return given


def _start_next(connection: Connection, schedule: Schedule, addresses: set[str], now: int) -> None:
    """Starts the run of the next missed period."""
    fresh = find(connection, schedule.org_id, schedule.schedule_id)
    if fresh is None:
        return
    try:
        scope = creator_scope(connection, fresh, now)
    except Forbidden as problem:
        stop(connection, fresh, problem.detail, now)
        return
    group = [one for one in fresh.recipients if one.address in addresses and may_receive(connection, fresh.org_id, one)]
    for until in sorted({one.until for one in group}):
        _start_one(connection, fresh, scope, [one for one in group if one.until == until], until, now, asked=False)


def _record(connection: Connection, schedule: Schedule, action: str, now: int, metadata: Mapping[str, Any]) -> None:
    on = resource("export_schedule", schedule.schedule_id, PREFIX, schedule.name)
    record_own(connection, schedule.org_id, action, by=TALLYSTICK, caller=NOWHERE, on=on, now=now, metadata=metadata)
