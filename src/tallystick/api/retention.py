"""What is kept, how long, and what must stay: /v1/retention and /v1/legal-holds."""

from functools import partial
from typing import Any

import msgspec
from litestar import Request, Response, get, post

from tallystick import clock
from tallystick.access import organizations
from tallystick.api.answers import answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.clock import rfc3339
from tallystick.retention import holds
from tallystick.retention.change import RetentionPreview, preview_change
from tallystick.retention.forecast import WITHIN_DAYS, forecast
from tallystick.retention.holds import Hold
from tallystick.store.expiry import ExpiryCount


class HoldInput(msgspec.Struct, forbid_unknown_fields=True):
    """A legal hold as it is sent: what `query` finds between `start` and `end`."""

    name: str
    query: str = ""
    start: str = ""
    end: str = ""


class RetentionInput(msgspec.Struct, forbid_unknown_fields=True):
    """A change of the retention: to a plan, to a number of days, or both."""

    plan: str | None = None
    retention_days: int | None = None


@get("/v1/retention", name="api.show_retention")
async def show_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """How long events are kept, what goes within a week, what went."""
    authorized = await authorize(request, services, "admin")
    found = await services.database.run(partial(forecast, services.database, services.store, authorized.scope))
    return answer(
        {
            "plan": found.plan,
            "days": found.days,
            "kept_days": found.kept_days,
            "keeps_from": rfc3339(found.keeps_from),
            "expiring": {"within_days": WITHIN_DAYS, **_counted(found.expiring)},
            "pruned": found.pruned,
            "active_holds": found.active_holds,
            "last_purge_at": _time(found.last_purge_at),
            "next_purge_at": _time(found.next_purge_at),
            "support_contact": services.settings.support_contact or None,
        }
    )


@post("/v1/retention/preview", name="api.preview_retention", status_code=200)
async def preview_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """What a change would delete, and when; nothing is changed."""
    authorized, wanted = await _wanted(request, services)
    return answer(_previewed(await _preview(authorized, services, wanted)))


@post("/v1/retention", name="api.change_retention", status_code=200)
async def change_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Changes how long events are kept; a shorter time takes effect a day later."""
    authorized, wanted = await _wanted(request, services)
    found = await _preview(authorized, services, wanted)
    await authorized.write(organizations.set_retention, wanted.retention_days, plan=wanted.plan, **authorized.context)
    return answer(_previewed(found))


@get("/v1/legal-holds", name="api.list_holds")
async def list_holds(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Every hold there was, newest first."""
    authorized = await authorize(request, services, "admin")
    return answer({"data": [_shown(hold) for hold in await authorized.read(holds.list_holds)]})


@post("/v1/legal-holds", name="api.place_hold")
async def place_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Places a hold: what it finds stays, from now on."""
    authorized = await authorize(request, services, "admin")
    wanted = await authorized.body(HoldInput, "legal hold", "bad_hold")
    hold = await authorized.write(
        holds.place, wanted.name, wanted.query, wanted.start, wanted.end, **authorized.context
    )
    return answer(_shown(hold), status=201)


@get("/v1/legal-holds/{id:str}", name="api.show_hold")
async def show_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """One hold, released or not."""
    authorized = await authorize(request, services, "admin")
    return answer(_shown(await authorized.read(holds.show, authorized.id)))


@post("/v1/legal-holds/{id:str}/release", name="api.release_hold", status_code=200)
async def release_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[Any]:
    """Releases a hold: the retention goes on. Releasing again changes nothing."""
    authorized = await authorize(request, services, "admin")
    return answer(_shown(await authorized.write(holds.release, authorized.id, **authorized.context)))


async def _wanted(request: Request[Any, Any, Any], services: ApiServices) -> tuple[AuthorizedRequest, RetentionInput]:
    authorized = await authorize(request, services, "admin")
    return authorized, await authorized.body(RetentionInput, "change of the retention", "bad_retention")


async def _preview(authorized: AuthorizedRequest, services: ApiServices, wanted: RetentionInput) -> RetentionPreview:
    look = partial(
        preview_change, services.database, services.store, authorized.scope, wanted.retention_days, wanted.plan
    )
    return await services.database.run(partial(look, now=clock.now_us()))


def _counted(found: ExpiryCount) -> dict[str, object]:
    relation = "exact" if found.complete else "at_least"
    return {"events": found.events, "never_exported": found.outside, "relation": relation}


def _previewed(found: RetentionPreview) -> dict[str, object]:
    return {
        "plan": found.plan,
        "retention_days": found.days,
        "before": {"plan": found.before.plan, "retention_days": found.before.retention_days},
        "deletes": {**_counted(found.deletes), "oldest": _time(found.deletes.oldest)},
        "effective_at": rfc3339(found.effective_at),
        "keeps_from": rfc3339(found.keeps_from),
    }


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
