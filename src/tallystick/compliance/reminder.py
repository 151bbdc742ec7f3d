"""The weekly reminder: who is told when, and what is overdue."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from uuid import UUID

from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import clock, ids
from tallystick.access import members, organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
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
    """When people are reminded: weekday (0 is Monday) and time in a zone; `recipients` are e-mail addresses."""

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
    """What waits: open reviews, those of them that are overdue, and whether a week passed without a signature."""

    waiting: tuple[Review, ...]
    overdue: tuple[Review, ...]
    none_this_week: bool
    last_signed_at: int | None

    @property
    def is_anything(self) -> bool:
        return bool(self.waiting) or self.none_this_week


def pending_reviews(connection: Connection, scope: Scope, *, now: int) -> PendingReviews:
    """What waits in an organization; that nothing was signed this week counts where a weekly review is wanted."""
    waiting = tuple(list_open_reviews(connection, scope))
    last = last_signed_at(connection, scope)
    wanted = _row(connection, scope.org_id) is not None
    late = wanted and (last is None or last < now - WEEK_US)
    return PendingReviews(waiting, tuple(one for one in waiting if one.is_overdue(now)), late, last)


def read_reminder(connection: Connection, scope: Scope) -> Reminder | None:
    """What an organization wants; None where nobody is reminded."""
    require_whole_trail(scope)
    require(scope, "events:read")
    row = _row(connection, scope.org_id)
    if row is None:
        return None
    wanted = [one.email for one in _recipients(connection, row)]
    return Reminder(row.weekday, row.at, row.zone, tuple(wanted), row.next_at, row.told_at)


def list_eligible_recipients(connection: Connection, scope: Scope) -> list[Member]:
    """Whom a reminder can go to: people who may sign a review."""
    require_whole_trail(scope)
    require(scope, "events:read")
    everybody = members.list_members(connection, operator_scope(scope.org_id))
    return [one for one in everybody if one.role != "member" and not one.is_disabled]


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
    """Remind these people each week. BadRequest (`bad_reminder`)."""
    require(scope, "admin")
    if not 0 <= weekday <= 6:
        raise _bad("weekday", "weekday is a number from 0 (Monday) to 6 (Sunday).")
    try:
        when = calendar.parse_calendar("weekly", at, calendar.WEEKDAYS[weekday], 1, zone)
    except BadCalendar as problem:
        raise _bad(problem.field, problem.detail) from None
    known = {one.email.casefold(): one for one in list_eligible_recipients(connection, scope)}
    wanted = list(dict.fromkeys(one.strip().casefold() for one in recipients if one.strip()))
    for one in wanted:
        if one not in known:
            raise _bad("recipients", f"{one[:100]} is not an owner, admin or auditor of this organization.")
    if not 1 <= len(wanted) <= MOST_RECIPIENTS:
        raise _bad("recipients", f"A reminder needs 1 to {MOST_RECIPIENTS} recipients.")
    kept = {
        "weekday": weekday, "at": at, "zone": zone, "next_at": when.following(now),
        "recipients": json.dumps([ids.encode("usr", known[one].user_id.bytes) for one in wanted]),
    }  # fmt: skip
    organizations.lock_row(connection, scope.org_id)
    mine = review_reminders.c.org_id == scope.org_id
    if not connection.execute(update(review_reminders).where(mine).values(kept)).rowcount:
        connection.execute(insert(review_reminders).values(org_id=scope.org_id, **kept))
    _record(
        connection, scope, now, caller, {"weekday": WEEKDAYS[weekday], "at": at, "zone": zone, "recipients": wanted}
    )


def remove_reminder(connection: Connection, scope: Scope, *, now: int, caller: Caller = NOWHERE) -> None:
    """Remind nobody any more; where nobody is, nothing happens."""
    require(scope, "admin")
    if connection.execute(delete(review_reminders).where(review_reminders.c.org_id == scope.org_id)).rowcount:
        _record(connection, scope, now, caller, {"recipients": []})


def _calendar(weekday: int, at: str, zone: str) -> Calendar:
    return Calendar("weekly", at, weekday, 1, zone)


class ReminderWorker(Background):
    """Writes the mails that are due. After downtime one mail goes, not one for each week."""

    def __init__(self, database: Database, public_url: str, told: Callable[[], None] = lambda: None) -> None:
        # Without a lease: a reminder is taken by the transaction that moves its time on.
        super().__init__("review-reminders", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._url = f"{public_url.rstrip('/')}/compliance"
        self._told = told
        self._pauses = Pauses[UUID]("review-reminders", seconds=PAUSE_SECONDS)

    def step(self, now: int | None = None) -> bool:
        """One organization's reminder; False when none is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        ripe = select(review_reminders.c.org_id).where(review_reminders.c.next_at <= now)
        with self._database.read() as connection:
            rows = ripe.order_by(review_reminders.c.next_at).limit(1 + len(self._pauses))
            ready = connection.execute(rows).scalars()
            due_for = [org_id for org_id in ready if not self._pauses.is_paused(org_id, now)]
        if not due_for:
            return False
        self._pauses.attempt(due_for[0], now, partial(self._take, due_for[0], now))
        self._told()
        return True

    def _take(self, org_id: UUID, now: int) -> None:
        with self._database.write() as connection:
            row = _row(connection, org_id)
            if row is None or row.next_at > now:
                return
            mine = (review_reminders.c.org_id == org_id) & (review_reminders.c.next_at == row.next_at)
            later = {"next_at": _calendar(row.weekday, row.at, row.zone).following(now), "told_at": now}
            if connection.execute(update(review_reminders).where(mine).values(later)).rowcount:
                self._remind(connection, row, now)

    def _remind(self, connection: Connection, row: Row[tuple[object, ...]], now: int) -> None:
        scope = operator_scope(row.org_id)
        found = pending_reviews(connection, scope, now=now)
        people = _recipients(connection, row)
        if not found.is_anything or not people:
            return
        organization = organizations.of_scope(connection, scope)
        email = reminder_email(organization.name, found, self._url)
        for one in people:
            email_queue.enqueue(connection, row.org_id, one.email, email, now=now)
        metadata = {"recipients": len(people), "open": len(found.waiting), "overdue": len(found.overdue)}
        on = resource("organization", organization.org_id, "org", organization.name)
        record_own(connection, row.org_id, "audit_log.review_reminded", by=TALLYSTICK, caller=NOWHERE, on=on, now=now,
             metadata=metadata)  # fmt: skip


def reminder_email(organization: str, found: PendingReviews, url: str) -> Email:
    """The email to the reviewers; `url` is that of the Compliance page."""
    last = found.last_signed_at
    return TEMPLATES.render(
        "review_reminder",
        organization=" ".join(organization.split()),
        none_this_week=found.none_this_week,
        last_signed="" if last is None else f"{from_us(last):%Y-%m-%d}",
        waiting=len(found.waiting),
        overdue=len(found.overdue),
        overdue_days=OVERDUE_DAYS,
        url=url,
    )


def _recipients(connection: Connection, row: Row[tuple[object, ...]]) -> list[Member]:
    """Those that are still there and may still sign."""
    wanted = {str(one) for one in json.loads(str(row.recipients))}
    everybody = list_eligible_recipients(connection, operator_scope(UUID(str(row.org_id))))
    return [one for one in everybody if ids.encode("usr", one.user_id.bytes) in wanted]


def _row(connection: Connection, org_id: UUID) -> Row[tuple[object, ...]] | None:
    found: Row[tuple[object, ...]] | None = connection.execute(
        select(review_reminders).where(review_reminders.c.org_id == org_id)
    ).first()
    return found


def _record(connection: Connection, scope: Scope, now: int, caller: Caller, changes: dict[str, object]) -> None:
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    record_own(connection, scope.org_id, "audit_log.review_reminder_changed", by=scope.principal, caller=caller, on=on,
         now=now, changes=changes)  # fmt: skip


def _bad(name: str, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_reminder", field=name)
