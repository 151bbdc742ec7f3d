"""Reviews of a period, with findings and a signature: /v1/reviews."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, post
from msgspec import UNSET, Meta, UnsetType
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.api.answers import answer, encoded_answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import (
    Count,
    EventId,
    LogIndex,
    NamedReference,
    PrincipalReference,
    RequestBody,
    ResponseBody,
    Sha256,
    StoredFilter,
    Time,
    doc,
)
from tallystick.api.operation import operation
from tallystick.api.query_parameters import DEFAULT_LISTED, REVIEW_STATUSES, REVIEWS
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.compliance import review as stored_reviews
from tallystick.compliance import review_changes
from tallystick.compliance.review import (
    MOST_LISTED,
    PREFIX,
    SEVERITIES,
    Review,
    ReviewFinding,
    list_findings,
)
from tallystick.compliance.review_changes import MOST_ABOUT, MOST_CONCLUSION, MOST_FINDINGS, MOST_NOTE
from tallystick.compliance.signing import content_of, matches_signature
from tallystick.errors import BadRequest, Conflict
from tallystick.ids import encode
from tallystick.query.scope import Scope

PATH = "/v1/reviews"
_read = partial(operation, "Compliance", "events:read")
_write = partial(operation, "Compliance", "exports", "events:read")
_MINIMUM = {"minLength": 1}

Severity = Annotated[
    str, doc("Severity; `fine` for an event that was reviewed and is in order.", enum=list(SEVERITIES))
]
About = Annotated[str, doc("Control that the review is about, such as `soc2 CC6.3`.", maxLength=MOST_ABOUT)]
Conclusion = Annotated[str, doc("Conclusion.", maxLength=MOST_CONCLUSION)]


class PeriodInput(RequestBody):
    """The period of a review."""

    start: Annotated[str, Meta(description="First date, or a time (inclusive).", extra_json_schema=_MINIMUM)]
    end: Annotated[str, Meta(description="Last date, or a time (exclusive); at most now.", extra_json_schema=_MINIMUM)]
    tz: Annotated[str, doc("Time zone of dates without a time.")] = "UTC"


class FindingInput(RequestBody):
    """A finding as sent."""

    event: Annotated[str, doc("Id of an event in the period and the query of the review.")]
    severity: Severity = "low"
    note: Annotated[str, doc("Note.", maxLength=MOST_NOTE)] = ""


class ReviewInput(RequestBody):
    """A review as sent. With a conclusion it is signed at once, otherwise it stays open."""

    period: PeriodInput
    query: Annotated[str, doc("Search for the events to review. Empty: all events of the period.")] = ""
    findings: Annotated[list[FindingInput], Meta(extra_json_schema={"maxItems": MOST_FINDINGS})] | UnsetType = UNSET
    conclusion: Conclusion = ""
    about: About = ""
    corrects: Annotated[str, doc("Id of the signed review that this one corrects.")] = ""


class SignatureInput(RequestBody):
    """The conclusion to sign."""

    conclusion: Annotated[Conclusion, Meta(extra_json_schema=_MINIMUM | {"maxLength": MOST_CONCLUSION})]


class ReviewPeriod(ResponseBody):
    """The period of a review."""

    start: Time
    end: Time
    tz: Annotated[str, doc("Time zone of its dates.")]


class FindingResponse(ResponseBody):
    """A finding: a note on an event of a review."""

    event: EventId
    index: LogIndex
    severity: Severity
    note: str
    marked_by: Annotated[str, doc("Who noted it.")]
    marked_at: Time

    @classmethod
    def of(cls, finding: ReviewFinding) -> "FindingResponse":
        return cls(
            event=finding.public_id,
            index=finding.index,
            severity=finding.severity,
            note=finding.note,
            marked_by=finding.marked_by,
            marked_at=rfc3339(finding.marked_at),
        )


ReviewId = Annotated[str, doc("`rev_` and 26 characters.")]
Status = Annotated[str, doc("Signed reviews cannot be changed.", enum=list(REVIEW_STATUSES))]
AboutOrNone = Annotated[str | None, doc("Control that the review is about, such as `soc2 CC6.3`.")]
Corrects = Annotated[str | None, doc("Id of the review that this one corrects.")]
CorrectedBy = Annotated[str | None, doc("Id of the signed review that corrects this one.")]
Overdue = Annotated[bool, doc("Open for more than seven days.")]
Position = Annotated[Count | None, doc("Size of the log at signing: the review covers events with a lower index.")]
EventCount = Annotated[Count | None, doc("Exact number of events below the position.")]
ContentSha256 = Annotated[Sha256 | None, doc("SHA-256 of the signed content, as `audit_log.review_signed` records it.")]


class ReviewSummary(ResponseBody):
    """A review in a list."""

    id: ReviewId
    status: Status
    about: AboutOrNone
    corrects: Corrects
    corrected_by: CorrectedBy
    period: ReviewPeriod
    filter: StoredFilter
    findings: Annotated[Count, doc("Number of findings.")]
    opened_by: NamedReference
    opened_at: Time
    overdue: Overdue
    conclusion: Conclusion
    signed_by: PrincipalReference | None
    signed_at: Time | None
    position: Position
    events: EventCount
    sha256: ContentSha256

    @classmethod
    def of(cls, review: Review) -> "ReviewSummary":
        return cls(**_fields_of(review), findings=review.findings)


class ReviewsResponse(ResponseBody):
    """Reviews, newest first."""

    data: list[ReviewSummary]


class ReviewResponse(ResponseBody):
    """A review with its findings."""

    id: ReviewId
    status: Status
    about: AboutOrNone
    corrects: Corrects
    corrected_by: CorrectedBy
    period: ReviewPeriod
    filter: StoredFilter
    findings: list[FindingResponse]
    opened_by: NamedReference
    opened_at: Time
    overdue: Overdue
    conclusion: Conclusion
    signed_by: PrincipalReference | None
    signed_at: Time | None
    position: Position
    events: EventCount
    sha256: ContentSha256
    as_signed: Annotated[
        bool | None, doc("Whether the content is still what was signed; erasing personal data changes it.")
    ]

    @classmethod
    def of(cls, review: Review, findings: list[ReviewFinding]) -> "ReviewResponse":
        return cls(
            **_fields_of(review),
            findings=[FindingResponse.of(finding) for finding in findings],
            as_signed=matches_signature(review, findings) if review.state == "signed" else None,
        )


class ReviewContent(ResponseBody, forbid_unknown_fields=False):
    """The exact content that was signed."""


def _fields_of(review: Review) -> dict[str, Any]:
    """The values of the fields that a review has in a list and by itself, by name."""
    signer = PrincipalReference(review.signed_by_kind, review.signed_by, review.signed_by_name)
    return {
        "id": review.public_id,
        "status": review.state,
        "about": review.about or None,
        "corrects": None if review.corrects is None else encode(PREFIX, review.corrects.bytes),
        "corrected_by": None if review.corrected_by is None else encode(PREFIX, review.corrected_by.bytes),
        "period": ReviewPeriod(rfc3339(review.start), rfc3339(review.end), review.zone),
        "filter": {name: list(values) for name, values in review.filter.items()},
        "opened_by": NamedReference(review.opened_by, review.opened_by_name),
        "opened_at": rfc3339(review.opened_at),
        "overdue": review.is_overdue(clock.now_us()),
        "conclusion": review.conclusion,
        "signed_by": signer if review.signed_at is not None else None,
        "signed_at": optional_rfc3339(review.signed_at),
        "position": review.position,
        "events": review.events,
        "sha256": review.sha256 or None,
    }


@post(PATH, opt=_write(body=ReviewInput, problems=(404, 409)))
async def open_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Open a review.

    Records the findings, if any. With a conclusion, the key signs the review at once; either everything is recorded
    or nothing.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ReviewInput, "review", "bad_review")
    review = await authorized.run(services.pools.searches, _open, services, authorized.scope, body, authorized.caller)
    return answer(await authorized.read(_response, review.public_id))


@get(PATH, opt=_read(parameters=REVIEWS, problems=(404,)))
async def list_reviews(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewsResponse]:
    """List reviews.

    Newest first.
    """
    authorized = await authorize(request, services)
    limit = authorized.parameters.integer("limit", 1, MOST_LISTED) or DEFAULT_LISTED
    before = authorized.parameters.single("before") or ""
    state = authorized.parameters.choice("status", ("", *REVIEW_STATUSES))
    found = await authorized.read(stored_reviews.list_reviews, state=state, before=before, limit=limit)
    return answer(ReviewsResponse([ReviewSummary.of(review) for review in found]))


@get(PATH + "/{id:str}", opt=_read())
async def show_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Get a review.

    With its findings, and whether its content is still what was signed.
    """
    authorized = await authorize(request, services)
    return answer(await authorized.read(_response, authorized.id))


@get(PATH + "/{id:str}/content", opt=_read(problems=(409,)))
async def read_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewContent]:
    """Get the signed content of a review.

    The exact bytes whose SHA-256 is recorded in the audit log.
    """
    authorized = await authorize(request, services)
    return encoded_answer(await authorized.read(_signed_content, authorized.id))


@post(PATH + "/{id:str}/findings", opt=_write(body=FindingInput, problems=(409,)))
async def mark_finding(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Add a finding to a review.

    Replaces the finding on the same event, if there is one.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(FindingInput, "finding", "bad_finding")
    review = await authorized.read(stored_reviews.read_review, authorized.id)
    (event,) = await services.pools.searches.run(
        authorized.scope, review_changes.find_events, services.finder, authorized.scope, review, [body.event]
    )
    await authorized.write(
        review_changes.mark_event, authorized.id, event, body.severity, body.note, **authorized.context
    )
    return answer(await authorized.read(_response, authorized.id))


@delete(PATH + "/{id:str}/findings/{event_id:str}", status_code=200, opt=_write(problems=(409,)))
async def unmark_finding(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Remove a finding from an open review."""
    authorized = await authorize(request, services)
    await authorized.write(
        review_changes.unmark_event, authorized.id, authorized.path("event_id"), **authorized.context
    )
    return answer(await authorized.read(_response, authorized.id))


@post(PATH + "/{id:str}/sign", status_code=200, opt=_write(body=SignatureInput, problems=(409,)))
async def sign_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Sign a review.

    Takes a conclusion. The audit log records the SHA-256 of the content, which cannot be changed any more.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(SignatureInput, "signature", "bad_review")
    await authorized.run(
        services.pools.searches,
        review_changes.count_and_sign,
        services.database,
        services.store,
        authorized.scope,
        authorized.id,
        body.conclusion,
        **authorized.context,
    )
    return answer(await authorized.read(_response, authorized.id))


@post(PATH + "/{id:str}/withdraw", status_code=200, opt=_write(problems=(409,)))
async def withdraw_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewResponse]:
    """Withdraw an open review.

    It stays in the list.
    """
    authorized = await authorize(request, services)
    await authorized.write(review_changes.withdraw, authorized.id, **authorized.context)
    return answer(await authorized.read(_response, authorized.id))


def _signed_content(connection: Connection, scope: Scope, public_id: str) -> bytes:
    review = stored_reviews.read_review(connection, scope, public_id)
    if review.state != "signed":
        raise Conflict("This review is not signed.", code="not_signed")
    return content_of(review, list_findings(connection, scope, review))


def _response(connection: Connection, scope: Scope, public_id: str) -> ReviewResponse:
    review = stored_reviews.read_review(connection, scope, public_id)
    return ReviewResponse.of(review, list_findings(connection, scope, review))


def _open(services: ApiServices, scope: Scope, body: ReviewInput, caller: Caller) -> Review:
    """Open a review with its findings and sign it if it has a conclusion, in one transaction.

    The event store is asked before the transaction begins, so that it delays no recording.
    """
    now, period = clock.now_us(), body.period
    findings = [] if body.findings is UNSET else body.findings
    if len(findings) > MOST_FINDINGS:
        raise BadRequest(f"A review has at most {MOST_FINDINGS} findings.", code="bad_review")
    given = {"start": [period.start], "end": [period.end], "tz": [period.tz], "q": [body.query]}
    draft = review_changes.draft_review(scope, given, about=body.about, now=now)
    events = review_changes.find_events(services.finder, scope, draft, [finding.event for finding in findings])
    counted = review_changes.count_events(services.database, services.store, scope, draft) if body.conclusion else None
    with services.database.write() as connection:
        review_changes.open_review(connection, scope, draft, corrects=body.corrects, now=now, caller=caller)
        for event, one in zip(events, findings, strict=True):
            review_changes.mark_event(
                connection, scope, draft.public_id, event, one.severity, one.note, now=now, caller=caller
            )
        if counted is not None:
            review_changes.sign(connection, scope, draft.public_id, body.conclusion, *counted, now=now, caller=caller)
    return draft
