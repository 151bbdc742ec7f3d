"""Legal holds: /v1/legal-holds."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post
from msgspec import Meta

from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.retention import holds
from tallystick.retention.holds import Hold

PATH = "/v1/legal-holds"
_act = partial(operation, "Retention", "admin")
_read = partial(operation, "Retention", "admin", "events:read")
_LENGTH = {"maxLength": 2000}

Name = Annotated[str, doc("Name of the hold.", minLength=1, maxLength=100)]
Query = Annotated[str, Meta(description="Search for the events to hold.", extra_json_schema=_LENGTH)]
Start = Annotated[str, Meta(description="Earliest date or time of the events.", extra_json_schema=_LENGTH)]
End = Annotated[str, Meta(description="Latest date (inclusive) or time (exclusive).", extra_json_schema=_LENGTH)]


class HoldInput(RequestBody):
    """A legal hold as sent: at least one of `query`, `start` and `end` is needed."""

    name: Name
    query: Query = ""
    start: Start = ""
    end: End = ""


class HoldResponse(ResponseBody):
    """A legal hold."""

    id: Annotated[str, doc("`hold_` and 26 characters.")]
    name: Name
    query: Query
    start: Start
    end: End
    placed_by: Annotated[str, doc("Who placed the hold.")]
    placed_at: Time
    released_at: Time | None

    @classmethod
    def of(cls, hold: Hold) -> "HoldResponse":
        return cls(
            id=hold.public_id,
            name=hold.name,
            query=hold.query,
            start=hold.start,
            end=hold.end,
            placed_by=hold.placed_by,
            placed_at=rfc3339(hold.placed_at),
            released_at=optional_rfc3339(hold.released_at),
        )


class HoldsResponse(ResponseBody):
    """Legal holds, newest first."""

    data: list[HoldResponse]


@get(PATH, opt=_read())
async def list_holds(request: Request[Any, Any, Any], services: ApiServices) -> Response[HoldsResponse]:
    """List legal holds.

    Newest first, including released ones.
    """
    authorized = await authorize(request, services)
    return answer(HoldsResponse([HoldResponse.of(hold) for hold in await authorized.read(holds.list_holds)]))


@post(PATH, opt=_act(body=HoldInput, problems=(409,)))
async def place_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[HoldResponse]:
    """Place a legal hold.

    Events that the search finds between the two times are not deleted until the hold is released. Relative times
    such as `7d` are resolved once, when the hold is placed.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(HoldInput, "legal hold", "bad_hold")
    hold = await authorized.write(holds.place, body.name, body.query, body.start, body.end, **authorized.context)
    return answer(HoldResponse.of(hold))


@get(PATH + "/{id:str}", opt=_read())
async def show_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[HoldResponse]:
    """Get a legal hold."""
    authorized = await authorize(request, services)
    return answer(HoldResponse.of(await authorized.read(holds.show, authorized.id)))


@post(PATH + "/{id:str}/release", status_code=200, opt=_act())
async def release_hold(request: Request[Any, Any, Any], services: ApiServices) -> Response[HoldResponse]:
    """Release a legal hold.

    Only people release a hold. The answer to an API key is 403 `person_required`, with the page where a person does
    it; for a hold that is released already, it is the hold.
    """
    authorized = await authorize(request, services)
    return answer(HoldResponse.of(await authorized.write(holds.release, authorized.id, **authorized.context)))
