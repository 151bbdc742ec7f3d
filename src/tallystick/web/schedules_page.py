"""Scheduled exports on the Exports page: the list, the form, and actions."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import tzinfo
from typing import Any
from urllib.parse import parse_qsl
from zoneinfo import available_timezones

from litestar import Response, get, post

from tallystick.access.csrf import form_token
from tallystick.clock import now_us, second_words
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, Forbidden
from tallystick.exports.request import KINDS
from tallystick.exports.words import describe_filter
from tallystick.query.scope import Scope
from tallystick.render.writers import FORMATS
from tallystick.schedules import changes
from tallystick.schedules.changes import FILTERS, ScheduleSettings
from tallystick.schedules.recipients import MAX_RECIPIENTS
from tallystick.schedules.schedule import OPERATOR_STORAGE, Schedule, list_schedules, show
from tallystick.settings import Settings
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    ExporterDep,
    FrameDep,
    SessionTokenDep,
    SettingsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.filters import Filters, read_filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.work.calendar import FREQUENCIES, WEEKDAYS

EXPORTS = "/exports"
PATH = f"{EXPORTS}/schedules"
RESULT_LABELS = {
    "making": ("In progress", "busy"),
    "sending": ("Being sent", "busy"),
    "delivered": ("Delivered", "good"),
    "partly": ("Partly delivered", "bad"),
    "failed": ("Not delivered", "bad"),
}
FIELDS = (
    "name", "frequency", "at", "weekday", "day", "zone", "format", "mode", "past", "recipients", "query", "to_storage",
    "columns", "dialect",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A scheduled export of the list. `tone` is the CSS class of its last result."""

    schedule: Schedule
    words: str
    format: str
    mode: str
    to: tuple[str, ...]
    waiting: tuple[str, ...]
    unsubscribed: tuple[str, ...]
    next_run: str
    result: str
    tone: str
    last_run: str
    is_running: bool
    may_change: bool


@get(f"{PATH}/new", name="web.schedules.new", opt=EVERY_ROLE)
async def show_form(
    request: WebRequest,
    user_scope: UserScopeDep,
    frame: FrameDep,
    session_token: SessionTokenDep,
    settings: SettingsDep,
) -> Response[str]:
    """The form, filled with the filters of the list that linked here."""
    filters = filters_of(request)
    typed = {
        "name": "", "frequency": "daily", "at": "07:00", "weekday": "monday", "day": "1",
        "zone": filters.tz or frame.zone or "UTC", "format": "csv", "mode": "new", "past": "on",
        "recipients": user_scope.principal.email, "query": filters.href("")[1:], "to_storage": "",
        "columns": "default", "dialect": "standard",
    }  # fmt: skip
    return _form(frame, user_scope, settings, session_token, typed, "")


@get(PATH + "/{schedule_id:str}", name="web.schedules.edit", opt=EVERY_ROLE)
async def show_edit(
    schedule_id: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    session_token: SessionTokenDep,
    settings: SettingsDep,
) -> Response[str]:
    """The form of an existing schedule."""
    schedule = await database.run(_find_schedule, database, user_scope, schedule_id)
    saved = changes.settings_of(schedule)
    typed = {
        "name": saved.name,
        "frequency": saved.frequency,
        "at": saved.at,
        "weekday": saved.weekday,
        "day": str(saved.day),
        "zone": saved.zone,
        "format": saved.format,
        "columns": saved.columns,
        "dialect": saved.dialect,
        "mode": saved.mode,
        "recipients": "\n".join(saved.recipients),
        "query": "",
        "to_storage": "on" if saved.to_storage else "",
    }
    return _form(frame, user_scope, settings, session_token, typed, "", schedule=schedule)


@post(PATH, name="web.schedules.make", status_code=303, opt=EVERY_ROLE)
async def make_schedule(
    form_request: FormRequestDep, frame: FrameDep, session_token: SessionTokenDep, settings: SettingsDep
) -> Response[str]:
    """Creates a schedule from the form."""
    typed = form_request.texts(*FIELDS)
    filter_values = _filter_of(read_filters(parse_qsl(typed["query"])))
    try:
        new_settings = ScheduleSettings(
            **_settings_from(typed), filter=filter_values, mode=typed["mode"], past=bool(typed["past"])
        )
        schedule = await form_request.write(changes.create, new_settings, **form_request.context)
    except (BadRequest, Conflict, Forbidden) as problem:
        return _form(frame, form_request.scope, settings, session_token, typed, problem.detail, status=problem.status)
    return redirect(f"{EXPORTS}#{schedule.public_id}")


@post(PATH + "/{schedule_id:str}", name="web.schedules.change", status_code=303, opt=EVERY_ROLE)
async def change_schedule(
    schedule_id: str,
    form_request: FormRequestDep,
    frame: FrameDep,
    session_token: SessionTokenDep,
    exporter: ExporterDep,
    settings: SettingsDep,
) -> Response[str]:
    """Runs, pauses, resumes, approves, deletes or changes a schedule; `act` says which."""
    typed = form_request.texts(*FIELDS)
    context = form_request.context
    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "run": lambda: form_request.write(changes.run_now, schedule_id, **context),
        "pause": lambda: form_request.write(changes.change, schedule_id, {"enabled": False}, **context),
        "resume": lambda: form_request.write(changes.change, schedule_id, {"enabled": True}, **context),
        "consent": lambda: form_request.write(changes.consent, schedule_id, form_request.text("revision"), **context),
        "delete": lambda: form_request.write(changes.remove, schedule_id, **context),
        "change": lambda: form_request.write(changes.change, schedule_id, _settings_from(typed), **context),
    }
    name = form_request.text("act")
    if name not in acts:
        raise BadRequest(
            f"A schedule takes one of the acts {', '.join(acts)}.", code="bad_parameter", parameter="act"
        )  # fmt: skip
    try:
        await acts[name]()
    except (BadRequest, Conflict, Forbidden) as problem:
        if name != "change":
            raise
        schedule = await form_request.database.run(
            _find_schedule, form_request.database, form_request.scope, schedule_id
        )
        return _form(
            frame,
            form_request.scope,
            settings,
            session_token,
            typed,
            problem.detail,
            status=problem.status,
            schedule=schedule,
        )
    exporter.wake()
    return redirect(EXPORTS if name == "delete" else f"{EXPORTS}#{schedule_id}")


async def schedule_rows(database: Database, scope: Scope, zone: tzinfo) -> list[ScheduleRow]:
    """The scheduled exports that the person may see."""

    def load() -> list[Schedule]:
        with database.read() as connection:
            return list_schedules(connection, scope)

    return [_schedule_row(one, scope, zone) for one in await database.run(load)]


def _schedule_row(schedule: Schedule, scope: Scope, zone: tzinfo) -> ScheduleRow:
    last = schedule.last_run
    result, tone = RESULT_LABELS[last.state] if last else ("Not run yet", "gone")
    if schedule.stopped:
        result, tone = "Ended", "bad"
    next_run = "" if schedule.next_at is None else second_words(schedule.next_at, schedule.calendar.zone)
    return ScheduleRow(
        schedule=schedule,
        words=describe_filter(schedule.filter),
        format=KINDS[schedule.format].words,
        mode="new events since the last file" if schedule.mode == "new" else f"the previous {_period_noun(schedule)}",
        to=tuple(who.address for who in schedule.recipients if who.state == "active"),
        waiting=tuple(who.address for who in schedule.recipients if who.state == "waiting"),
        unsubscribed=tuple(who.address for who in schedule.recipients if who.state == "unsubscribed"),
        next_run=next_run,
        result=result,
        tone=tone,
        last_run="" if last is None else second_words(last.finished_at or last.made_at, zone),
        is_running=last is not None and last.is_open,
        may_change=schedule.by.id == scope.principal.id or "admin" in scope.permissions,
    )


def _period_noun(schedule: Schedule) -> str:
    return {"daily": "day", "weekly": "week", "monthly": "month"}[schedule.calendar.frequency]


def _form(
    frame: PageFrame,
    scope: Scope,
    settings: Settings,
    token: str,
    typed: dict[str, str],
    problem: str,
    *,
    status: int = 200,
    schedule: Schedule | None = None,
) -> Response[str]:
    filter_values = schedule.filter if schedule else _filter_of(read_filters(parse_qsl(typed["query"])))
    return html(
        "schedule_form.html",
        status=status,
        frame=frame.at("exports"),
        form_token=form_token(token),
        typed=typed,
        problem=problem,
        one=schedule,
        filter_words=describe_filter(filter_values),
        zones=sorted(available_timezones()),
        formats=[(name, KINDS[name].words) for name in FORMATS],
        frequencies=FREQUENCIES,
        weekdays=WEEKDAYS,
        most=MAX_RECIPIENTS,
        role=scope.role,
        has_mail=settings.smtp_url is not None,
        storage=OPERATOR_STORAGE if settings.export_dir is not None and "admin" in scope.permissions else "",
    )


def _settings_from(typed: dict[str, str]) -> dict[str, Any]:
    """The settings in the form, except filter and mode, which cannot change."""
    return {
        "name": typed["name"] or f"{typed['frequency']} export".capitalize(),
        "frequency": typed["frequency"],
        "at": typed["at"][:5],
        "weekday": typed["weekday"],
        "day": int(typed["day"]) if typed["day"].isdecimal() and len(typed["day"]) < 3 else 0,
        "zone": typed["zone"],
        "format": typed["format"],
        # The form sends its choices for CSV with every format.
        "columns": (typed["columns"] if typed["format"] == "csv" else "") or "default",
        "dialect": (typed["dialect"] if typed["format"] == "csv" else "") or "standard",
        "recipients": typed["recipients"].replace(",", " ").replace(";", " ").split(),
        "to_storage": bool(typed["to_storage"]),
    }


def _filter_of(filters: Filters) -> dict[str, list[str]]:
    """The filters of a list without its period, which the schedule decides."""
    parameters = filters.parameters(now_us())
    return {name: list(parameters[name]) for name in FILTERS if parameters.get(name)}


def _find_schedule(database: Database, scope: Scope, schedule_id: str) -> Schedule:
    with database.read() as connection:
        return show(connection, scope, schedule_id)
