"""Scheduled exports: made, looked at, changed, consented to, run, deleted: /v1/export-schedules."""

from typing import Any

import msgspec
from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, UnsetType
from sqlalchemy import Connection

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.query.scope import Scope
from tallystick.schedules import changes
from tallystick.schedules.changes import ScheduleSettings
from tallystick.schedules.schedule import OPERATOR_STORAGE, Schedule, ScheduleRun, list_schedules, runs_of, show
from tallystick.work.calendar import WEEKDAYS

PATH = "/v1/export-schedules"
STATUS = {"making": "running", "sending": "running", "partly": "partly_delivered"}
Filter = dict[str, str | list[str]]


class ScheduleInput(msgspec.Struct, forbid_unknown_fields=True):
    """A schedule as it is asked for; `weekday` is a name, or 0 for Monday and so on."""

    frequency: str
    recipients: list[str] = []
    name: str = ""
    format: str = "csv"
    at: str = "07:00"
    weekday: str | int | None = None
    day: int | None = None
    timezone: str = "UTC"
    filter: Filter = {}
    mode: str = "new"
    enabled: bool = True
    to_directory: bool = False
    past: bool = True


class ScheduleChange(msgspec.Struct, forbid_unknown_fields=True):
    """What is to change; what is left out stays."""

    name: str | UnsetType = UNSET
    frequency: str | UnsetType = UNSET
    recipients: list[str] | UnsetType = UNSET
    format: str | UnsetType = UNSET
    at: str | UnsetType = UNSET
    weekday: str | int | UnsetType | None = UNSET
    day: int | UnsetType | None = UNSET
    timezone: str | UnsetType = UNSET
    filter: Filter | UnsetType = UNSET
    mode: str | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    to_directory: bool | UnsetType = UNSET


# As a request names it → as a schedule does.
NAMES = {"timezone": "zone", "to_directory": "to_place"}


@post(PATH, name="api.make_schedule")
async def make_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Makes one."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(ScheduleInput, "schedule", "bad_schedule")
    given = _given(wanted)
    given["name"] = given.get("name") or f"{wanted.frequency} export".capitalize()[:100]
    return answer(
        shown(await authorized.write(changes.create, ScheduleSettings(**given), **authorized.context)), status=201
    )


@get(PATH, name="api.list_schedules")
async def list_all_schedules(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, newest first."""
    authorized = await authorize(request, services, "exports")
    found = await authorized.read(list_schedules)
    return answer({"data": [shown(one) for one in found]})


@get(PATH + "/{id:str}", name="api.show_schedule")
async def show_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One of them."""
    authorized = await authorize(request, services, "exports")
    return answer(shown(await authorized.read(show, authorized.id)))


@get(PATH + "/{id:str}/runs", name="api.list_schedule_runs")
async def list_schedule_runs(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """How its last runs fared, newest first."""
    authorized = await authorize(request, services, "exports")
    found = await authorized.read(_runs, authorized.id)
    return answer({"data": [run_shown(one) for one in found]})


@patch(PATH + "/{id:str}", name="api.change_schedule", status_code=200)
async def change_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Changes what is given."""
    authorized = await authorize(request, services, "exports")
    given = _given(await authorized.body(ScheduleChange, "schedule", "bad_schedule"))
    return answer(shown(await authorized.write(changes.change, authorized.id, given, **authorized.context)))


@delete(PATH + "/{id:str}", name="api.delete_schedule", status_code=204)
async def delete_schedule(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Deletes it; what it sent stays sent."""
    authorized = await authorize(request, services, "exports")
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(PATH + "/{id:str}/run", name="api.run_schedule", status_code=202)
async def run_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Runs it now, beside its calendar."""
    authorized = await authorize(request, services, "exports")
    one = await authorized.write(changes.run_now, authorized.id, **authorized.context)
    services.exporter.wake()
    return answer(shown(one), status=202)


@post(PATH + "/{id:str}/consent", name="api.consent_to_schedule", status_code=200)
async def consent_to_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets it go to recipients outside the organization. For owners."""
    authorized = await authorize(request, services, "exports")
    return answer(shown(await authorized.write(changes.consent, authorized.id, **authorized.context)))


def shown(one: Schedule) -> dict[str, object]:
    """A schedule as the API answers it."""
    calendar = one.calendar
    return {
        "id": one.shown_id,
        "name": one.name,
        "frequency": calendar.frequency,
        "at": calendar.at,
        "weekday": WEEKDAYS[calendar.weekday] if calendar.frequency == "weekly" else None,
        "day": calendar.day if calendar.frequency == "monthly" else None,
        "timezone": calendar.zone_name,
        "format": one.format,
        "filter": {name: list(values) for name, values in one.filter.items()},
        "mode": one.mode,
        "recipients": [
            who.address for who in one.recipients if who.address != OPERATOR_STORAGE and who.state != "unsubscribed"
        ],
        "recipient_states": [
            {"address": who.address, "status": "waiting_for_consent" if who.state == "waiting" else who.state}
            for who in one.recipients
            if who.address != OPERATOR_STORAGE
        ],
        "to_directory": any(who.address == OPERATOR_STORAGE for who in one.recipients),
        "enabled": one.enabled,
        "stopped": one.stopped or None,
        "next_run_at": None if one.next_at is None else rfc3339(one.next_at),
        "last_run": None if one.last_run is None else run_shown(one.last_run),
        "created_by": {"type": one.by.kind, "id": one.by.id, "name": one.by.name},
        "created_at": rfc3339(one.made_at),
    }


def run_shown(run: ScheduleRun) -> dict[str, object]:
    """One run as the API answers it."""
    return {
        "id": run.shown_id,
        "status": STATUS.get(run.state, run.state),
        "asked": run.asked,
        "export": run.shown_export,
        "rows": run.rows,
        "error": run.error or None,
        "started_at": rfc3339(run.made_at),
        "finished_at": None if run.finished_at is None else rfc3339(run.finished_at),
    }


def _runs(connection: Connection, scope: Scope, shown_id: str) -> list[ScheduleRun]:
    return runs_of(connection, show(connection, scope, shown_id), limit=100)


def _given(wanted: ScheduleInput | ScheduleChange) -> dict[str, Any]:
    """What is said, in the names of a schedule."""
    said = {name: getattr(wanted, name) for name in wanted.__struct_fields__}
    given = {NAMES.get(name, name): value for name, value in said.items() if value is not UNSET and value is not None}
    if "filter" in given:
        given["filter"] = {
            name: [value] if isinstance(value, str) else value for name, value in given["filter"].items()
        }
    if "weekday" in given:
        day = given["weekday"]
        given["weekday"] = WEEKDAYS[day] if isinstance(day, int) and 0 <= day <= 6 else str(day).lower()
    return given
