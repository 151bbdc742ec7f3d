"""What a member may read: /v1/members/{id}/filter."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post, put

from tallystick import ids
from tallystick.access import member_filter
from tallystick.access.members import Member, parse_member_id, show_member
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.event_schema import EventResponse, event_response
from tallystick.api.fields import RequestBody, ResponseBody, doc
from tallystick.api.operation import operation
from tallystick.clock import now_us
from tallystick.errors import BadRequest
from tallystick.query.conditions import Query
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.search.filter_text import LONGEST, parse_filter
from tallystick.search.page import Relation

PATH = "/v1/members/{id:str}/filter"
MOST_EXAMPLES = 5
_operation = partial(operation, "Members", "admin")

FilterText = Annotated[
    str,
    doc("A search of qualifiers and equal values, such as `category:deployments`.", minLength=1, maxLength=LONGEST),
]


class MemberFilterInput(RequestBody):
    """What a member may read."""

    filter: Annotated[FilterText | None, doc("Only the events that it finds; null: all that the role may.")]


class FilterPreviewInput(RequestBody):
    """A filter to try."""

    filter: FilterText


class MemberFilterResponse(ResponseBody):
    """What a member may read."""

    id: Annotated[str, doc("`usr_` and 26 characters.")]
    filter: Annotated[FilterText | None, doc("The member sees only what it finds; null: all that the role may.")]

    @classmethod
    def of(cls, member: Member) -> "MemberFilterResponse":
        """The answer for a member."""
        return cls(ids.encode("usr", member.user_id.bytes), None if member.limit is None else member.limit.text)


class FilterPreviewResponse(ResponseBody):
    """What a member would see within a filter."""

    total: Annotated[int, doc("Number of events.")]
    total_relation: Annotated[Relation, doc("How exact `total` is.")]
    data: Annotated[list[EventResponse], doc("The newest of them.", maxItems=MOST_EXAMPLES)]


@get(PATH, opt=_operation())
async def show_member_filter(request: Request[Any, Any, Any], services: ApiServices) -> Response[MemberFilterResponse]:
    """Get the filter of a member."""
    authorized = await authorize(request, services)
    return answer(MemberFilterResponse.of(await authorized.read(show_member, parse_member_id(authorized.id))))


@put(PATH, opt=_operation(body=MemberFilterInput, problems=(409,)))
async def set_member_filter(request: Request[Any, Any, Any], services: ApiServices) -> Response[MemberFilterResponse]:
    """Set the filter of a member.

    The member, an auditor or a member, then sees only what the filter finds, in every way of reading, within a second.
    Takes a key that an owner created.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(MemberFilterInput, "filter", "bad_filter")
    wanted = parse_filter(body.filter or "", now=now_us())
    member = await authorized.write(
        member_filter.set_filter, parse_member_id(authorized.id), wanted, **authorized.context
    )
    return answer(MemberFilterResponse.of(member))


@post(
    PATH + "/preview",
    status_code=200,
    opt=operation("Members", "admin", "events:read", body=FilterPreviewInput, problems=(409,)),
)
async def preview_member_filter(
    request: Request[Any, Any, Any], services: ApiServices
) -> Response[FilterPreviewResponse]:
    """Preview the filter of a member.

    How many events the member would see, and the newest of them. Nothing changes.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(FilterPreviewInput, "filter", "bad_filter")
    wanted = required_filter(body.filter)
    scope = await authorized.read(member_filter.scope_within_filter, parse_member_id(authorized.id), wanted)
    page = await services.pools.searches.run(
        authorized.scope, services.finder.page, scope, Query(), limit=MOST_EXAMPLES, count="exact"
    )
    return answer(
        FilterPreviewResponse(
            page.total or 0, page.total_relation or "exact", [event_response(one) for one in page.data]
        )
    )


def required_filter(text: str) -> MandatoryFilter:
    """The filter of a text; BadRequest (`bad_filter`) for a blank one."""
    wanted = parse_filter(text, now=now_us())
    if wanted is None:
        raise BadRequest("Write which events can be seen, such as category:deployments.", code="bad_filter")
    return wanted
