"""The queue of emails to people: reminders, warnings and notices that Tallystick itself writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, func, insert, select

from tallystick import ids
from tallystick.clock import DAY_US
from tallystick.database.deletion import delete_some
from tallystick.destinations.backoff import Backoff
from tallystick.destinations.delivery_queue import (
    AttemptOutcome,
    Claim,
    DeliveryQueue,
    DeliveryResult,
    Lane,
    RowUpdate,
)
from tallystick.destinations.email_templates import Email
from tallystick.destinations.mime import InvalidEmail, write_email
from tallystick.destinations.smtp import MAX_SECONDS, EmailNotSent, MailServer, send_email
from tallystick.destinations.tables import mails

CLAIM_SECONDS = int(MAX_SECONDS) + 60  # longer than an email can take, so that no other process sends it too
KEPT = 30 * DAY_US
MAX_READ = 20  # of an organization at once
# The same for all email: after 1, 4 and 16 minutes, then every hour for a day.
EMAIL_BACKOFF = Backoff((60, 240, 960, 3600), give_up_after=DAY_US)
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EmailState:
    """The state of an organization's last email; times in microseconds."""

    state: str
    attempts: int
    problem: str
    made_at: int
    finished_at: int | None


def enqueue(connection: Connection, org_id: UUID, recipient: str, email: Email, *, now: int) -> None:
    """Has the email sent once this transaction is committed."""
    connection.execute(
        insert(mails).values(
            org_id=org_id,
            mail_id=ids.new_uuid(now),
            state="waiting",
            recipient=recipient,
            subject=email.subject,
            text=email.text,
            html=email.html,
            attempts=0,
            problem="",
            made_at=now,
            next_at=now,
        )
    )


def last_email(connection: Connection, org_id: UUID) -> EmailState | None:
    """The organization's last email; None when there was none."""
    row = connection.execute(
        select(mails).where(mails.c.org_id == org_id).order_by(mails.c.made_at.desc()).limit(1)
    ).first()
    return None if row is None else EmailState(row.state, row.attempts, row.problem, row.made_at, row.finished_at)


class EmailQueue(DeliveryQueue):
    """Emails, each in a lane of its own. Without a mail server they are given up after a day."""

    name = "emails"
    table = mails
    key = ("org_id", "mail_id")
    claim_column = "claimed_until"
    claim_seconds = CLAIM_SECONDS
    given_up_state = "given_up"
    problem_length = 200
    backoff = EMAIL_BACKOFF
    max_at_once = 8
    max_of_organization = 2
    max_of_channel = 8
    max_failing = 4

    def __init__(self, mail_server: MailServer | None) -> None:
        self._mail_server = mail_server

    def due(self, connection: Connection, now: int) -> Sequence[Lane]:
        # A thousand emails of one organization must not hide those of others.
        place = func.row_number().over(partition_by=mails.c.org_id, order_by=mails.c.next_at)
        waiting = (
            select(mails.c.org_id, mails.c.mail_id, mails.c.attempts, mails.c.next_at, place.label("place"))
            .where(self.is_due(now))
            .subquery()
        )
        first = select(waiting).where(waiting.c.place <= MAX_READ).order_by(waiting.c.next_at)
        rows = connection.execute(first)
        return [Lane(row.org_id, row.mail_id, has_failed=row.attempts > 0, by_email=True) for row in rows]

    def next_row(self, connection: Connection, lane: Lane, now: int) -> Row[Any] | None:
        return connection.execute(
            select(mails).where(mails.c.org_id == lane.org_id, mails.c.mail_id == lane.lane_id, self.is_due(now))
        ).first()

    def send(self, claim: Claim, now: int) -> DeliveryResult:
        row = claim.row
        if now - row.made_at >= 2 * DAY_US:
            # It comes from a restored backup: whoever reads it would take old news for new.
            return DeliveryResult("it could not be sent in time", permanent=True)
        if self._mail_server is None:
            return DeliveryResult("email is not configured")
        try:
            email = Email(row.subject, row.text, row.html)
            content = write_email(self._mail_server.sender, row.recipient, email, at=now)
            send_email(self._mail_server, row.recipient, content)
        except InvalidEmail as error:
            return DeliveryResult(str(error), permanent=True)
        except EmailNotSent as error:
            return DeliveryResult(str(error), permanent=error.permanent, unreachable=error.unreachable)
        return DeliveryResult()

    def record(self, connection: Connection, outcome: AttemptOutcome) -> None:
        row = outcome.claim.row
        updated = self.update_row(connection, outcome)
        if outcome.result.problem:
            logger.warning(
                "mail_not_sent",
                mail=row.mail_id.hex,
                attempts=row.attempts + 1,
                problem=outcome.result.problem,
                given_up=updated.next_at is None,
            )

    def update_row(self, connection: Connection, outcome: AttemptOutcome) -> RowUpdate:
        updated = self.record_attempt(connection, outcome)
        if updated.is_written and updated.next_at is None:
            # Nothing personal is kept of an email that is finished.
            emptied = mails.update().where(self.is_row(outcome.claim.row))
            connection.execute(emptied.values(recipient="", subject="", text="", html=""))
        return updated

    def delete_old(self, connection: Connection, now: int) -> bool:
        return delete_some(connection, mails, mails.c.finished_at < now - KEPT)
