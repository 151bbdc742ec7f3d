"""Creating, changing, running and deleting schedules, and an owner's consent to their recipients."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for, resource
from tallystick.access.scopes import is_owner, require, require_ownership, require_person
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.exports import links
from tallystick.exports.request import MAX_FILTER, check_layout
from tallystick.ledger import log as ledger_log
from tallystick.query.scope import Scope
from tallystick.render.csv_lines import STANDARD
from tallystick.render.writers import FORMATS
from tallystick.schedules import runs
from tallystick.schedules.recipients import check_recipients, invalid, may_receive, new_row
from tallystick.schedules.schedule import MODES, OPERATOR_STORAGE, PREFIX, Schedule, is_schedule, recipients_of, show
from tallystick.schedules.tables import (
    export_schedules,
    schedule_deliveries,
    schedule_recipients,
    schedule_runs,
)
from tallystick.search.filters import QUALIFIERS, query_from
from tallystick.work.calendar import WEEKDAYS, BadCalendar, Calendar, parse_calendar

MAX_SCHEDULES = 100
FILTERS = (*QUALIFIERS, "q")  # the schedule decides the period


@dataclass(frozen=True, slots=True)
class ScheduleSettings:
    """A schedule as requested, not validated yet.

    `weekday` is a name, `day` a day of the month. `to_storage`: also into the operator's storage. `past`: in mode `new`
    the first file contains earlier events too.
    """

    name: str
    frequency: str
    at: str = "07:00"
    weekday: str = "monday"
    day: int = 1
    zone: str = "UTC"
    format: str = "csv"
    columns: str = "default"
    dialect: str = "standard"
    filter: Mapping[str, Sequence[str]] | None = None
    recipients: Sequence[str] = ()
    mode: str = "new"
    enabled: bool = True
    to_storage: bool = False
    past: bool = True


def create(
    connection: Connection, scope: Scope, wanted: ScheduleSettings, *, now: int, caller: Caller = NOWHERE
) -> Schedule:
    """Creates a schedule. Raises BadRequest (`bad_schedule`, and the errors of filters), Conflict, Forbidden."""
    require(scope, "exports")
    calendar, values = _validate(wanted, now)
    if wanted.mode not in MODES:
        raise invalid("mode", f"mode must be one of {', '.join(MODES)}.")
    addresses = check_recipients(scope, wanted.recipients, to_storage=wanted.to_storage)
    organizations.lock_row(connection, scope.org_id)
    number = select(func.count()).select_from(export_schedules).where(export_schedules.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MAX_SCHEDULES:
        raise Conflict(
            f"You already have {MAX_SCHEDULES} schedules, the maximum. Delete some first.", code="too_many_schedules"
        )
    schedule_id = ids.new_uuid(now)
    next_at = calendar.following(now)
    values |= {
        "org_id": scope.org_id,
        "schedule_id": schedule_id,
        "mode": wanted.mode,
        "enabled": wanted.enabled,
        "stopped": "",
        "made_at": now,
        "next_at": next_at if wanted.enabled else None,
        **_creator(scope),
    }
    connection.execute(insert(export_schedules).values(values))
    if wanted.mode == "period":
        until = calendar.period_before(next_at).start
    else:
        until = 0 if wanted.past else ledger_log.read(connection, scope.org_id).size
    for address in addresses:
        row = new_row(connection, scope, schedule_id, address, until=until, now=now)
        connection.execute(insert(schedule_recipients).values(row))
    made = show(connection, scope, ids.encode(PREFIX, schedule_id.bytes))
    record_own_for(
        connection,
        scope,
        "audit_log.schedule_created",
        _resource(made),
        now=now,
        caller=caller,
        metadata=_description(made),
    )
    return made


def change(
    connection: Connection,
    scope: Scope,
    public_id: str,
    given: Mapping[str, Any],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Schedule:
    """Changes the given fields, named as in ScheduleSettings.

    Whoever resumes a schedule that ended by itself takes it over: from then on its files contain what they may see.
    Raises the errors of `create`, and NotFound.
    """
    before = _lock_and_read(connection, scope, public_id)
    wanted = replace(settings_of(before), **given)
    if wanted.mode != before.mode:
        raise invalid("mode", "The mode of a schedule cannot be changed. Create another schedule.")
    calendar, values = _validate(wanted, now)
    values["enabled"] = wanted.enabled
    if wanted.enabled and not before.enabled:
        values["stopped"] = ""
        if before.stopped:
            values |= _creator(scope)
    if not wanted.enabled:
        values["next_at"] = None
        runs.end_all_open(connection, before, "The schedule was paused.", now)
    elif not before.enabled or calendar != before.calendar:
        values["next_at"] = calendar.following(now)
    connection.execute(update(export_schedules).where(is_schedule(before.org_id, before.schedule_id)).values(values))
    if {"recipients", "to_storage"} & given.keys():
        _set_recipients(connection, scope, before, wanted, calendar, now)
    if show(connection, scope, public_id).content != before.content and not is_owner(scope):
        # The owner's consent was to files of the earlier content.
        outside = recipients_of(before.org_id, before.schedule_id) & (schedule_recipients.c.consent_by != "")
        again = update(schedule_recipients).where(outside, schedule_recipients.c.state == "active")
        connection.execute(again.values(state="waiting", consent_by="", consent_at=None))
    if before.mode == "period" and wanted.enabled and not before.enabled:
        # Periods that passed while it was paused are not delivered.
        floor = calendar.period_before(calendar.following(now)).start
        late = recipients_of(before.org_id, before.schedule_id) & (schedule_recipients.c.until < floor)
        connection.execute(update(schedule_recipients).where(late).values(until=floor))
    after = show(connection, scope, public_id)
    changes = differences(_description(before), _description(after))
    if changes:
        record_own_for(
            connection, scope, "audit_log.schedule_updated", _resource(after), now=now, caller=caller, changes=changes
        )
    return after


def remove(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Deletes a schedule with its history; its files stay exports until they expire, but their links end.

    Raises NotFound, Forbidden.
    """
    one = _lock_and_read(connection, scope, public_id)
    record_own_for(
        connection,
        scope,
        "audit_log.schedule_deleted",
        _resource(one),
        now=now,
        caller=caller,
        metadata=_description(one),
    )
    mine = (schedule_runs.c.org_id == one.org_id) & (schedule_runs.c.schedule_id == one.schedule_id)
    sent = select(schedule_runs.c.run_id).where(mine)
    links.end_recipient_links(connection, one.org_id, one.schedule_id, scope.principal.label, now)
    connection.execute(
        delete(schedule_deliveries).where(
            schedule_deliveries.c.org_id == one.org_id, schedule_deliveries.c.run_id.in_(sent)
        )
    )
    connection.execute(delete(schedule_runs).where(mine))
    connection.execute(delete(schedule_recipients).where(recipients_of(one.org_id, one.schedule_id)))
    connection.execute(delete(export_schedules).where(is_schedule(one.org_id, one.schedule_id)))


def consent(
    connection: Connection,
    scope: Scope,
    public_id: str,
    revision: str | None = None,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Schedule:
    """As an owner who saw the schedule at `revision`, approves the recipients outside the organization.

    Raises Forbidden (`person_required` for a key, `owner_only`), NotFound, Conflict (`schedule_changed`).
    """
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, public_id)
    require_person(scope, "/exports")
    require_ownership(scope)
    if revision is not None and revision != one.revision:
        raise Conflict(
            "Somebody changed this schedule after you opened the page. Look at it again before you approve it.",
            code="schedule_changed",
        )
    waiting = [who.address for who in one.recipients if who.state == "waiting"]
    if waiting:
        name = scope.principal.label[:254]
        mine = recipients_of(one.org_id, one.schedule_id) & (schedule_recipients.c.state == "waiting")
        agreed = update(schedule_recipients).where(mine)
        connection.execute(agreed.values(state="active", consent_by=name, consent_at=now))
        record_own_for(
            connection,
            scope,
            "audit_log.schedule_consented",
            _resource(one),
            now=now,
            caller=caller,
            metadata={"recipients": waiting},
        )
    return show(connection, scope, public_id)


def run_now(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Schedule:
    """Runs a schedule now. Raises Conflict (`schedule_running`, `no_recipients`, `schedule_stopped`), NotFound."""
    one = _lock_and_read(connection, scope, public_id)
    if one.stopped:
        raise Conflict(f"This schedule has ended: {one.stopped} Resume it first.", code="schedule_stopped")
    if runs.has_open(connection, one):
        raise Conflict("It is already running. Wait for the result.", code="schedule_running")
    if not any(may_receive(connection, one.org_id, who) for who in one.recipients):
        raise Conflict(
            "Its recipients are waiting for an owner's approval, so nobody can receive a file yet.",
            code="no_recipients",
        )
    record_own_for(connection, scope, "audit_log.schedule_started", _resource(one), now=now, caller=caller)
    runs.start(connection, one, now, asked=True)
    return show(connection, scope, public_id)


def settings_of(one: Schedule) -> ScheduleSettings:
    """The settings that would create the same schedule."""
    return ScheduleSettings(
        one.name,
        one.calendar.frequency,
        one.calendar.at,
        WEEKDAYS[one.calendar.weekday],
        one.calendar.day,
        one.calendar.zone_name,
        one.format,
        one.layout.columns,
        one.layout.dialect,
        one.filter,
        [who.address for who in one.recipients if who.address != OPERATOR_STORAGE and who.state != "unsubscribed"],
        one.mode,
        one.enabled,
        any(who.address == OPERATOR_STORAGE for who in one.recipients),
    )


def _validate(wanted: ScheduleSettings, now: int) -> tuple[Calendar, dict[str, Any]]:
    try:
        calendar = parse_calendar(wanted.frequency, wanted.at, wanted.weekday, wanted.day, wanted.zone)
    except BadCalendar as problem:
        raise invalid(problem.field, problem.detail) from None
    if wanted.format not in FORMATS:
        raise invalid("format", f"format must be one of {', '.join(FORMATS)}.")
    check_layout(wanted.format, wanted.columns, wanted.dialect, "bad_schedule")
    try:
        name = names.name(wanted.name)
    except BadRequest as problem:
        raise invalid("name", problem.detail) from None
    given = wanted.filter or {}
    if unknown := sorted(set(given) - set(FILTERS)):
        raise invalid(
            "filter",
            f"There is no filter {unknown[0][:60]!r} here: write {', '.join(FILTERS)}. The schedule sets the period.",
        )
    kept = {name: list(given[name]) for name in FILTERS if given.get(name)}
    query_from(kept | {"tz": [wanted.zone]}, now=now)
    text = _filter_text(kept)
    if len(text) > MAX_FILTER:
        raise invalid("filter", f"A filter can have at most {MAX_FILTER} characters.")
    values = {
        "name": name,
        "frequency": calendar.frequency,
        "at": calendar.at,
        "weekday": calendar.weekday,
        "day": calendar.day,
        "zone": calendar.zone_name,
        "format": wanted.format,
        "columns": wanted.columns,
        "dialect": wanted.dialect,
        "filter": text,
    }
    return calendar, values


def _filter_text(kept: Mapping[str, Sequence[str]]) -> str:
    return msgspec.json.encode(kept).decode()


def _set_recipients(
    connection: Connection, scope: Scope, before: Schedule, wanted: ScheduleSettings, calendar: Calendar, now: int
) -> None:
    addresses = check_recipients(scope, wanted.recipients, to_storage=wanted.to_storage)
    known = {one.address: one for one in before.recipients}
    mine = recipients_of(before.org_id, before.schedule_id)
    for address, one in known.items():
        # Unsubscribed addresses are kept, so that nobody adds them again by mistake.
        if address not in addresses and one.state != "unsubscribed":
            connection.execute(delete(schedule_recipients).where(mine, schedule_recipients.c.address == address))
            links.end_recipient_links(
                connection, before.org_id, before.schedule_id, scope.principal.label, now, only=[address]
            )
    until = max((one.until for one in before.recipients), default=None)
    if until is None:
        until = calendar.period_before(calendar.following(now)).start if before.mode == "period" else 0
    for address in addresses:
        if address not in known:
            row = new_row(connection, scope, before.schedule_id, address, until=until, now=now)
            connection.execute(insert(schedule_recipients).values(row))
        elif known[address].state == "unsubscribed":
            if address != scope.principal.email:
                raise invalid("recipients", f"{address} has unsubscribed and cannot be added again by someone else.")
            again = update(schedule_recipients).where(mine, schedule_recipients.c.address == address)
            connection.execute(again.values(state="active", until=until))


def _lock_and_read(connection: Connection, scope: Scope, public_id: str) -> Schedule:
    """Reads a schedule under the organization's lock, so that of two changes the later one sees the earlier.

    Raises Forbidden (`not_your_schedule`), NotFound.
    """
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, public_id)
    if one.by.id != scope.principal.id and "admin" not in scope.permissions:
        raise Forbidden("This schedule belongs to someone else. Ask an owner or admin.", code="not_your_schedule")
    return one


def _creator(scope: Scope) -> dict[str, str]:
    """The columns of the person or key whose view the files contain."""
    who = scope.principal
    return {
        "by_kind": who.kind,
        "by_id": who.id,
        "by_name": who.name[:254],
        "by_email": who.email,
        "by_role": scope.role,
    }


def _description(one: Schedule) -> dict[str, Any]:
    return {
        "name": one.name,
        "when": one.calendar.words,
        "mode": one.mode,
        "format": one.format,
        **({} if one.layout == STANDARD else {"columns": one.layout.columns, "dialect": one.layout.dialect}),
        "filter": {name: list(values) for name, values in one.filter.items()},
        "recipients": [who.address for who in one.recipients],
        "enabled": one.enabled,
    }


def _resource(one: Schedule) -> dict[str, str]:
    return resource("export_schedule", one.schedule_id, PREFIX, one.name)
