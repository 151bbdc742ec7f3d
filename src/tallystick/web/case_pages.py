"""The pages of cases: the list, one case, and its incident report."""

from datetime import tzinfo
from typing import Any, cast

from litestar import Response, get
from sqlalchemy import Connection

from tallystick.access.csrf import refuse_cross_site
from tallystick.cases import case as kept
from tallystick.cases.case import LINES, Case, list_cases, may_change, parse_cursor, read_case
from tallystick.cases.case_events import MOST_NOTE, list_case_events
from tallystick.cases.changes import MOST_LINE, MOST_TITLE
from tallystick.cases.report import Format, file_name, record_report, render_report, report_of
from tallystick.cases.timeline import Timeline, read_timeline
from tallystick.clock import exact_time, now_us, second_words
from tallystick.database.engine import Database
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    CallerDep,
    DatabaseDep,
    FinderDep,
    FrameDep,
    PoolsDep,
    RecorderDep,
    SettingsDep,
    UserScopeDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.investigate import timeline_entry
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

PATH = "/cases"
MEDIA = {"pdf": "application/pdf", "md": "text/markdown"}


@get(PATH, name="web.cases", opt=EVERY_ROLE)
async def show_cases(
    request: WebRequest, user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep
) -> Response[str]:
    """The cases that the person may see, most recently changed first."""
    filters = filters_of(request)
    state = request.query_params.get("state", "")
    before = request.query_params.get("before", "")

    def load() -> list[Case]:
        with database.read() as connection:
            chosen_state = cast("kept.State", state) if state in ("open", "closed") else None
            return list_cases(connection, user_scope, state=chosen_state, before=parse_cursor(before))

    cases = await database.run(load)
    return html(
        "cases.html",
        frame=frame.at("cases"),
        cases=[(case, _case_times(case, filters.zone)) for case in cases],
        state=state,
        more=cases[-1].cursor if len(cases) == kept.MOST_LISTED else None,
        continued=bool(before),
        filters=filters,
    )


@get(PATH + "/{case_id:str}", name="web.case", opt=EVERY_ROLE)
async def show_case(
    request: WebRequest,
    case_id: str,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The page of one case: the lines of its report, its timeline with notes, and gaps."""
    return await case_page(request, case_id, viewer, frame, database, pools, finder)


@get([PATH + "/{case_id:str}/report.pdf", PATH + "/{case_id:str}/report.md"], name="web.case.report", opt=EVERY_ROLE)
async def show_report(
    request: WebRequest,
    case_id: str,
    user_scope: UserScopeDep,
    caller: CallerDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    recorder: RecorderDep,
    settings: SettingsDep,
) -> Response[bytes]:
    """The incident report as PDF or Markdown; the download is recorded."""
    refuse_cross_site("POST", request.headers, settings.public_url)  # a GET that records an event
    report_format: Format = "pdf" if request.url.path.endswith(".pdf") else "md"
    zone = filters_of(request).zone

    def write() -> tuple[Case, bytes]:
        now = now_us()
        case, timeline = _load(database, finder, user_scope, case_id)
        with database.write() as connection:
            organization = record_report(connection, user_scope, case, report_format, now=now, caller=caller)
        return case, render_report(report_of(case, timeline, organization, zone, now), report_format)

    case, document = await pools.searches.run(user_scope, write)
    recorder.own_actions_waiting()
    disposition = f'attachment; filename="{file_name(case, report_format)}"'
    return Response(document, media_type=MEDIA[report_format], headers={"Content-Disposition": disposition})


async def case_page(
    request: WebRequest,
    case_id: str,
    viewer: Viewer,
    frame: Any,
    database: Database,
    pools: RequestPools,
    finder: Finder,
    *,
    problem: str = "",
    typed: dict[str, str] | None = None,
    status: int = 200,
) -> Response[str]:
    """The page of a case. With a `problem`, the form shows the `typed` text and the saved text beside it."""
    filters, scope = filters_of(request), viewer.scope
    case, timeline = await pools.searches.run(scope, _load, database, finder, scope, case_id)
    viewer.note_page("case", case_id)
    entries = [
        (
            event.case_event,
            event.stored and timeline_entry(event.stored, filters.zone, (), event.marks),
            exact_time(event.case_event.occurred_at, filters.zone),
        )
        for event in timeline.events
    ]
    saved = {**case.lines, "title": case.title}
    return html(
        "case.html",
        status=status,
        frame=frame.at("cases"),
        case=case,
        times=_case_times(case, filters.zone),
        labels=LINES,
        hints=HINTS,
        entries=entries,
        gaps=timeline.gaps,
        may_change=may_change(scope),
        problem=problem,
        typed=typed or {},
        was=saved,
        filters=filters,
        most_line=MOST_LINE,
        most_title=MOST_TITLE,
        most_note=MOST_NOTE,
    )


HINTS = {
    "issue": "What went wrong, in one sentence",
    "detected": "How and when it was noticed",
    "impact": "Who or what was affected",
    "root_cause": "Why it happened",
    "resolution": "What was done about it",
    "time_to_fix": "From detection to the fix, such as 15 minutes",
}


def _load(database: Database, finder: Finder, scope: Scope, case_id: str) -> tuple[Case, Timeline]:
    def both(connection: Connection) -> tuple[Case, list[Any]]:
        case = read_case(connection, scope, case_id)
        return case, list_case_events(connection, scope, case)

    with database.read() as connection:
        case, case_events = both(connection)
    return case, read_timeline(finder, scope, case_events)


def _case_times(case: Case, zone: tzinfo) -> dict[str, str]:
    """The times of a case as text, to the second; "" for those that are not set."""
    times = {"created": case.created_at, "changed": case.changed_at, "closed": case.closed_at}
    return {name: second_words(at, zone) if at else "" for name, at in times.items()}
