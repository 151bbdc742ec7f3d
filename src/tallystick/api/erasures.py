"""Erasing a person's data: /v1/erasures."""

import time
from typing import Any

import anyio
import msgspec
from litestar import Request, Response, get, post

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.erasure import request as erasure_request
from tallystick.erasure.request import Erasure
from tallystick.erasure.subject import Subject

LOOK_SECONDS = 5.0  # an answer waits so long for the preview
LOOK_EACH = 0.05


class SubjectInput(msgspec.Struct, forbid_unknown_fields=True):
    """Whose data: an e-mail address, an id, or both."""

    email: str = ""
    id: str = ""


class ErasureInput(msgspec.Struct, forbid_unknown_fields=True):
    """An erasure as it is asked for; `also` are further texts by which the person is known."""

    subject: SubjectInput
    reason: str
    also: tuple[str, ...] = ()


@post("/v1/erasures", name="api.ask_erasure")
async def ask_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Looks for a person; answers with what was found, or while it is still being looked for."""
    authorized = await authorize(request, services, "admin")
    wanted = await authorized.body(ErasureInput, "erasure", "bad_erasure")
    subject = Subject(wanted.subject.email, wanted.subject.id, wanted.also)
    one = await authorized.write(erasure_request.request_erasure, subject, wanted.reason, **authorized.context)
    services.eraser.wake()
    ends = time.monotonic() + LOOK_SECONDS
    while one.state == "looking" and time.monotonic() < ends:
        await anyio.sleep(LOOK_EACH)
        one = await authorized.read(erasure_request.show, one.shown_id)
    return answer(_shown(one), status=201)


@get("/v1/erasures", name="api.list_erasures")
async def list_erasures(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Every erasure that was asked for, newest first."""
    authorized = await authorize(request, services, "admin")
    return answer({"data": [_shown(one) for one in await authorized.read(erasure_request.list_erasures)]})


@get("/v1/erasures/{id:str}", name="api.show_erasure")
async def show_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One erasure, over or not."""
    authorized = await authorize(request, services, "admin")
    return answer(_shown(await authorized.read(erasure_request.show, authorized.id)))


@post("/v1/erasures/{id:str}/confirm", name="api.confirm_erasure", status_code=200)
async def confirm_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """A second person lets it be done. Confirming again changes nothing."""
    authorized = await authorize(request, services, "admin")
    confirmed = await authorized.write(erasure_request.confirm, authorized.id, **authorized.context)
    services.eraser.wake()
    return answer(_shown(confirmed))


@post("/v1/erasures/{id:str}/cancel", name="api.cancel_erasure", status_code=200)
async def cancel_erasure(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets it be, and forgets whom it was about. Cancelling again changes nothing."""
    authorized = await authorize(request, services, "admin")
    cancelled = await authorized.write(erasure_request.cancel, authorized.id, **authorized.context)
    services.eraser.wake()
    return answer(_shown(cancelled))


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _shown(erasure: Erasure) -> dict[str, object]:
    subject, preview = erasure.subject, erasure.preview
    return {
        "id": erasure.shown_id,
        "state": erasure.state,
        "subject": None if subject is None else {"email": subject.email or None, "id": subject.id or None},
        "also": None if subject is None else list(subject.also),
        "reason": erasure.reason,
        "requested_by": {"id": erasure.requested_by, "name": erasure.requested_by_name},
        "requested_at": rfc3339(erasure.requested_at),
        "expires_at": _time(erasure.expires_at),
        "confirmed_by": {"id": erasure.confirmed_by, "name": erasure.confirmed_by_name}
        if erasure.confirmed_by
        else None,
        "confirmed_at": _time(erasure.confirmed_at),
        "finished_at": _time(erasure.finished_at),
        "preview": None
        if preview is None
        else {
            "events": preview.trail.events,
            "held": preview.trail.held,
            "archived": preview.trail.archived,
            "kinds": preview.trail.kinds,
            "parts": preview.trail.parts,
            "names": preview.trail.names,
            "places": preview.places,
            "account": preview.account,
            "searched_through": preview.searched_through,
        },
        "erased": erasure.events,
        "held": erasure.held,
        "waits_for": erasure.waits_for or None,
    }
