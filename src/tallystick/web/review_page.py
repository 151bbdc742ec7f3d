"""The page of one review: its events, findings, conclusion and signature."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import Response, get, post

from tallystick.clock import now_us, rfc3339, second_words, zone_of
from tallystick.compliance import review_changes
from tallystick.compliance.review import PREFIX, SEVERITIES, Review, ReviewFinding, list_findings, read_review
from tallystick.compliance.review_changes import MOST_CONCLUSION, MOST_NOTE
from tallystick.compliance.signing import matches_signature
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict
from tallystick.events.record import StoredEvent
from tallystick.http.forms import LONG_FORM
from tallystick.ids import encode
from tallystick.search.find import Finder
from tallystick.search.page import Page
from tallystick.web.compliance_page import PATH, period_words, review_row
from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    Injected,
    PoolsDep,
    StoreDep,
    ViewerDep,
    WebRequest,
)
from tallystick.web.event_row import event_row
from tallystick.web.filters import Filters
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import WHOLE_TRAIL
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.web.viewer import Viewer
from tallystick.work.request_pools import RequestPools

ONE = PATH + "/reviews/{review_id:str}"
SHOWN = 50
SEVERITY_WORDS = {"fine": "Fine", "low": "Low", "medium": "Medium", "high": "High"}
ReviewDetails = tuple[Review, list[ReviewFinding], Page]


@dataclass(frozen=True, slots=True)
class ReviewPage:
    """Renders the page of a review, also after an invalid form."""

    review_id: str
    viewer: Viewer
    frame: PageFrame
    database: Database
    pools: RequestPools
    finder: Finder

    async def show(
        self, *, cursor: str = "", problem: str = "", typed: str | None = None, status: int = 200
    ) -> Response[str]:
        """The rendered page; `typed` is the submitted conclusion, `cursor` the page of the event list."""
        loaded = await self.pools.searches.run(self.viewer.scope, self._load, cursor)
        self.viewer.note_page("review", self.review_id)
        return _page(self.frame, loaded, cursor, problem, typed, status)

    def _load(self, cursor: str) -> ReviewDetails:
        scope = self.viewer.scope
        with self.database.read() as connection:
            review = read_review(connection, scope, self.review_id)
            findings = list_findings(connection, scope, review)
        page = self.finder.page(
            scope, review.query, limit=SHOWN, cursor=cursor or None, count="exact", question=review.public_id
        )
        return review, findings, page


ReviewPageDep = Injected[ReviewPage]


async def provide_review_page(
    review_id: str,
    viewer: ViewerDep,
    frame: FrameDep,
    database: DatabaseDep,
    pools: PoolsDep,
    finder: FinderDep,
) -> ReviewPage:
    """The review page of this request."""
    return ReviewPage(review_id, viewer, frame, database, pools, finder)


@get(ONE, name="web.review", opt=WHOLE_TRAIL)
async def show_review(request: WebRequest, review_page: ReviewPageDep) -> Response[str]:
    """The page of a review."""
    return await review_page.show(cursor=request.query_params.get("cursor", ""))


@post(ONE + "/findings", name="web.review.mark", status_code=303, opt=WHOLE_TRAIL)
async def mark_finding(
    review_id: str, form_request: FormRequestDep, review_page: ReviewPageDep, finder: FinderDep
) -> Response[str]:
    """Adds a finding to an event, or removes it."""
    event_id, cursor = form_request.text("event").strip(), form_request.text("cursor")

    def find() -> StoredEvent:
        with form_request.database.read() as connection:
            review = read_review(connection, form_request.scope, review_id)
        (event,) = review_changes.find_events(finder, form_request.scope, review, [event_id])
        return event

    try:
        if form_request.text("act") == "remove":
            await form_request.write(review_changes.unmark_event, review_id, event_id, **form_request.context)
        else:
            event = await form_request.pools.searches.run(form_request.scope, find)
            severity = form_request.text("severity") or "low"
            await form_request.write(
                review_changes.mark_event, review_id, event, severity, form_request.text("note"), **form_request.context
            )
    except (BadRequest, Conflict) as problem:
        return await review_page.show(cursor=cursor, problem=problem.detail, status=problem.status)
    back = f"?cursor={cursor}" if cursor.replace("-", "").replace("_", "").isalnum() else ""
    return redirect(f"{PATH}/reviews/{review_id}{back}#findings")


@post(ONE, name="web.review.write", status_code=303, opt={"form_bytes": LONG_FORM} | WHOLE_TRAIL)
async def write_review(
    review_id: str, form_request: FormRequestDep, review_page: ReviewPageDep, store: StoreDep
) -> Response[str]:
    """Saves the conclusion, signs the review, or withdraws it; `act` says which."""
    conclusion = form_request.text("conclusion")

    def save() -> None:
        with form_request.database.write() as connection:
            review_changes.write_conclusion(connection, form_request.scope, review_id, conclusion)

    def sign() -> None:
        review_changes.count_and_sign(
            form_request.database,
            store,
            form_request.scope,
            review_id,
            conclusion,
            now=now_us(),
            caller=form_request.caller,
        )

    acts: dict[str, Callable[[], Awaitable[object]]] = {
        "save": lambda: form_request.run(form_request.pools.short, save),
        "sign": lambda: form_request.run(form_request.pools.searches, sign),
        "withdraw": lambda: form_request.write(review_changes.withdraw, review_id, **form_request.context),
    }
    act = acts.get(form_request.text("act"))
    if act is None:
        raise BadRequest("A review takes the acts save, sign and withdraw.", code="bad_parameter", parameter="act")
    try:
        await act()
    except (BadRequest, Conflict) as problem:
        return await review_page.show(problem=problem.detail, typed=conclusion, status=problem.status)
    return redirect(f"{PATH}/reviews/{review_id}")


def _page(
    frame: PageFrame, loaded: ReviewDetails, cursor: str, problem: str, typed: str | None, status: int
) -> Response[str]:
    review, findings, page = loaded
    zone = zone_of(review.zone)
    filters = _filters(review)
    noted = {one.public_id: one for one in findings}
    return html(
        "review.html",
        status=status,
        frame=frame.at("compliance"),
        review=review,
        row=review_row(review, zone, now_us()),
        period=period_words(review.start, review.end, zone),
        findings=findings,
        noted=noted,
        rows=[event_row(event, zone) for event in page.data],
        page=page,
        cursor=cursor,
        filters=filters,
        list_href=filters.href(),
        as_signed=review.state != "signed" or matches_signature(review, findings),
        corrects="" if review.corrects is None else encode(PREFIX, review.corrects.bytes),
        corrected_by="" if review.corrected_by is None else encode(PREFIX, review.corrected_by.bytes),
        severities={name: SEVERITY_WORDS[name] for name in SEVERITIES},
        conclusion=review.conclusion if typed is None else typed,
        problem=problem,
        most_note=MOST_NOTE,
        most_conclusion=MOST_CONCLUSION,
        at=lambda moment: second_words(moment, zone),
    )


def _filters(review: Review) -> Filters:
    """The filters of the review's events on the Audit Logs page."""
    repeated: dict[str, Any] = {name: tuple(values) for name, values in review.filter.items() if name != "q"}
    return Filters(
        q=" ".join(review.filter.get("q", ())[:1]),
        range="custom",
        start=rfc3339(review.start),
        end=rfc3339(review.end),
        tz=review.zone,
        **repeated,
    )
