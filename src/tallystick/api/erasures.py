"""Erasing a person's data: /v1/erasures."""

import time
from functools import partial
from typing import Annotated, Any

import anyio
from litestar import Request, Response, get, post
from msgspec import UNSET, Meta, UnsetType

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, NamedReference, RequestBody, ResponseBody, SearchableThrough, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.erasure import request as erasure_request
from tallystick.erasure.request import Erasure
from tallystick.erasure.subject import Subject

PREVIEW_SECONDS = 5.0  # an answer waits this long for the preview
POLL_SECONDS = 0.05
STATES = ("looking", "ready", "confirmed", "completed", "cancelled", "expired")
_operation = partial(operation, "Retention", "admin", "events:read")


class SubjectInput(RequestBody):
    """The person whose data is erased: an e-mail address, an id, or both."""

    email: Annotated[str, doc("E-mail address of the person.")] = ""
    id: Annotated[str, doc("Id of the person.")] = ""


class ErasureInput(RequestBody):
    """A request to erase a person's data."""

    subject: SubjectInput
    reason: Annotated[
        str, doc("Reason. It is recorded permanently and must not name the person.", minLength=1, maxLength=500)
    ]
    also: (
        Annotated[
            list[Annotated[str, Meta(extra_json_schema={"minLength": 3, "maxLength": 320})]],
            doc("Further texts that identify the person, such as a name.", maxItems=20),
        ]
        | UnsetType
    ) = UNSET


class ErasureSubject(ResponseBody):
    """The person whose data is erased."""

    email: str | None
    id: str | None


class ErasureAccount(ResponseBody):
    """The person's account, which an erasure keeps."""

    id: Annotated[str, doc("`usr_` and 26 characters.")]
    role: Annotated[str, doc("Role of the account.")]


class ErasurePreviewResponse(ResponseBody):
    """What an erasure would change, as far as it is known."""

    events: Annotated[Count, doc("Number of events that lose parts.")]
    held: Annotated[Count, doc("Number of events that stay whole under a legal hold.")]
    archived: Annotated[Count, doc("Number of the events that are in the operator's archive.")]
    kinds: Annotated[dict[str, Count], doc("Number of events by where the person occurs.")]
    parts: Annotated[dict[str, Count], doc("Number of events by the part that is erased.")]
    names: Annotated[dict[str, list[str]], doc("Names under which the person acted, for `also`.")]
    places: Annotated[dict[str, Count], doc("Number of cases, saved views and the like that mention them.")]
    account: ErasureAccount | None
    searched_through: SearchableThrough


class ErasureResponse(ResponseBody):
    """An erasure of a person's data."""

    id: Annotated[str, doc("`ers_` and 26 characters.")]
    state: Annotated[str, doc("`looking` while the preview is made, `ready` until it is confirmed.", enum=list(STATES))]
    subject: Annotated[ErasureSubject | None, doc("The person; null once the erasure is over.")]
    also: Annotated[list[str] | None, doc("Further texts that identify the person.")]
    reason: str
    requested_by: NamedReference
    requested_at: Time
    expires_at: Time | None
    first_confirmed_by: Annotated[
        NamedReference | None, doc("The first of the two people who confirm what an API key requested.")
    ]
    confirmed_by: NamedReference | None
    confirmed_at: Time | None
    finished_at: Time | None
    copies_until: Annotated[
        Time | None,
        doc(
            "Until when continuous copies may still hold the erased data: later if copies fail, and 9999-12-31 while "
            "copies are left in a place that is not used any more. Null if none do."
        ),
    ]
    preview: Annotated[ErasurePreviewResponse | None, doc("The preview; null once the erasure is over.")]
    erased: Annotated[Count, doc("Number of events that lost parts.")]
    held: Annotated[Count, doc("Number of events that stayed whole under a legal hold.")]
    waits_for: Annotated[str | None, doc("Why the last step failed, such as an unreachable archive. It is retried.")]

    @classmethod
    def of(cls, erasure: Erasure) -> "ErasureResponse":
        subject, preview = erasure.subject, erasure.preview
        first, confirmed = erasure.first_by, erasure.confirmed_by
        return cls(
            id=erasure.public_id,
            state=erasure.state,
            subject=None if subject is None else ErasureSubject(subject.email or None, subject.id or None),
            also=None if subject is None else list(subject.also),
            reason=erasure.reason,
            requested_by=NamedReference(erasure.requested_by, erasure.requested_by_name),
            requested_at=rfc3339(erasure.requested_at),
            expires_at=optional_rfc3339(erasure.expires_at),
            first_confirmed_by=None
            if first in ("", erasure.requested_by)
            else NamedReference(first, erasure.first_by_name),
            confirmed_by=NamedReference(confirmed, erasure.confirmed_by_name) if confirmed else None,
            confirmed_at=optional_rfc3339(erasure.confirmed_at),
            finished_at=optional_rfc3339(erasure.finished_at),
            copies_until=optional_rfc3339(erasure.copies_until),
            preview=None
            if preview is None
            else ErasurePreviewResponse(
                events=preview.trail.events,
                held=preview.trail.held,
                archived=preview.trail.archived,
                kinds=preview.trail.kinds,
                parts=preview.trail.parts,
                names=preview.trail.names,
                places=preview.places,
                account=None if preview.account is None else ErasureAccount(**preview.account),
                searched_through=preview.searched_through,
            ),
            erased=erasure.events,
            held=erasure.held,
            waits_for=erasure.waits_for or None,
        )


class ErasuresResponse(ResponseBody):
    """Erasures, newest first."""

    data: list[ErasureResponse]


@post("/v1/erasures", opt=_operation(body=ErasureInput, problems=(409,)))
async def ask_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[ErasureResponse]:
    """Request an erasure.

    Searches for a person as actor, as resource and in details. Nothing is erased before two people agree: whoever
    requests it and another person, or two who confirm the request of a key. Unconfirmed, it expires after seven days.
    The answer waits up to five seconds for the preview: while `state` is `looking`, get the erasure again.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ErasureInput, "erasure", "bad_erasure")
    subject = Subject(body.subject.email, body.subject.id, () if body.also is UNSET else tuple(body.also))
    erasure = await authorized.write(erasure_request.request_erasure, subject, body.reason, **authorized.context)
    services.eraser.wake()
    deadline = time.monotonic() + PREVIEW_SECONDS
    while erasure.state == "looking" and time.monotonic() < deadline:
        await anyio.sleep(POLL_SECONDS)
        erasure = await authorized.read(erasure_request.show, erasure.public_id)
    return answer(ErasureResponse.of(erasure))


@get("/v1/erasures", opt=_operation())
async def list_erasures(request: Request[Any, Any, Any], services: ApiServices) -> Response[ErasuresResponse]:
    """List erasures.

    Newest first, including those that are over.
    """
    authorized = await authorize(request, services)
    erasures = await authorized.read(erasure_request.list_erasures)
    return answer(ErasuresResponse([ErasureResponse.of(erasure) for erasure in erasures]))


@get("/v1/erasures/{id:str}", opt=_operation())
async def show_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[ErasureResponse]:
    """Get an erasure."""
    authorized = await authorize(request, services)
    return answer(ErasureResponse.of(await authorized.read(erasure_request.show, authorized.id)))


@post("/v1/erasures/{id:str}/confirm", status_code=200, opt=_operation(problems=(409,)))
async def confirm_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[ErasureResponse]:
    """Confirm an erasure.

    Only people confirm. The answer to an API key is 403 `person_required`, with the page where a person does it.
    """
    authorized = await authorize(request, services)
    return answer(
        ErasureResponse.of(await authorized.write(erasure_request.confirm, authorized.id, **authorized.context))
    )


@post("/v1/erasures/{id:str}/cancel", status_code=200, opt=_operation(problems=(409,)))
async def cancel_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[ErasureResponse]:
    """Cancel an erasure.

    Possible until it is confirmed; the person's data leaves the request. Cancelling again changes nothing.
    """
    authorized = await authorize(request, services)
    cancelled = await authorized.write(erasure_request.cancel, authorized.id, **authorized.context)
    services.eraser.wake()
    return answer(ErasureResponse.of(cancelled))
