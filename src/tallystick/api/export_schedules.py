"""Scheduled exports and their runs: /v1/export-schedules."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, patch, post
from msgspec import UNSET, Struct, UnsetType
from sqlalchemy import Connection

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import (
    Count,
    CsvColumnsField,
    CsvDialectField,
    PrincipalReference,
    RequestBody,
    ResponseBody,
    ScheduleFilterInput,
    StoredFilter,
    Time,
    TimeOfDay,
    doc,
    given_fields,
)
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.query.scope import Permission, Scope
from tallystick.render.writers import FORMATS
from tallystick.schedules import changes
from tallystick.schedules import schedule as stored_schedules
from tallystick.schedules.changes import ScheduleSettings
from tallystick.schedules.schedule import MODES, OPERATOR_STORAGE, Recipient, Schedule, ScheduleRun, runs_of, show
from tallystick.work.calendar import FREQUENCIES, WEEKDAYS

PATH = "/v1/export-schedules"
# The domain's state of a run → the API's status.
RUN_STATUS = {"making": "running", "sending": "running", "partly": "partly_delivered"}
RECIPIENT_STATUS = {"waiting": "waiting_for_consent"}
# The body's name of a field → the domain's.
FIELD_NAMES = {"timezone": "zone", "to_directory": "to_storage"}
_operation = partial(operation, "Exports", "exports", serves_filtered=True)
_OTHERS: dict[Permission, str] = {"admin": "do this with the schedule of somebody else"}
_STORAGE: dict[Permission, str] = {"admin": "use `to_directory`"}
_CHANGE: dict[Permission, str] = {"admin": "change the schedule of somebody else, and use `to_directory`"}

Name = Annotated[str, doc("Name, at most 100 characters; part of the subject of its mail.")]
Frequency = Annotated[str, doc("How often it runs.", enum=list(FREQUENCIES))]
Recipients = Annotated[
    list[str], doc("E-mail addresses. Those outside the organization get nothing until an owner consents.", maxItems=20)
]
Format = Annotated[str, doc("Format of the file.", enum=list(FORMATS))]
At = Annotated[
    TimeOfDay,
    doc(
        "Local time, `HH:MM`. A time that a clock change skips runs when the clocks go on; one that occurs "
        "twice runs once."
    ),
]
Weekday = Annotated[str | int | None, doc(f"Day of a weekly schedule: {', '.join(WEEKDAYS)}, or 0 (Monday) to 6.")]
Day = Annotated[int | None, doc("Day of a monthly schedule; the last day in shorter months.", minimum=1, maximum=31)]
Timezone = Annotated[str, doc("Time zone by IANA name, such as `Europe/Berlin`.")]
Mode = Annotated[
    str,
    doc(
        "`new`: events recorded since the last file, each event once. `period`: the previous day, week or "
        "month. It cannot be changed.",
        enum=list(MODES),
    ),
]
Enabled = Annotated[bool, doc("Whether it runs by its calendar.")]
ToDirectory = Annotated[bool, doc("Also put the file into the operator's directory or bucket (TALLYSTICK_EXPORT_DIR).")]


class ExportScheduleInput(RequestBody):
    """A scheduled export as sent."""

    frequency: Frequency
    recipients: Recipients | UnsetType = UNSET
    name: Name = ""
    format: Format = "csv"
    columns: CsvColumnsField = "default"
    dialect: CsvDialectField = "standard"
    at: At = "07:00"
    weekday: Weekday = None
    day: Day = None
    timezone: Timezone = "UTC"
    filter: ScheduleFilterInput | UnsetType = UNSET
    mode: Mode = "new"
    enabled: Enabled = True
    to_directory: ToDirectory = False
    past: Annotated[bool, doc("With mode `new`: the first file also holds earlier events.")] = True

    def schedule(self) -> ScheduleSettings:
        """The schedule to create, with a default name."""
        values = {"recipients": [], "filter": {}} | _domain_fields(self)
        values["name"] = self.name or f"{self.frequency} export".capitalize()[:100]
        return ScheduleSettings(**values)


class ExportScheduleChange(RequestBody):
    """Changes to a scheduled export. Fields that are left out keep their value."""

    name: Name | UnsetType = UNSET
    frequency: Frequency | UnsetType = UNSET
    recipients: Recipients | UnsetType = UNSET
    format: Format | UnsetType = UNSET
    columns: CsvColumnsField | UnsetType = UNSET
    dialect: CsvDialectField | UnsetType = UNSET
    at: At | UnsetType = UNSET
    weekday: Weekday | UnsetType = UNSET
    day: Day | UnsetType = UNSET
    timezone: Timezone | UnsetType = UNSET
    filter: ScheduleFilterInput | UnsetType = UNSET
    mode: Mode | UnsetType = UNSET
    enabled: Enabled | UnsetType = UNSET
    to_directory: ToDirectory | UnsetType = UNSET


class ScheduleRunResponse(ResponseBody):
    """One run of a scheduled export."""

    id: Annotated[str, doc("`run_` and 26 characters.")]
    status: Annotated[str, doc("Status.", enum=["running", "delivered", "partly_delivered", "failed"])]
    asked: Annotated[bool, doc("Somebody started the run; otherwise the calendar did.")]
    export: Annotated[str | None, doc("Id of the export that it made.")]
    rows: Count | None
    error: str | None
    started_at: Time
    finished_at: Time | None

    @classmethod
    def of(cls, run: ScheduleRun) -> "ScheduleRunResponse":
        return cls(
            id=run.public_id,
            status=RUN_STATUS.get(run.state, run.state),
            asked=run.asked,
            export=run.export_public_id,
            rows=run.rows,
            error=run.error or None,
            started_at=rfc3339(run.made_at),
            finished_at=optional_rfc3339(run.finished_at),
        )


class ScheduleRunsResponse(ResponseBody):
    """Runs of a scheduled export, newest first."""

    data: list[ScheduleRunResponse]


class RecipientState(ResponseBody):
    """A recipient of a scheduled export."""

    address: Annotated[str, doc("E-mail address.")]
    status: Annotated[
        str, doc("Whether files are sent to the address.", enum=["active", "waiting_for_consent", "unsubscribed"])
    ]

    @classmethod
    def of(cls, recipient: Recipient) -> "RecipientState":
        return cls(recipient.address, RECIPIENT_STATUS.get(recipient.state, recipient.state))


class ScheduleResponse(ResponseBody):
    """A scheduled export."""

    id: Annotated[str, doc("`sch_` and 26 characters.")]
    name: Name
    frequency: Frequency
    at: TimeOfDay
    weekday: Annotated[str | None, doc("Day of a weekly schedule.", enum=[*WEEKDAYS, None])]
    day: Annotated[int | None, doc("Day of a monthly schedule.")]
    timezone: Timezone
    format: Format
    columns: CsvColumnsField
    dialect: CsvDialectField
    filter: StoredFilter
    mode: Mode
    recipients: Annotated[list[str], doc("Addresses that have not unsubscribed.")]
    recipient_states: list[RecipientState]
    to_directory: ToDirectory
    enabled: Enabled
    stopped: Annotated[str | None, doc("Why the schedule ended by itself.")]
    next_run_at: Time | None
    last_run: ScheduleRunResponse | None
    created_by: PrincipalReference
    created_at: Time

    @classmethod
    def of(cls, schedule: Schedule) -> "ScheduleResponse":
        calendar = schedule.calendar
        people = [recipient for recipient in schedule.recipients if recipient.address != OPERATOR_STORAGE]
        return cls(
            id=schedule.public_id,
            name=schedule.name,
            frequency=calendar.frequency,
            at=calendar.at,
            weekday=WEEKDAYS[calendar.weekday] if calendar.frequency == "weekly" else None,
            day=calendar.day if calendar.frequency == "monthly" else None,
            timezone=calendar.zone_name,
            format=schedule.format,
            columns=schedule.layout.columns,
            dialect=schedule.layout.dialect,
            filter={name: list(values) for name, values in schedule.filter.items()},
            mode=schedule.mode,
            recipients=[recipient.address for recipient in people if recipient.state != "unsubscribed"],
            recipient_states=[RecipientState.of(recipient) for recipient in people],
            to_directory=len(people) < len(schedule.recipients),
            enabled=schedule.enabled,
            stopped=schedule.stopped or None,
            next_run_at=optional_rfc3339(schedule.next_at),
            last_run=None if schedule.last_run is None else ScheduleRunResponse.of(schedule.last_run),
            created_by=PrincipalReference.of(schedule.by),
            created_at=rfc3339(schedule.made_at),
        )


class SchedulesResponse(ResponseBody):
    """Scheduled exports, newest first."""

    data: list[ScheduleResponse]


@post(PATH, opt=_operation(body=ExportScheduleInput, optional=_STORAGE, problems=(409,)))
async def make_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleResponse]:
    """Schedule an export.

    Sends a file each day, week or month: as an attachment if the mail server accepts it, otherwise as a link that
    expires. The file holds what the creator of the schedule may see.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ExportScheduleInput, "schedule", "bad_schedule")
    schedule = await authorized.write(changes.create, body.schedule(), **authorized.context)
    return answer(ScheduleResponse.of(schedule))


@get(PATH, opt=_operation())
async def list_schedules(request: Request[Any, Any, Any], services: ApiServices) -> Response[SchedulesResponse]:
    """List scheduled exports.

    Newest first.
    """
    authorized = await authorize(request, services)
    schedules = await authorized.read(stored_schedules.list_schedules)
    return answer(SchedulesResponse([ScheduleResponse.of(one) for one in schedules]))


@get(PATH + "/{id:str}", opt=_operation())
async def show_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleResponse]:
    """Get a scheduled export.

    With its next and its last run.
    """
    authorized = await authorize(request, services)
    return answer(ScheduleResponse.of(await authorized.read(show, authorized.id)))


@get(PATH + "/{id:str}/runs", opt=_operation())
async def list_schedule_runs(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleRunsResponse]:
    """List the runs of a scheduled export.

    The last hundred, newest first.
    """
    authorized = await authorize(request, services)
    runs = await authorized.read(_runs, authorized.id)
    return answer(ScheduleRunsResponse([ScheduleRunResponse.of(run) for run in runs]))


@patch(PATH + "/{id:str}", opt=_operation(body=ExportScheduleChange, optional=_CHANGE, problems=(409,)))
async def change_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleResponse]:
    """Change a scheduled export.

    Fields that are left out keep their value. `enabled` pauses and resumes it. Whoever resumes a schedule that ended
    by itself becomes its owner: from then on it holds what they may see.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ExportScheduleChange, "schedule", "bad_schedule")
    schedule = await authorized.write(changes.change, authorized.id, _domain_fields(body), **authorized.context)
    return answer(ScheduleResponse.of(schedule))


@delete(PATH + "/{id:str}", opt=_operation(optional=_OTHERS))
async def delete_schedule(request: Request[Any, Any, Any], services: ApiServices) -> None:
    """Delete a scheduled export.

    Files that it made are kept as other exports are.
    """
    authorized = await authorize(request, services)
    await authorized.write(changes.remove, authorized.id, **authorized.context)


@post(PATH + "/{id:str}/run", status_code=202, opt=_operation(optional=_OTHERS, problems=(409,)))
async def run_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleResponse]:
    """Run a scheduled export now.

    Sends what is new, or the last period again. The calendar does not change.
    """
    authorized = await authorize(request, services)
    schedule = await authorized.write(changes.run_now, authorized.id, **authorized.context)
    services.exporter.wake()
    return answer(ScheduleResponse.of(schedule))


@post(PATH + "/{id:str}/consent", status_code=200, opt=_operation())
async def consent_to_schedule(request: Request[Any, Any, Any], services: ApiServices) -> Response[ScheduleResponse]:
    """Consent to recipients outside the organization.

    Only owners consent, on the page Exports: the answer to a key is 403 `person_required`.
    """
    authorized = await authorize(request, services)
    schedule = await authorized.write(changes.consent, authorized.id, **authorized.context)
    return answer(ScheduleResponse.of(schedule))


def _runs(connection: Connection, scope: Scope, public_id: str) -> list[ScheduleRun]:
    return runs_of(connection, show(connection, scope, public_id), limit=100)


def _domain_fields(body: Struct) -> dict[str, Any]:
    """The fields of a body in the names and types of a schedule, without those that are null."""
    values = {FIELD_NAMES.get(name, name): value for name, value in given_fields(body).items() if value is not None}
    if "filter" in values:
        values["filter"] = {
            name: [value] if isinstance(value, str) else value for name, value in values["filter"].items()
        }
    if "weekday" in values:
        day = values["weekday"]
        values["weekday"] = WEEKDAYS[day] if isinstance(day, int) and 0 <= day <= 6 else str(day).lower()
    return values
