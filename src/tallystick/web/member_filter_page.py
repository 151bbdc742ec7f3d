"""The page of a member's filter: which events the member sees, with a preview before it is saved."""

from dataclasses import dataclass
from datetime import tzinfo

from litestar import Response, get, post

from tallystick.access import member_filter
from tallystick.access.members import FILTERED_ROLES, Member, parse_member_id, show_member
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict
from tallystick.query.conditions import Query
from tallystick.query.mandatory_filter import MandatoryFilter
from tallystick.query.scope import Scope
from tallystick.search.filter_text import LONGEST, parse_filter
from tallystick.search.find import Finder
from tallystick.web.audit_logs import filters_of
from tallystick.web.dependencies import (
    DatabaseDep,
    FinderDep,
    FrameDep,
    Injected,
    PoolsDep,
    UserScopeDep,
    WebRequest,
)
from tallystick.web.event_row import EventRow, event_row
from tallystick.web.form_request import FormRequestDep
from tallystick.web.page_access import OWNERS
from tallystick.web.page_frame import PageFrame
from tallystick.web.templating import html, redirect
from tallystick.work.request_pools import RequestPools

PATH = "/members/{member_id:str}/filter"
MOST_EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class FilterPreview:
    """How many events the member would see within a filter, and the newest of them."""

    text: str
    total: int
    is_exact: bool
    examples: list[EventRow]


@dataclass(frozen=True, slots=True)
class MemberFilterPage:
    """Renders the page of a member's filter, also after its form."""

    scope: Scope
    frame: PageFrame
    database: Database
    pools: RequestPools
    finder: Finder
    zone: tzinfo

    async def show(
        self, member_id: str, *, typed: str | None = None, preview: FilterPreview | None = None, problem: str = "",
        status: int = 200,
    ) -> Response[str]:  # fmt: skip
        """The page with what was `typed`, or else with the filter in force. NotFound (`no_member`)."""
        member = await self.pools.short.run(self.scope, _load, self.database, self.scope, member_id)
        in_force = "" if member.limit is None else member.limit.text
        return html(
            "member_filter.html",
            status=status,
            frame=self.frame.at("members"),
            member=member,
            member_id=member_id,
            in_force=in_force,
            typed=in_force if typed is None else typed,
            preview=preview,
            problem=problem,
            is_filterable=member.role in FILTERED_ROLES,
            most=LONGEST,
        )

    async def preview(self, member_id: str, wanted: MandatoryFilter) -> FilterPreview:
        """What the member would see; raises what `member_filter.scope_within_filter` raises."""
        return await self.pools.searches.run(self.scope, self._preview, member_id, wanted)

    def _preview(self, member_id: str, wanted: MandatoryFilter) -> FilterPreview:
        with self.database.read() as connection:
            scope = member_filter.scope_within_filter(connection, self.scope, parse_member_id(member_id), wanted)
        page = self.finder.page(scope, Query(), limit=MOST_EXAMPLES, count="exact")
        examples = [event_row(stored, self.zone) for stored in page.data]
        return FilterPreview(wanted.text, page.total or 0, page.total_relation == "exact", examples)


MemberFilterPageDep = Injected[MemberFilterPage]


async def provide_member_filter_page(
    request: WebRequest, user_scope: UserScopeDep, frame: FrameDep, database: DatabaseDep, pools: PoolsDep,
    finder: FinderDep,
) -> MemberFilterPage:  # fmt: skip
    """The page of this request."""
    return MemberFilterPage(user_scope, frame, database, pools, finder, filters_of(request).zone)


@get(PATH, name="web.member_filter", opt=OWNERS)
async def show_member_filter(member_id: str, member_filter_page: MemberFilterPageDep) -> Response[str]:
    """The page."""
    return await member_filter_page.show(member_id)


@post(PATH, name="web.member_filter.set", status_code=200, opt=OWNERS)
async def set_member_filter(
    member_id: str, form_request: FormRequestDep, member_filter_page: MemberFilterPageDep
) -> Response[str]:
    """Shows what the member would see, or sets or removes the filter."""
    typed, act = form_request.text("filter").strip(), form_request.text("act")
    try:
        wanted = None if act == "remove" else parse_filter(typed, now=now_us())
        if act in ("set", "remove"):
            if act == "set" and wanted is None:
                raise BadRequest("Write which events can be seen, or remove the filter.", code="bad_filter")
            member = parse_member_id(member_id)
            await form_request.write(member_filter.set_filter, member, wanted, **form_request.context)
            return redirect(f"/members/{member_id}/filter")
        if wanted is None:
            raise BadRequest("Write which events can be seen, such as category:deployments.", code="bad_filter")
        preview = await member_filter_page.preview(member_id, wanted)
    except (BadRequest, Conflict) as problem:
        return await member_filter_page.show(member_id, typed=typed, problem=problem.detail, status=problem.status)
    return await member_filter_page.show(member_id, typed=typed, preview=preview)


def _load(database: Database, scope: Scope, member_id: str) -> Member:
    with database.read() as connection:
        return show_member(connection, scope, parse_member_id(member_id))
