"""The integrity check: /v1/ledger/check."""

from typing import Any

from litestar import Request, Response, get, post

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.integrity.overview import Overview, overview, request_check
from tallystick.integrity.rounds import Round

PATH = "/v1/ledger/check"


@get(PATH, name="api.show_check")
async def show_check(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """How far the check is, and what the last one found."""
    authorized = await authorize(request, services, "admin")
    return answer(_shown(await authorized.read(overview)))


@post(PATH, name="api.start_check")
async def start_check(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Lets a check begin now; asked again before it has ended, nothing more happens."""
    authorized = await authorize(request, services, "admin")
    await authorized.write(request_check, **authorized.context)
    services.checker.wake()
    return answer(_shown(await authorized.read(overview)), status=202)


def _shown(found: Overview) -> dict[str, object]:
    return {
        "size": found.size,
        "frozen": found.frozen_reason,
        "waiting": found.wanted is not None,
        "running": _round(found.running),
        "last": _round(found.last),
    }


def _round(one: Round | None) -> dict[str, object] | None:
    if one is None:
        return None
    return {
        "started_at": rfc3339(one.started_at),
        "finished_at": None if one.finished_at is None else rfc3339(one.finished_at),
        "asked_by": None if one.asked_by is None else one.asked_by.label,
        "entries": one.end,
        "done": one.position,
        "events": one.checked,
        "expired": one.expired,
        "erased": one.erased,
        "differences": one.found,
        "first_differences": [{"index": problem.index, "problem": problem.words} for problem in one.problems],
    }
