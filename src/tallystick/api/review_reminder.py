"""The weekly reminder of reviews: /v1/review-reminder."""

from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, delete, get, put
from msgspec import Meta
from sqlalchemy import Connection

from tallystick import clock
from tallystick.api.answers import answer
from tallystick.api.authorized_request import authorize
from tallystick.api.dependencies import ApiServices
from tallystick.api.fields import Count, RequestBody, ResponseBody, Time, TimeOfDay, doc
from tallystick.api.operation import operation
from tallystick.clock import optional_rfc3339, rfc3339
from tallystick.compliance import reminder
from tallystick.compliance.reminder import PendingReviews, Reminder
from tallystick.query.scope import Scope

PATH = "/v1/review-reminder"
_operation = partial(operation, "Compliance", "admin", "events:read")


class ReminderInput(RequestBody):
    """When people are reminded."""

    weekday: Annotated[int, doc("Day of the week; 0 is Monday.", minimum=0, maximum=6)]
    at: TimeOfDay
    recipients: Annotated[
        list[Annotated[str, doc("E-mail address of an owner, admin or auditor.")]],
        Meta(extra_json_schema={"minItems": 1, "maxItems": 20}),
    ]
    tz: Annotated[str, doc("Time zone.")] = "UTC"


class ReminderSettings(ResponseBody):
    """When people are reminded."""

    weekday: Annotated[Count, doc("Day of the week; 0 is Monday.")]
    at: TimeOfDay
    tz: Annotated[str, doc("Time zone.")]
    recipients: Annotated[list[str], doc("E-mail addresses.")]
    next_at: Annotated[Time, doc("When the next mail is due.")]
    told_at: Annotated[Time | None, doc("When the last mail was sent.")]

    @classmethod
    def of(cls, settings: Reminder) -> "ReminderSettings":
        return cls(
            weekday=settings.weekday,
            at=settings.at,
            tz=settings.zone,
            recipients=list(settings.recipients),
            next_at=rfc3339(settings.next_at),
            told_at=optional_rfc3339(settings.told_at),
        )


class ReviewReminder(ResponseBody):
    """The weekly reminder and what it would say."""

    reminder: ReminderSettings | None
    open: Annotated[Count, doc("Number of reviews that wait for a signature.")]
    overdue: Annotated[list[str], doc("Ids of reviews that have waited for more than seven days.")]
    none_this_week: Annotated[bool, doc("A reminder is set, and no review was signed for seven days.")]
    last_signed_at: Time | None

    @classmethod
    def of(cls, settings: Reminder | None, due: PendingReviews) -> "ReviewReminder":
        return cls(
            reminder=None if settings is None else ReminderSettings.of(settings),
            open=len(due.waiting),
            overdue=[review.public_id for review in due.overdue],
            none_this_week=due.none_this_week,
            last_signed_at=optional_rfc3339(due.last_signed_at),
        )


@get(PATH, opt=operation("Compliance", "events:read"))
async def show_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewReminder]:
    """Get the review reminder.

    Who is reminded when, and which reviews are open or overdue.
    """
    authorized = await authorize(request, services)
    return answer(await authorized.read(_reminder))


@put(PATH, opt=_operation(body=ReminderInput))
async def set_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewReminder]:
    """Set the review reminder.

    Sends a mail each week while a review is open or none was signed.
    """
    authorized = await authorize(request, services)
    body = await authorized.body(ReminderInput, "reminder", "bad_reminder")
    await authorized.write(reminder.set_reminder, body.weekday, body.at, body.tz, body.recipients, **authorized.context)
    return answer(await authorized.read(_reminder))


@delete(PATH, status_code=200, opt=_operation())
async def remove_reminder(request: Request[Any, Any, Any], services: ApiServices) -> Response[ReviewReminder]:
    """Remove the review reminder."""
    authorized = await authorize(request, services)
    await authorized.write(reminder.remove_reminder, **authorized.context)
    return answer(await authorized.read(_reminder))


def _reminder(connection: Connection, scope: Scope) -> ReviewReminder:
    settings = reminder.read_reminder(connection, scope)
    return ReviewReminder.of(settings, reminder.pending_reviews(connection, scope, now=clock.now_us()))
