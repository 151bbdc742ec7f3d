"""The Investigate page: a timeline around one event, from which a case can be created."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import tzinfo

from litestar import Response, get

from tallystick.access.scopes import visible_part
from tallystick.cases.case import Case, list_cases, may_change
from tallystick.cases.case_events import MOST_EVENTS
from tallystick.cases.first_seen import FirstSeen, find_first_seen
from tallystick.cases.related_events import DEFAULT_SPAN, RelatedEvents, find_related_events
from tallystick.cases.threads import RELATIONS, Thread, threads_of
from tallystick.clock import second_words
from tallystick.database.engine import Database
from tallystick.display_text import display_line
from tallystick.events.changes import changes_of
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import DatabaseDep, FinderDep, FrameDep, PoolsDep, UserScopeDep, ViewerDep, WebRequest
from tallystick.web.event_panel import event_not_found, find_event
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.filters import PATH, Filters
from tallystick.web.page_access import EVERY_ROLE
from tallystick.web.templating import html

SPANS = {
    "15m": "15 minutes",
    "1h": "1 hour",
    "6h": "6 hours",
    "24h": "24 hours",
    "7d": "7 days",
    "30d": "30 days",
    "90d": "90 days",
}
NEAREST = 100  # events before and after
MOST_PRESELECTED = 25  # a timeline of at most so many events has all of them ticked
MOST_CHANGES = 3
MOST_CHANGE = 200  # characters of one


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """An event of the timeline. `shared_threads` are the threads that it shares with the investigated event,
    `marks` the reasons why it stands out.
    """

    row: EventRow
    summary: str
    changes: list[str]
    shared_threads: Sequence[str]
    marks: Sequence[str]


@dataclass(frozen=True, slots=True)
class Investigation:
    """The data of the page. `threads` are all threads of the event, `followed` the names of the shown ones."""

    middle: TimelineEntry
    threads: list[Thread]
    followed: Sequence[str]
    entries: list[TimelineEntry]
    gaps: list[str]
    open_cases: list[Case]


@get(PATH + "/{event_id:str}/investigate", name="web.investigate", opt=EVERY_ROLE)
async def investigate(
    request: WebRequest,
    event_id: str,
    user_scope: UserScopeDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
    viewer: ViewerDep,
) -> Response[str]:
    """The timeline around an event, and a form that creates a case from it."""
    filters = filters_of(request)
    query = request.query_params
    spans = {name: query.get(name, DEFAULT_SPAN) for name in ("before", "after")}
    by = query.getall("by", list(RELATIONS))
    investigation = await pools.searches.run(
        user_scope, _load, database, finder, user_scope, event_id, filters, by, spans
    )
    viewer.note_event(event_id)
    viewer.note_page("timeline", event_id, by=by, **{name: [span] for name, span in spans.items()})
    return html(
        "investigate.html",
        frame=frame.at("audit-logs"),
        filters=filters,
        shown=investigation,
        spans=SPANS | {value: value for value in spans.values() if value not in SPANS},
        chosen_spans=spans,
        may_change=may_change(user_scope),
        ticked=len(investigation.entries) <= MOST_PRESELECTED,
        most=MOST_EVENTS,
    )


def _load(
    database: Database,
    finder: Finder,
    scope: Scope,
    event_id: str,
    filters: Filters,
    by: Sequence[str],
    spans: dict[str, str],
) -> Investigation:
    stored = find_event(finder, scope, event_id)
    if stored is None:
        raise event_not_found()
    related = find_related_events(finder, scope, stored, by=by, limit=NEAREST, **spans)
    firsts = find_first_seen(finder, scope, [event.stored for event in related.events])
    entries = [
        timeline_entry(event.stored, filters.zone, event.relations, firsts.words.get(event.stored.index, ()))
        for event in related.events
    ]
    with database.read() as connection:
        cases = list_cases(connection, scope, state="open") if may_change(scope) else []
    middle = next(entry for entry in entries if entry.row.id == event_id)
    return Investigation(
        middle, threads_of(event_of(stored)), by, entries, _gaps(related, firsts, scope, filters), cases
    )


def _gaps(related: RelatedEvents, firsts: FirstSeen, scope: Scope, filters: Filters) -> list[str]:
    """Sentences about events that the timeline does not show."""
    sentences = []
    if related.start < related.retention_start:
        oldest = second_words(related.retention_start, filters.zone)
        sentences.append(f"Events before {oldest} are no longer kept.")
    if related.more_before:
        sentences.append(
            f"There are more events before these {NEAREST}. Choose a shorter time span or fewer criteria to see all."
        )
    if related.more_after:
        sentences.append(
            f"There are more events after these {NEAREST}. Choose a shorter time span or fewer criteria to see all."
        )
    if related.partial:
        sentences.append("The time span could not be read completely in time. Some events may be missing.")
    if related.missing:
        sentences.append("Some events of this organization are missing. They may belong here.")
    sentences += firsts.gaps
    if scope.is_filtered:
        part = visible_part(scope)
        sentences.append(f"{part[0].upper()}{part[1:]}.")
    return sentences


def timeline_entry(
    stored: StoredEvent, zone: tzinfo, same: Sequence[str] = (), marks: Sequence[str] = ()
) -> TimelineEntry:
    """The entry of an event, with the first of its changes; times in `zone`."""
    event = event_of(stored)
    changes = [
        display_line(f"{change.path}: {change.before + ' → ' if change.before else ''}{change.after}", MOST_CHANGE)
        for change in changes_of(event.get("changes", {}))
    ]
    return TimelineEntry(event_row(stored, zone), event["summary"], changes[:MOST_CHANGES], same, marks)
