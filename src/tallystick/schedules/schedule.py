"""Schedules with their recipients and runs, read by whoever may see them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, select

from tallystick import ids
from tallystick.access.scopes import require
from tallystick.errors import NotFound
from tallystick.exports.request import PREFIX as EXPORT_PREFIX
from tallystick.query.conditions import EVERYTHING
from tallystick.query.scope import Principal, Scope
from tallystick.render.csv_lines import CsvLayout, csv_layout
from tallystick.schedules.tables import export_schedules, schedule_recipients, schedule_runs
from tallystick.work.calendar import Calendar

PREFIX, RUN_PREFIX = "sch", "run"
OPERATOR_STORAGE = "the operator's directory"  # stands among the addresses of recipients
OPEN = ("making", "sending")
Mode = Literal["new", "period"]
MODES: tuple[Mode, ...] = ("new", "period")


@dataclass(frozen=True, slots=True)
class Recipient:
    """A recipient of the files, who has received everything up to `until`.

    `state` is active, waiting (for an owner's consent) or unsubscribed.
    """

    address: str
    state: str
    consent_by: str
    until: int


@dataclass(frozen=True, slots=True)
class ScheduleRun:
    """One file and the state of its delivery; times in microseconds."""

    run_id: UUID
    state: str
    asked: bool
    export_id: UUID | None
    period: str
    left_out: bool
    rows: int | None
    error: str
    made_at: int
    finished_at: int | None

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def public_id(self) -> str:
        return ids.encode(RUN_PREFIX, self.run_id.bytes)

    @property
    def export_public_id(self) -> str | None:
        return None if self.export_id is None else ids.encode(EXPORT_PREFIX, self.export_id.bytes)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A scheduled export. `stopped` is why it ended by itself, or empty; times in microseconds."""

    org_id: UUID
    schedule_id: UUID
    name: str
    calendar: Calendar
    format: str
    layout: CsvLayout
    filter: Mapping[str, Sequence[str]]
    mode: Mode
    enabled: bool
    stopped: str
    by: Principal
    role: str
    made_at: int
    next_at: int | None
    recipients: tuple[Recipient, ...] = ()
    last_run: ScheduleRun | None = None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.schedule_id.bytes)

    @property
    def revision(self) -> str:
        """What an owner's consent is for: another one when the content or the recipients that wait for it change."""
        waiting = [one.address for one in self.recipients if one.state == "waiting"]
        return sha256(msgspec.json.encode((self.content, waiting))).hexdigest()[:32]

    @property
    def content(self) -> tuple[Any, ...]:
        """What decides which events its files hold, and how much of each: an owner consents to this."""
        return dict(self.filter), self.format, self.layout.columns, self.calendar.zone_name, self.by.id, self.role


def list_schedules(connection: Connection, scope: Scope) -> list[Schedule]:
    """The schedules that the scope may see, newest first. Raises Forbidden."""
    require(scope, "exports")
    wanted = select(export_schedules).where(_visible(scope)).order_by(export_schedules.c.schedule_id.desc())
    return [_read_schedule(connection, row) for row in connection.execute(wanted)]


def show(connection: Connection, scope: Scope, public_id: str) -> Schedule:
    """One schedule. Raises NotFound (`no_schedule`), also for one of others, or Forbidden."""
    require(scope, "exports")
    wanted = select(export_schedules).where(_visible(scope), export_schedules.c.schedule_id == _parse_id(public_id))
    row = connection.execute(wanted).first()
    if row is None:
        raise _not_found()
    return _read_schedule(connection, row)


def find(connection: Connection, org_id: UUID, schedule_id: UUID) -> Schedule | None:
    """One schedule, for background work; None when there is none."""
    row = connection.execute(select(export_schedules).where(is_schedule(org_id, schedule_id))).first()
    return None if row is None else _read_schedule(connection, row)


def runs_of(connection: Connection, schedule: Schedule, limit: int = 20) -> list[ScheduleRun]:
    """The last runs of a schedule, newest first."""
    mine = (schedule_runs.c.org_id == schedule.org_id) & (schedule_runs.c.schedule_id == schedule.schedule_id)
    wanted = select(schedule_runs).where(mine).order_by(schedule_runs.c.run_id.desc()).limit(limit)
    return [read_run(row) for row in connection.execute(wanted)]


def is_schedule(org_id: UUID, schedule_id: UUID) -> ColumnElement[bool]:
    """The condition that finds one schedule."""
    return (export_schedules.c.org_id == org_id) & (export_schedules.c.schedule_id == schedule_id)


def recipients_of(org_id: UUID, schedule_id: UUID) -> ColumnElement[bool]:
    """The condition that finds the recipients of a schedule."""
    return (schedule_recipients.c.org_id == org_id) & (schedule_recipients.c.schedule_id == schedule_id)


def read_run(row: Row[Any]) -> ScheduleRun:
    """The run of a row."""
    return ScheduleRun(
        row.run_id,
        row.state,
        row.asked,
        row.export_id,
        row.period,
        row.left_out,
        row.rows,
        row.error,
        row.made_at,
        row.finished_at,
    )


def _read_schedule(connection: Connection, row: Row[Any]) -> Schedule:
    wanted = select(schedule_recipients).where(recipients_of(row.org_id, row.schedule_id))
    found = connection.execute(wanted.order_by(schedule_recipients.c.address)).all()
    recipients = tuple(Recipient(one.address, one.state, one.consent_by, one.until) for one in found)
    schedule = Schedule(
        row.org_id,
        row.schedule_id,
        row.name,
        Calendar(row.frequency, row.at, row.weekday, row.day, row.zone),
        row.format,
        csv_layout(row.columns, row.dialect),
        msgspec.json.decode(row.filter),
        row.mode,
        row.enabled,
        row.stopped,
        Principal(row.by_kind, row.by_id, row.by_name, row.by_email),
        row.by_role,
        row.made_at,
        row.next_at,
        recipients,
    )
    return replace(schedule, last_run=next(iter(runs_of(connection, schedule, 1)), None))


def _visible(scope: Scope) -> ColumnElement[bool]:
    """All of the organization; for a scope that sees a part of the trail, its own with the same role."""
    mine = export_schedules.c.org_id == scope.org_id
    if scope.mandatory == EVERYTHING:
        return mine
    return mine & (export_schedules.c.by_id == scope.principal.id) & (export_schedules.c.by_role == scope.role)


def _parse_id(public_id: str) -> UUID:
    try:
        return ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found() from None


def _not_found() -> NotFound:
    return NotFound("Schedule not found, or you do not have access to it.", code="no_schedule")
