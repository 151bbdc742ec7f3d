"""Reviews: opened, findings noted, signed; and the weekly reminder: /v1/reviews and /v1/review-reminder."""

from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, delete, get, post, put
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.api.answers import HEADERS, answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.compliance import reminder, review_changes
from tallystick.compliance.review import (
    PREFIX,
    Review,
    ReviewFinding,
    list_findings,
    list_reviews,
    read_review,
)
from tallystick.compliance.signing import content_of, matches_signature
from tallystick.errors import BadRequest, Conflict
from tallystick.ids import encode
from tallystick.query.scope import Scope

PATH = "/v1/reviews"
REMINDER = "/v1/review-reminder"
LISTING = frozenset({"limit", "before", "status"})
STATES = ("", "open", "signed", "withdrawn")


class PeriodInput(msgspec.Struct, forbid_unknown_fields=True):
    """From when to when, as finding events takes it."""

    start: str
    end: str
    tz: str = "UTC"


class FindingInput(msgspec.Struct, forbid_unknown_fields=True):
    """What is noted at an event."""

    event: str
    severity: str = "low"
    note: str = ""


class ReviewInput(msgspec.Struct, forbid_unknown_fields=True):
    """A review; with a conclusion it is signed by whoever sends it, without one it stays open."""

    period: PeriodInput
    query: str = ""
    findings: list[FindingInput] = []
    conclusion: str = ""
    about: str = ""
    corrects: str = ""


class SignInput(msgspec.Struct, forbid_unknown_fields=True):
    """What signing takes."""

    conclusion: str


class ReminderInput(msgspec.Struct, forbid_unknown_fields=True):
    """When people are reminded: `weekday` from 0, which is Monday."""

    weekday: int
    at: str
    recipients: list[str]
    tz: str = "UTC"


@post(PATH, name="api.open_review")
async def open_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Opens a review, notes what was found, and signs it if it has a conclusion."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(ReviewInput, "review", "bad_review")
    review = await authorized.run(partial(_open, services, authorized.scope, wanted, authorized.caller))
    return answer(await authorized.read(_shown, review.shown_id), status=201)


@get(PATH, name="api.list_reviews")
async def list_all_reviews(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Those of the organization, newest first."""
    authorized = await authorize(request, services, "events:read", LISTING)
    given = authorized.parameters
    limit, before = given.whole("limit", 1, 200) or 50, given.one("before") or ""
    found = await authorized.read(list_reviews, state=given.choice("status", STATES), before=before, limit=limit)
    return answer({"data": [shown(one) for one in found]})


@get(PATH + "/{id:str}", name="api.show_review")
async def show_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One review with its findings, and whether it still is what was signed."""
    authorized = await authorize(request, services, "events:read")
    return answer(await authorized.read(_shown, authorized.id))


@get(PATH + "/{id:str}/content", name="api.read_review")
async def read_signed(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """The exact text that was signed."""
    authorized = await authorize(request, services, "events:read")
    return Response(await authorized.read(_signed, authorized.id), media_type="application/json", headers=HEADERS)


@post(PATH + "/{id:str}/findings", name="api.mark_finding", status_code=201)
async def mark_finding(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Notes something at an event, in place of what was noted there."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(FindingInput, "finding", "bad_finding")
    review = await authorized.read(read_review, authorized.id)
    find = partial(review_changes.find_events, services.finder, authorized.scope, review, [wanted.event])
    (event,) = await services.database.run(find)
    await authorized.write(
        review_changes.mark_event, authorized.id, event, wanted.severity, wanted.note, **authorized.context
    )
    return answer(await authorized.read(_shown, authorized.id), status=201)


@delete(PATH + "/{id:str}/findings/{event_id:str}", name="api.unmark_finding", status_code=200)
async def unmark_finding(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Takes a finding away."""
    authorized = await authorize(request, services, "exports")
    await authorized.write(
        review_changes.unmark_event, authorized.id, str(request.path_params["event_id"]), **authorized.context
    )
    return answer(await authorized.read(_shown, authorized.id))


@post(PATH + "/{id:str}/sign", name="api.sign_review", status_code=200)
async def sign_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Signs it, with a conclusion. Nothing of it changes any more."""
    authorized = await authorize(request, services, "exports")
    wanted = await authorized.body(SignInput, "signature", "bad_review")
    count_and_sign = review_changes.count_and_sign
    sign = partial(
        count_and_sign, services.database, services.store, authorized.scope, authorized.id, wanted.conclusion
    )
    await authorized.run(partial(sign, now=clock.now_us(), caller=authorized.caller))
    return answer(await authorized.read(_shown, authorized.id))


@post(PATH + "/{id:str}/withdraw", name="api.withdraw_review", status_code=200)
async def withdraw_review(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Gives an open review up."""
    authorized = await authorize(request, services, "exports")
    await authorized.write(review_changes.withdraw, authorized.id, **authorized.context)
    return answer(await authorized.read(_shown, authorized.id))


@get(REMINDER, name="api.show_reminder")
async def show_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Who is reminded when; and what waits."""
    authorized = await authorize(request, services, "events:read")
    return answer(await authorized.read(_reminder))


@put(REMINDER, name="api.set_reminder")
async def set_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Reminds these people each week."""
    authorized = await authorize(request, services, "admin")
    wanted = await authorized.body(ReminderInput, "reminder", "bad_reminder")
    await authorized.write(
        reminder.set_reminder, wanted.weekday, wanted.at, wanted.tz, wanted.recipients, **authorized.context
    )
    return answer(await authorized.read(_reminder))


@delete(REMINDER, name="api.remove_reminder", status_code=200)
async def remove_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Reminds nobody any more."""
    authorized = await authorize(request, services, "admin")
    await authorized.write(reminder.remove_reminder, **authorized.context)
    return answer(await authorized.read(_reminder))


def shown(one: Review) -> dict[str, Any]:
    """A review as the API answers it in a list."""
    signer = {"type": one.signed_by_kind, "id": one.signed_by, "name": one.signed_by_name}
    return {
        "id": one.shown_id,
        "status": one.state,
        "about": one.about or None,
        "corrects": None if one.corrects is None else encode(PREFIX, one.corrects.bytes),
        "corrected_by": None if one.corrected_by is None else encode(PREFIX, one.corrected_by.bytes),
        "period": {"start": rfc3339(one.start), "end": rfc3339(one.end), "tz": one.zone},
        "filter": {name: list(values) for name, values in one.filter.items()},
        "findings": one.findings,
        "opened_by": {"id": one.opened_by, "name": one.opened_by_name},
        "opened_at": rfc3339(one.opened_at),
        "overdue": one.is_overdue(clock.now_us()),
        "conclusion": one.conclusion,
        "signed_by": signer if one.signed_at is not None else None,
        "signed_at": None if one.signed_at is None else rfc3339(one.signed_at),
        "position": one.position,
        "events": one.events,
        "sha256": one.sha256 or None,
    }


def _finding(one: ReviewFinding) -> dict[str, Any]:
    return {
        "event": one.shown_id, "index": one.index, "severity": one.severity, "note": one.note,
        "marked_by": one.marked_by, "marked_at": rfc3339(one.marked_at),
    }  # fmt: skip


def _signed(connection: Connection, scope: Scope, shown_id: str) -> bytes:
    review = read_review(connection, scope, shown_id)
    if review.state != "signed":
        raise Conflict("This review is not signed.", code="not_signed")
    return content_of(review, list_findings(connection, scope, review))


def _shown(connection: Connection, scope: Scope, shown_id: str) -> dict[str, Any]:
    review = read_review(connection, scope, shown_id)
    findings = list_findings(connection, scope, review)
    kept = matches_signature(review, findings) if review.state == "signed" else None
    return {**shown(review), "findings": [_finding(one) for one in findings], "as_signed": kept}


def _open(services: ApiServices, scope: Scope, wanted: ReviewInput, caller: Caller) -> Review:
    """All of it or nothing. What asks the event store comes first: nobody waits for it to be able to record."""
    now, period = clock.now_us(), wanted.period
    if len(wanted.findings) > review_changes.MOST_FINDINGS:
        raise BadRequest(f"A review has {review_changes.MOST_FINDINGS} findings at most.", code="bad_review")
    given = {"start": [period.start], "end": [period.end], "tz": [period.tz], "q": [wanted.query]}
    made = review_changes.draft_review(scope, given, about=wanted.about, now=now)
    events = review_changes.find_events(services.finder, scope, made, [one.event for one in wanted.findings])
    counted = review_changes.count_events(services.database, services.store, scope, made) if wanted.conclusion else None
    with services.database.write() as connection:
        review_changes.open_review(connection, scope, made, corrects=wanted.corrects, now=now, caller=caller)
        for event, one in zip(events, wanted.findings, strict=True):
            review_changes.mark_event(
                connection, scope, made.shown_id, event, one.severity, one.note, now=now, caller=caller
            )
        if counted is not None:
            review_changes.sign(connection, scope, made.shown_id, wanted.conclusion, *counted, now=now, caller=caller)
    return made


def _reminder(connection: Connection, scope: Scope) -> dict[str, Any]:
    wanted = reminder.read_reminder(connection, scope)
    waits = reminder.pending_reviews(connection, scope, now=clock.now_us())
    said = None
    if wanted is not None:
        said = {
            "weekday": wanted.weekday, "at": wanted.at, "tz": wanted.zone, "recipients": list(wanted.recipients),
            "next_at": rfc3339(wanted.next_at),
            "told_at": None if wanted.told_at is None else rfc3339(wanted.told_at),
        }  # fmt: skip
    return {
        "reminder": said,
        "open": len(waits.waiting),
        "overdue": [one.shown_id for one in waits.overdue],
        "none_this_week": waits.none_this_week,
        "last_signed_at": None if waits.last_signed_at is None else rfc3339(waits.last_signed_at),
    }
