"""The weekly reminder of reviews: its settings, what is overdue, and the worker that emails it."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import clock, ids
from tallystick.access import members, organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, record_own_for, resource
from tallystick.access.members import Member
from tallystick.access.scopes import operator_scope, require, require_whole_trail
from tallystick.clock import DAY_US, from_us
from tallystick.compliance.review import OVERDUE_DAYS, Review, last_signed_at, list_open_reviews
from tallystick.compliance.tables import review_reminders
from tallystick.database.engine import Database
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.errors import BadRequest
from tallystick.query.scope import TALLYSTICK, Scope
from tallystick.work import calendar
from tallystick.work.background import Background
from tallystick.work.calendar import BadCalendar, Calendar
from tallystick.work.pauses import Pauses

IDLE_SECONDS = 30.0
PAUSE_SECONDS = 600
MOST_RECIPIENTS = 20
WEEK_US = 7 * DAY_US
WEEKDAYS = tuple(day.capitalize() for day in calendar.WEEKDAYS)
TEMPLATES = EmailTemplates("tallystick.compliance")


@dataclass(frozen=True, slots=True)
class Reminder:
    """The weekly reminder of an organization: weekday (0 is Monday) and time in a time zone.

    `recipients` are email addresses. `next_at` and `told_at`, the last time, are in microseconds.
    """

    weekday: int
    at: str
    zone: str
    recipients: tuple[str, ...]
    next_at: int
    told_at: int | None

    @property
    def words(self) -> str:
        return f"{WEEKDAYS[self.weekday]}, {self.at} {self.zone}"


@dataclass(frozen=True, slots=True)
class PendingReviews:
    """Reviews to be done: the open ones, those overdue, and whether no review was signed for a week (`none_this_week`).

    `last_signed_at` in microseconds.
    """

    waiting: tuple[Review, ...]
    overdue: tuple[Review, ...]
    none_this_week: bool
    last_signed_at: int | None

    @property
    def has_any(self) -> bool:
        return bool(self.waiting) or self.none_this_week


def pending_reviews(connection: Connection, scope: Scope, *, now: int) -> PendingReviews:
    """Returns the pending reviews of an organization; a week without one counts only if it has a weekly reminder."""
    waiting = tuple(list_open_reviews(connection, scope))
    last = last_signed_at(connection, scope)
    is_weekly = _row(connection, scope.org_id) is not None
    none_this_week = is_weekly and (last is None or last < now - WEEK_US)
    return PendingReviews(waiting, tuple(review for review in waiting if review.is_overdue(now)), none_this_week, last)


def read_reminder(connection: Connection, scope: Scope) -> Reminder | None:
    """Returns the reminder of an organization, or None if it has none."""
    require_whole_trail(scope)
    require(scope, "events:read")
    row = _row(connection, scope.org_id)
    if row is None:
        return None
    emails = tuple(member.email for member in _recipients(connection, row))
    return Reminder(row.weekday, row.at, row.zone, emails, row.next_at, row.told_at)


def list_eligible_recipients(connection: Connection, scope: Scope) -> list[Member]:
    """Lists the people a reminder can be sent to: those who may sign a review."""
    require_whole_trail(scope)
    require(scope, "events:read")
    people = members.list_members(connection, operator_scope(scope.org_id))
    return [person for person in people if person.role != "member" and not person.is_disabled]


def set_reminder(
    connection: Connection,
    scope: Scope,
    weekday: int,
    at: str,
    zone: str,
    recipients: Sequence[str],
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> None:
    """Sets the weekly reminder and its recipients (email addresses). Raises BadRequest (`bad_reminder`)."""
    require(scope, "admin")
    if not 0 <= weekday <= 6:
        raise _bad("weekday", "weekday is a number from 0 (Monday) to 6 (Sunday).")
    try:
        when = calendar.parse_calendar("weekly", at, calendar.WEEKDAYS[weekday], 1, zone)
    except BadCalendar as problem:
        raise _bad(problem.field, problem.detail) from None
    eligible = {member.email.casefold(): member for member in list_eligible_recipients(connection, scope)}
    emails = list(dict.fromkeys(email.strip().casefold() for email in recipients if email.strip()))
    for email in emails:
        if email not in eligible:
            raise _bad("recipients", f"{email[:100]} is not an owner, admin or auditor of this organization.")
    if not 1 <= len(emails) <= MOST_RECIPIENTS:
        raise _bad("recipients", f"A reminder needs 1 to {MOST_RECIPIENTS} recipients.")
    values = {
        "weekday": weekday,
        "at": at,
        "zone": zone,
        "next_at": when.following(now),
        "recipients": json.dumps([ids.encode("usr", eligible[email].user_id.bytes) for email in emails]),
    }
    organizations.lock_row(connection, scope.org_id)
    clause = review_reminders.c.org_id == scope.org_id
    if not connection.execute(update(review_reminders).where(clause).values(values)).rowcount:
        connection.execute(insert(review_reminders).values(org_id=scope.org_id, **values))
    changes: dict[str, object] = {"weekday": WEEKDAYS[weekday], "at": at, "zone": zone, "recipients": emails}
    _record(connection, scope, now, caller, changes)


def remove_reminder(connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> None:
    """Removes the reminder of an organization; does nothing if it has none."""
    require(scope, "admin")
    if connection.execute(delete(review_reminders).where(review_reminders.c.org_id == scope.org_id)).rowcount:
        _record(connection, scope, now, caller, {"recipients": []})


def _calendar(weekday: int, at: str, zone: str) -> Calendar:
    return Calendar("weekly", at, weekday, 1, zone)


class ReminderWorker(Background):
    """Queues the reminder emails that are due. After a downtime it sends one email, not one for each week missed.

    `outbox_written` is called when an event of our own waits in the outbox.
    """

    def __init__(self, database: Database, public_url: str, outbox_written: Callable[[], None] = lambda: None) -> None:
        # No lease: a reminder belongs to the transaction that moves its time on, so that two processes send one email.
        super().__init__("review-reminders", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._url = f"{public_url.rstrip('/')}/compliance"
        self._outbox_written = outbox_written
        self._pauses = Pauses[UUID]("review-reminders", seconds=PAUSE_SECONDS)

    def step(self, now: int | None = None) -> bool:
        """Sends the reminder of one organization; False if none is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        due = select(review_reminders.c.org_id).where(review_reminders.c.next_at <= now)
        with self._database.read() as connection:
            # One more than are paused, so that paused organizations cannot hide one that is not.
            rows = due.order_by(review_reminders.c.next_at).limit(1 + len(self._pauses))
            org_ids = connection.execute(rows).scalars()
            ready = [org_id for org_id in org_ids if not self._pauses.is_paused(org_id, now)]
        if not ready:
            return False
        self._pauses.attempt(ready[0], now, partial(self._send_due, ready[0], now))
        self._outbox_written()
        return True

    def _send_due(self, org_id: UUID, now: int) -> None:
        with self._database.write() as connection:
            row = _row(connection, org_id)
            if row is None or row.next_at > now:
                return
            unchanged = (review_reminders.c.org_id == org_id) & (review_reminders.c.next_at == row.next_at)
            values = {"next_at": _calendar(row.weekday, row.at, row.zone).following(now), "told_at": now}
            if connection.execute(update(review_reminders).where(unchanged).values(values)).rowcount:
                self._remind(connection, row, now)

    def _remind(self, connection: Connection, row: Row[tuple[object, ...]], now: int) -> None:
        scope = operator_scope(row.org_id)
        pending = pending_reviews(connection, scope, now=now)
        recipients = _recipients(connection, row)
        if not pending.has_any or not recipients:
            return
        organization = organizations.of_scope(connection, scope)
        email = reminder_email(organization.name, pending, self._url)
        for recipient in recipients:
            email_queue.enqueue(connection, row.org_id, recipient.email, email, now=now)
        record_own(
            connection,
            row.org_id,
            "audit_log.review_reminded",
            by=TALLYSTICK,
            caller=NOWHERE,
            on=resource("organization", organization.org_id, "org", organization.name),
            now=now,
            metadata={
                "recipients": len(recipients),
                "open": len(pending.waiting),
                "overdue": len(pending.overdue),
            },
        )


def reminder_email(organization: str, pending: PendingReviews, url: str) -> Email:
    """The email to the reviewers; `url` is that of the Compliance page."""
    last = pending.last_signed_at
    return TEMPLATES.render(
        "review_reminder",
        organization=" ".join(organization.split()),
        none_this_week=pending.none_this_week,
        last_signed="" if last is None else f"{from_us(last):%Y-%m-%d}",
        waiting=len(pending.waiting),
        overdue=len(pending.overdue),
        overdue_days=OVERDUE_DAYS,
        url=url,
    )


def _recipients(connection: Connection, row: Row[tuple[object, ...]]) -> list[Member]:
    """Returns the recipients who are still members and may still sign."""
    user_ids = {str(user_id) for user_id in json.loads(str(row.recipients))}
    eligible = list_eligible_recipients(connection, operator_scope(UUID(str(row.org_id))))
    return [member for member in eligible if ids.encode("usr", member.user_id.bytes) in user_ids]


def _row(connection: Connection, org_id: UUID) -> Row[tuple[object, ...]] | None:
    query = select(review_reminders).where(review_reminders.c.org_id == org_id)
    row: Row[tuple[object, ...]] | None = connection.execute(query).first()
    return row


def _record(connection: Connection, scope: Scope, now: int, caller: Caller, changes: dict[str, object]) -> None:
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    record_own_for(connection, scope, "audit_log.review_reminder_changed", on, now=now, caller=caller, changes=changes)


def _bad(name: str, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_reminder", field=name)
