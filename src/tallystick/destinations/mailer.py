"""The queue of outgoing mail, and the thread that empties it."""

import asyncio
from dataclasses import dataclass
from uuid import UUID

import structlog
from sqlalchemy import Connection, Row, delete, insert, or_, select, update

from tallystick import clock, ids
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.destinations.smtp import (
    MOST_SECONDS,
    Email,
    EmailNotSent,
    InvalidEmail,
    MailServer,
    compose,
    send_email,
)
from tallystick.destinations.tables import mails
from tallystick.work.background import Background

CLAIM_SECONDS = int(MOST_SECONDS) + 60  # longer than a mail may take, so that no other process sends it too
IDLE_SECONDS = 5.0
GIVEN_UP_AFTER = DAY_US
KEPT = 30 * DAY_US
logger = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class MailState:
    """How an organization's last mail fared; times in microseconds."""

    state: str
    attempts: int
    problem: str
    made_at: int
    finished_at: int | None


def put(connection: Connection, org_id: UUID, recipient: str, letter: Email, *, now: int) -> None:
    """Have it sent after this transaction; nothing is sent when that is undone."""
    connection.execute(
        insert(mails).values(
            org_id=org_id, mail_id=ids.new_uuid(now), state="waiting", recipient=recipient, subject=letter.subject,
            text=letter.text, html=letter.html, attempts=0, problem="", made_at=now, next_at=now,
        )
    )  # fmt: skip


def last(connection: Connection, org_id: UUID) -> MailState | None:
    """The last mail of an organization."""
    row = connection.execute(
        select(mails).where(mails.c.org_id == org_id).order_by(mails.c.made_at.desc()).limit(1)
    ).first()
    return None if row is None else MailState(row.state, row.attempts, row.problem, row.made_at, row.finished_at)


class Mailer(Background):
    """Sends what waits. Without a relay it does nothing, and what waits is given up in time."""

    def __init__(self, database: Database, relay: MailServer | None) -> None:
        super().__init__("mail", idle_seconds=IDLE_SECONDS, breath_seconds=0.05)
        self._database = database
        self.relay = relay

    def step(self, now: int | None = None) -> bool:
        """One mail; False when none is due at `now` (microseconds)."""
        now = clock.now_us() if now is None else now
        with self._database.read() as connection:
            due = connection.execute(
                select(mails)
                .where(mails.c.state == "waiting", mails.c.next_at <= now)
                .where(or_(mails.c.claimed_until.is_(None), mails.c.claimed_until < now))
                .order_by(mails.c.next_at)
                .limit(1)
            ).first()
        if due is None or not self._claim(due, now):
            return False
        problem, for_good = self._send(due, now)
        with self._database.write() as connection:
            self._settle(connection, due, problem, for_good, now)
        return True

    def _claim(self, row: Row[tuple[object, ...]], now: int) -> bool:
        unclaimed = or_(mails.c.claimed_until.is_(None), mails.c.claimed_until < now)
        with self._database.write() as connection:
            taken = connection.execute(
                update(mails)
                .where(mails.c.org_id == row.org_id, mails.c.mail_id == row.mail_id)
                .where(mails.c.state == "waiting", unclaimed)
                .values(claimed_until=now + CLAIM_SECONDS * SECOND_US)
            )
            connection.execute(delete(mails).where(mails.c.finished_at < now - KEPT))
        return bool(taken.rowcount)

    def _send(self, row: Row[tuple[object, ...]], now: int) -> tuple[str, bool]:
        """What went wrong, empty for nothing; and whether it would go wrong again."""
        if now - row.made_at >= 2 * GIVEN_UP_AFTER:
            return "it could not be sent in time", True  # from a backup: whoever reads it would take it for news
        if self.relay is None:
            return "email is not configured", False
        try:
            message = compose(self.relay, row.recipient, row.subject, row.text, row.html, at=now)
            asyncio.run(send_email(self.relay, message))
        except InvalidEmail as error:
            return str(error), True
        except EmailNotSent as error:
            return str(error), error.for_good
        return "", False

    def _settle(
        self, connection: Connection, row: Row[tuple[object, ...]], problem: str, for_good: bool, now: int
    ) -> None:
        attempts = row.attempts + 1
        over = not problem or for_good or now - row.made_at >= GIVEN_UP_AFTER
        values = {"attempts": attempts, "problem": problem[:200], "claimed_until": None}
        if over:
            values |= {
                "state": "given_up" if problem else "sent", "finished_at": now,
                "recipient": "", "subject": "", "text": "", "html": "",
            }  # fmt: skip
        else:
            values["next_at"] = now + min(60 * 4 ** min(row.attempts, 4), 3600) * SECOND_US
        connection.execute(
            update(mails).where(mails.c.org_id == row.org_id, mails.c.mail_id == row.mail_id).values(values)
        )
        if problem:
            logger.warning("mail_not_sent", mail=row.mail_id.hex, attempts=attempts, problem=problem, given_up=over)
