"""The Compliance page: reports, reviews, and the weekly reminder."""

import time
from dataclasses import dataclass, field
from datetime import timedelta, tzinfo
from functools import partial
from typing import Any
from urllib.parse import parse_qsl

import anyio
from litestar import Response, get, post

from tallystick.access.members import Member
from tallystick.clock import from_us, now_us, second_words, zone_of
from tallystick.compliance import reminder, reports, review_changes
from tallystick.compliance.framework import Frameworks
from tallystick.compliance.reminder import WEEKDAYS, PendingReviews, Reminder
from tallystick.compliance.reports import ReportRequest
from tallystick.compliance.review import Review, list_reviews
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.exports.request import Export
from tallystick.exports.words import describe_filter
from tallystick.query.scope import Scope
from tallystick.saved.saved_views import SavedView, list_views
from tallystick.settings import Settings
from tallystick.web.dependencies import (
    DatabaseDep,
    ExporterDep,
    FrameDep,
    Injected,
    SettingsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.exports_page import REMOVAL_LABELS, STATE_LABELS
from tallystick.web.filters import parse_filters
from tallystick.web.form_request import FormRequest, FormRequestDep
from tallystick.web.page_access import ADMINS, WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect

PATH = "/compliance"
REPORTS_SHOWN, REVIEWS_SHOWN = 10, 30
DAYS = 30  # default period of a report or review
WAIT_SECONDS, POLL_SECONDS = 2.0, 0.1
REPORT, REVIEW, REMIND = "report", "review", "remind"
FIELDS = ("framework", "start", "end", "tz", "view", "q", "about", "corrects", "weekday", "at")


@dataclass(frozen=True, slots=True)
class ComplianceRow:
    """A report or review of a list. `subject` is the framework of a report, or the filter of a review."""

    item: Any
    period: str
    subject: str
    state: str
    tone: str


@dataclass(slots=True)
class ComplianceContent:
    """The data of the Compliance page."""

    frameworks: Frameworks
    reports: list[Export]
    reviews: list[Review]
    due: PendingReviews
    reminder: Reminder | None
    people: list[Member]
    views: list[SavedView]
    problems: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class CompliancePage:
    """Renders the Compliance page, also after an invalid form."""

    scope: Scope
    frame: PageFrame
    database: Database
    settings: Settings

    async def show(self, typed: dict[str, str], problems: dict[str, str], *, status: int = 200) -> Response[str]:
        """The rendered page; `typed` fills the forms, `problems` holds the error of each form."""
        loaded = await self.database.run(_load, self.database, self.scope, self.settings)
        return _page(self, loaded, typed, problems, status)


CompliancePageDep = Injected[CompliancePage]


async def provide_compliance_page(
    user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep, settings: SettingsDep
) -> CompliancePage:
    """The Compliance page of this request."""
    return CompliancePage(user_scope, frame, database, settings)


@get(PATH, name="web.compliance", opt=WHOLE_TRAIL)
async def show_compliance(request: WebRequest, compliance_page: CompliancePageDep) -> Response[str]:
    """The Compliance page; query parameters fill its forms."""
    typed = {name: request.query_params[name] for name in FIELDS if name in request.query_params}
    return await compliance_page.show(typed, {})


@post(PATH + "/reports", name="web.compliance.ask", status_code=303, opt=WHOLE_TRAIL)
async def request_report(
    form_request: FormRequestDep, compliance_page: CompliancePageDep, exporter: ExporterDep, settings: SettingsDep
) -> Response[str]:
    """Requests a report, and waits briefly for it to finish."""
    typed = _form_fields(form_request)
    request = ReportRequest(*(typed.get(name, "") for name in ("framework", "start", "end", "tz")))
    try:
        await form_request.read(exporter.check_space)
        report = await form_request.write(
            reports.request_report, request, settings.compliance_dir, **form_request.context
        )
    except (BadRequest, Conflict, NotFound) as problem:
        return await compliance_page.show(typed, {REPORT: problem.detail}, status=problem.status)
    exporter.wake()
    await _wait_for_report(form_request.scope, form_request.database, report.public_id)
    return redirect(f"{PATH}/reports/{report.public_id}")


@post(PATH + "/reviews", name="web.compliance.review", status_code=303, opt=WHOLE_TRAIL)
async def start_review(form_request: FormRequestDep, compliance_page: CompliancePageDep) -> Response[str]:
    """Opens a review of a period and a search or saved view."""
    typed = _form_fields(form_request)

    def draft() -> Review:
        now = now_us()
        period = {name: [typed.get(name, "")] for name in ("start", "end")} | {"tz": [typed.get("tz", "") or "UTC"]}
        parameters = _filter_of_view(form_request.database, form_request.scope, typed, now) | period
        return review_changes.draft_review(form_request.scope, parameters, about=typed.get("about", ""), now=now)

    try:
        draft_review = await form_request.database.run(draft)
        review = await form_request.write(
            review_changes.open_review, draft_review, corrects=typed.get("corrects", ""), **form_request.context
        )
    except (BadRequest, Conflict, NotFound) as problem:
        return await compliance_page.show(typed, {REVIEW: problem.detail}, status=problem.status)
    return redirect(f"{PATH}/reviews/{review.public_id}")


@post(PATH + "/reminder", name="web.compliance.remind", status_code=303, opt=ADMINS)
async def change_reminder(form_request: FormRequestDep, compliance_page: CompliancePageDep) -> Response[str]:
    """Sets or removes the weekly reminder."""
    typed = _form_fields(form_request)
    recipients = form_request.all("recipient")
    try:
        if form_request.text("act") == "remove":
            await form_request.write(reminder.remove_reminder, **form_request.context)
        else:
            weekday = typed.get("weekday", "")
            day = int(weekday) if weekday in "0123456" and weekday else -1
            await form_request.write(
                reminder.set_reminder,
                day,
                typed.get("at", ""),
                typed.get("tz", "") or "UTC",
                recipients,
                **form_request.context,
            )
    except BadRequest as problem:
        return await compliance_page.show(typed, {REMIND: problem.detail}, status=problem.status)
    return redirect(f"{PATH}#reminder")


def _page(
    page: CompliancePage, loaded: ComplianceContent, typed: dict[str, str], problems: dict[str, str], status: int
) -> Response[str]:
    zone_name = typed.get("tz") or page.frame.zone
    zone, now = _zone(zone_name), now_us()
    today = from_us(now).astimezone(zone).date()
    return html(
        "compliance.html",
        status=status,
        frame=page.frame.at("compliance"),
        loaded=loaded,
        reports=[_report_row(one) for one in loaded.reports],
        reviews=[review_row(one, zone, now) for one in loaded.reviews],
        typed={**dict.fromkeys(FIELDS, ""), "start": f"{today - timedelta(days=DAYS - 1)}", "end": f"{today}", **typed},
        problems=problems,
        weekdays=WEEKDAYS,
        zone_name=zone_name,
        may_admin="admin" in page.scope.permissions,
        mails=page.settings.smtp_url is not None,
        at=lambda moment: second_words(moment, zone),
    )


def _load(database: Database, scope: Scope, settings: Settings) -> ComplianceContent:
    with database.read() as connection:
        return ComplianceContent(
            reports.list_frameworks(connection, scope, settings.compliance_dir),
            reports.list_reports(connection, scope, limit=REPORTS_SHOWN),
            list_reviews(connection, scope, limit=REVIEWS_SHOWN),
            reminder.pending_reviews(connection, scope, now=now_us()),
            reminder.read_reminder(connection, scope),
            reminder.list_eligible_recipients(connection, scope),
            list_views(connection, scope),
        )


async def _wait_for_report(scope: Scope, database: Database, public_id: str) -> None:
    """Waits up to WAIT_SECONDS for a report, so that small ones are shown without a progress page."""
    ends = time.monotonic() + WAIT_SECONDS
    while time.monotonic() < ends:
        await anyio.sleep(POLL_SECONDS)
        if not (await database.run(partial(find_report, database, scope, public_id))).is_open:
            return


def find_report(database: Database, scope: Scope, public_id: str) -> Export:
    """The report with this id. Raises NotFound (`no_report`)."""
    with database.read() as connection:
        return reports.read_report(connection, scope, public_id)


def review_row(review: Review, zone: tzinfo, now: int) -> ComplianceRow:
    """The row of a review; times in `zone`."""
    late = review.is_overdue(now)
    state = {"open": "Overdue" if late else "Open", "signed": "Signed", "withdrawn": "Withdrawn"}[review.state]
    tone = {"open": "bad" if late else "busy", "signed": "good", "withdrawn": "gone"}[review.state]
    return ComplianceRow(
        review, period_words(review.start, review.end, zone), describe_filter(review.filter), state, tone
    )


def _report_row(report: Export) -> ComplianceRow:
    request = reports.request_of(report)
    state, tone = (
        STATE_LABELS.get(report.state, "Ready"),
        {"failed": "bad", "cancelled": "gone"}.get(report.state, "busy"),
    )
    if report.state == "completed":
        state, tone = (
            (REMOVAL_LABELS.get(report.gone, "No longer available"), "gone") if report.gone else ("Ready", "good")
        )
    period = f"{request.start} to {request.end} ({request.tz})"
    return ComplianceRow(report, period, f"{request.framework}", state, tone)


def _filter_of_view(database: Database, scope: Scope, typed: dict[str, str], now: int) -> dict[str, Any]:
    """The filter of the chosen saved view, or the typed search."""
    if not (view_id := typed.get("view", "")):
        return {"q": [typed["q"]]} if typed.get("q") else {}
    with database.read() as connection:
        for view in list_views(connection, scope):
            if view.id == view_id:
                parameters = parse_filters(parse_qsl(view.query)).parameters(now)
                return {name: values for name, values in parameters.items() if name not in ("start", "end", "tz")}
    raise NotFound("View not found. It may have been deleted, or you do not have access to it.", code="no_view")


def _form_fields(form_request: FormRequest) -> dict[str, str]:
    return form_request.texts(*(name for name in FIELDS if name in form_request.form))


def _zone(name: str) -> tzinfo:
    try:
        return zone_of(name)
    except ValueError:
        return zone_of("UTC")


def period_words(start: int, end: int, zone: tzinfo) -> str:
    """A period as text: days if it begins and ends at midnight, else times to the minute."""
    first, last = (from_us(at).astimezone(zone) for at in (start, end))
    if all((moment.hour, moment.minute, moment.second, moment.microsecond) == (0, 0, 0, 0) for moment in (first, last)):
        day = last - timedelta(days=1)
        return f"{first:%Y-%m-%d} to {day:%Y-%m-%d}" if day > first else f"{first:%Y-%m-%d}"
    return f"{first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}"
