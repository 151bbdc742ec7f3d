"""What is kept, how long, and what must stay: /v1/retention and /v1/legal-holds."""

from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from tallystick import clock
from tallystick.access.acts import Caller
from tallystick.api.answers import answer
from tallystick.api.authorisation import authorised, calling
from tallystick.api.body import received_body
from tallystick.api.parameters import Parameters
from tallystick.api.parts import Parts
from tallystick.clock import rfc3339
from tallystick.errors import BadRequest
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.forecast import WITHIN_DAYS, forecast
from tallystick.retention.holds import Hold


class HoldInput(msgspec.Struct, forbid_unknown_fields=True):
    """A legal hold as it is sent: what `query` finds between `start` and `end`."""

    name: str
    query: str = ""
    start: str = ""
    end: str = ""


_hold_input = msgspec.json.Decoder(HoldInput)


@get("/v1/retention", name="api.show_retention")
async def show_retention(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """How long events are kept, what goes within a week, what went."""
    scope = await authorised(request, parts, "admin")
    Parameters.of(request, ())
    found = await parts.database.run(partial(forecast, parts.database, parts.store, scope))
    return answer(
        {
            "plan": found.plan,
            "days": found.days,
            "kept_days": found.kept_days,
            "keeps_from": rfc3339(found.keeps_from),
            "expiring": {"within_days": WITHIN_DAYS, "events": found.expiring},
            "pruned": found.pruned,
            "active_holds": found.active_holds,
            "last_purge_at": _time(found.last_purge_at),
            "next_purge_at": _time(found.next_purge_at),
            "support_contact": parts.settings.support_contact or None,
        }
    )


@get("/v1/legal-holds", name="api.list_holds")
async def list_holds(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """Every hold there was, newest first."""
    scope = await authorised(request, parts, "admin")
    Parameters.of(request, ())
    return answer({"data": [_shown(hold) for hold in await parts.database.run(partial(_list, parts, scope))]})


@post("/v1/legal-holds", name="api.place_hold")
async def place_hold(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """Places a hold: what it finds stays, from now on."""
    scope = await authorised(request, parts, "admin")
    Parameters.of(request, ())
    async with received_body(request, parts.bodies) as body:
        wanted = _read(body)
    hold = await parts.database.run(partial(_place, parts, scope, wanted, calling(request, parts)))
    return answer(_shown(hold), status=201)


@get("/v1/legal-holds/{id:str}", name="api.show_hold")
async def show_hold(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """One hold, released or not."""
    scope = await authorised(request, parts, "admin")
    Parameters.of(request, ())
    return answer(_shown(await parts.database.run(partial(_show, parts, scope, request.path_params["id"]))))


@post("/v1/legal-holds/{id:str}/release", name="api.release_hold", status_code=200)
async def release_hold(request: Request[Any, Any, Any], parts: Parts) -> Response[Any]:
    """Releases a hold: the retention goes on. Releasing again changes nothing."""
    scope = await authorised(request, parts, "admin")
    Parameters.of(request, ())
    caller = calling(request, parts)
    hold = await parts.database.run(partial(_release, parts, scope, request.path_params["id"], caller))
    return answer(_shown(hold))


def _read(body: bytes) -> HoldInput:
    try:
        return _hold_input.decode(body)
    except msgspec.ValidationError as error:
        raise BadRequest(f"This is no legal hold: {error}.", code="bad_hold") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"This is not JSON: {error}.", code="bad_json") from None


def _list(parts: Parts, scope: Scope) -> list[Hold]:
    with parts.database.read() as connection:
        return holds.list_holds(connection, scope)


def _show(parts: Parts, scope: Scope, shown_id: str) -> Hold:
    with parts.database.read() as connection:
        return holds.show(connection, scope, shown_id)


def _place(parts: Parts, scope: Scope, wanted: HoldInput, caller: Caller) -> Hold:
    with parts.database.write() as connection:
        return holds.place(
            connection, scope, wanted.name, wanted.query, wanted.start, wanted.end, now=clock.now_us(), caller=caller
        )


def _release(parts: Parts, scope: Scope, shown_id: str, caller: Caller) -> Hold:
    with parts.database.write() as connection:
        return holds.release(connection, scope, shown_id, now=clock.now_us(), caller=caller)


def _time(at: int | None) -> str | None:
    return None if at is None else rfc3339(at)


def _shown(hold: Hold) -> dict[str, object]:
    return {
        "id": hold.shown_id,
        "name": hold.name,
        "query": hold.query,
        "start": hold.start,
        "end": hold.end,
        "placed_by": hold.placed_by,
        "placed_at": rfc3339(hold.placed_at),
        "released_at": _time(hold.released_at),
    }
