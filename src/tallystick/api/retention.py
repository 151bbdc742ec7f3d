"""How long events are kept: /v1/retention."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, get, post
from msgspec import Meta

from tallystick import clock
from tallystick.access import organizations
from tallystick.api.answers import answer
from tallystick.api.authorized_request import AuthorizedRequest, authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, RequestBody, ResponseBody, Time, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.retention.change import RetentionPreview, preview_change
from tallystick.retention.forecast import WITHIN_DAYS, Forecast, forecast
from tallystick.store.expiry import ExpiryCount

PATH = "/v1/retention"
_operation = partial(operation, "Retention", "admin")
_PLANS = {"enum": ["free", "pro", "enterprise"]}
_DAYS = {"minimum": 1, "maximum": 36_500}

Plan = Annotated[str, Meta(description="Plan.", extra_json_schema=_PLANS)]
Days = Annotated[int, Meta(description="Number of days that events are kept.", extra_json_schema=_DAYS)]
NeverExported = Annotated[Count, doc("Number of these events that are in no export and no archive.")]
Relation = Annotated[str, doc("`at_least` if there was no time to count all of them.", enum=["exact", "at_least"])]


class RetentionInput(RequestBody):
    """A change of the retention: a plan, a number of days, or both."""

    plan: Annotated[
        Plan | None, doc("Plan. Without `retention_days`, events are kept as long as the plan includes.")
    ] = None
    retention_days: Annotated[Days | None, doc("Number of days, from 365: for owners on the enterprise plan.")] = None


class ExpiringEvents(ResponseBody):
    """Events that are deleted soon."""

    within_days: Annotated[Count, doc("Number of days ahead.")]
    events: Count
    never_exported: NeverExported
    relation: Relation

    @classmethod
    def of(cls, tally: ExpiryCount) -> "ExpiringEvents":
        return cls(WITHIN_DAYS, tally.events, tally.outside, _relation(tally))


class WaitingEvents(ResponseBody):
    """Events that were older than what is kept when they were recorded, such as those of an import."""

    events: Count
    relation: Relation
    oldest: Annotated[Time | None, doc("Timestamp of the oldest one.")]

    @classmethod
    def of(cls, tally: ExpiryCount) -> "WaitingEvents":
        return cls(tally.events, _relation(tally), optional_rfc3339(tally.oldest))


class RetentionResponse(ResponseBody):
    """How long events are kept."""

    plan: Plan
    days: Annotated[Count, doc("Number of days that events are kept.")]
    kept_days: Annotated[
        int, Meta(description="Number of days in force today: a shorter retention takes effect a day later.", ge=0)
    ]
    keeps_from: Annotated[Time, doc("Older events are deleted.")]
    expiring: ExpiringEvents
    waiting: Annotated[
        WaitingEvents, doc("They stay through one daily purge, which tells the owners; the next one deletes them.")
    ]
    pruned: Annotated[Count, doc("Number of events deleted since the beginning.")]
    active_holds: Annotated[Count, doc("Number of legal holds in force.")]
    last_purge_at: Time | None
    next_purge_at: Time | None
    support_contact: Annotated[str | None, doc("Contact for a longer retention.")]

    @classmethod
    def of(cls, found: Forecast, support_contact: str | None) -> "RetentionResponse":
        return cls(
            plan=found.plan,
            days=found.days,
            kept_days=found.kept_days,
            keeps_from=rfc3339(found.keeps_from),
            expiring=ExpiringEvents.of(found.expiring),
            waiting=WaitingEvents.of(found.waiting),
            pruned=found.pruned,
            active_holds=found.active_holds,
            last_purge_at=optional_rfc3339(found.last_purge_at),
            next_purge_at=optional_rfc3339(found.next_purge_at),
            support_contact=support_contact or None,
        )


class PreviousRetention(ResponseBody):
    """The retention before a change."""

    plan: Plan
    retention_days: Days


class DeletedEvents(ResponseBody):
    """Events that a change of the retention deletes."""

    events: Count
    never_exported: NeverExported
    relation: Relation
    oldest: Annotated[Time | None, doc("Timestamp of the oldest one.")]

    @classmethod
    def of(cls, tally: ExpiryCount) -> "DeletedEvents":
        return cls(tally.events, tally.outside, _relation(tally), optional_rfc3339(tally.oldest))


class RetentionChange(ResponseBody):
    """The effect of a change of the retention."""

    plan: Plan
    retention_days: Days
    before: PreviousRetention
    deletes: DeletedEvents
    effective_at: Annotated[Time, doc("Nothing is deleted because of the change before this time.")]
    keeps_from: Annotated[Time, doc("Older events are deleted then.")]

    @classmethod
    def of(cls, found: RetentionPreview) -> "RetentionChange":
        return cls(
            plan=found.plan,
            retention_days=found.days,
            before=PreviousRetention(found.before.plan, found.before.retention_days),
            deletes=DeletedEvents.of(found.deletes),
            effective_at=rfc3339(found.effective_at),
            keeps_from=rfc3339(found.keeps_from),
        )


@get(PATH, opt=_operation("events:read"))
async def show_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[RetentionResponse]:
    """Get the retention.

    The plan, how long events are kept, how many are deleted within a week, and how many of those were never exported.
    """
    authorized = await authorize(request, services)
    found = await services.pools.searches.run(
        authorized.scope, forecast, services.database, services.store, authorized.scope
    )
    return answer(RetentionResponse.of(found, services.settings.support_contact))


@post(PATH + "/preview", status_code=200, opt=_operation(body=RetentionInput))
async def preview_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[RetentionChange]:
    """Preview a change of the retention.

    How many events the change deletes, from when on, and how many of them were never exported. Nothing is changed.
    """
    authorized = await authorize(request, services)
    return answer(RetentionChange.of(await _preview(authorized, services, await _input(authorized))))


@post(PATH, status_code=200, opt=_operation(body=RetentionInput))
async def change_retention(request: Request[Any, Any, Any], services: ApiServices) -> Response[RetentionChange]:
    """Change the retention.

    Takes a key that an owner or the operator created. Fewer days and a smaller plan are for people: the answer is 403
    `person_required` then, with the page where an owner does it. The answer is that of the preview.
    """
    authorized = await authorize(request, services)
    body = await _input(authorized)
    found = await _preview(authorized, services, body)
    await authorized.write(organizations.set_retention, body.retention_days, plan=body.plan, **authorized.context)
    return answer(RetentionChange.of(found))


async def _input(authorized: AuthorizedRequest) -> RetentionInput:
    return await authorized.body(RetentionInput, "change of the retention", "bad_retention")


async def _preview(authorized: AuthorizedRequest, services: ApiServices, body: RetentionInput) -> RetentionPreview:
    return await services.pools.searches.run(
        authorized.scope,
        preview_change,
        services.database,
        services.store,
        authorized.scope,
        body.retention_days,
        body.plan,
        now=clock.now_us(),
    )


def _relation(tally: ExpiryCount) -> str:
    return "exact" if tally.complete else "at_least"
