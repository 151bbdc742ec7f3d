"""The worker that queues emails about API keys, each once."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Connection, Row, and_, or_, select, update

from tallystick import clock
from tallystick.access import members
from tallystick.access.members import Member
from tallystick.access.scopes import operator_scope
from tallystick.access.tables import api_keys, organizations
from tallystick.clock import DAY_US, from_us
from tallystick.database.engine import Database
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.work.background import Background

IDLE_SECONDS = 60.0
WEEK, DAY = 7, 1  # days before a key expires
MOST_LISTED = 50
TEMPLATES = EmailTemplates("tallystick.key_warnings")


class KeyWarner(Background):
    """Warns of keys that expire soon, and tells owners of keys whose maker left."""

    def __init__(self, database: Database, public_url: str) -> None:
        # No lease: an email belongs to the transaction that notes it, so that two processes send one.
        super().__init__("key-warnings", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._url = f"{public_url.rstrip('/')}/api-keys"

    def step(self, now: int | None = None) -> bool:
        """Queue the emails about one key, or one leaver's keys of an organization; False if nothing is due."""
        now = clock.now_us() if now is None else now
        with self._database.read() as connection:
            row = connection.execute(select(api_keys).where(or_(_expires_soon(now), _stayed())).limit(1)).first()
        if row is None:
            return False
        with self._database.write() as connection:
            if row.maker_left_at is not None and row.owners_told_at is None and row.revoked_at is None:
                self._tell_owners(connection, row.org_id, now)
            else:
                self._warn(connection, row, now)
        return True

    def _warn(self, connection: Connection, row: Row[Any], now: int) -> None:
        days = DAY if row.expires_at - now <= DAY * DAY_US else WEEK
        is_row = (api_keys.c.org_id == row.org_id) & (api_keys.c.key_id == row.key_id)
        noted = connection.execute(update(api_keys).where(is_row, _expires_soon(now)).values(warned_days=days))
        if not noted.rowcount:
            return
        present = _present(connection, row.org_id)
        told = [one for one in present if one.role in ("owner", "admin") or one.email == row.created_by]
        email = TEMPLATES.render(
            "key_expires",
            organization=_organization(connection, row.org_id),
            key=row.name,
            last4=row.last4,
            when="within a day" if days == DAY else "within a week",
            expires_at=f"{from_us(row.expires_at):%Y-%m-%d %H:%M}",
            maker=row.created_by,
            url=self._url,
        )
        _send(connection, row.org_id, told, email, now)

    def _tell_owners(self, connection: Connection, org_id: UUID, now: int) -> None:
        mine = (api_keys.c.org_id == org_id) & _stayed()
        rows = connection.execute(select(api_keys).where(mine).order_by(api_keys.c.key_id).with_for_update()).all()
        if not rows:
            return
        connection.execute(
            update(api_keys)
            .where(api_keys.c.org_id == org_id, api_keys.c.key_id.in_([row.key_id for row in rows]))
            .values(owners_told_at=now)
        )
        email = TEMPLATES.render(
            "keys_stay",
            organization=_organization(connection, org_id),
            keys=[(row.name, row.last4, row.created_by) for row in rows[:MOST_LISTED]],
            more=len(rows[MOST_LISTED:]),
            url=self._url,
        )
        _send(connection, org_id, [one for one in _present(connection, org_id) if one.role == "owner"], email, now)


def _expires_soon(now: int) -> ColumnElement[bool]:
    """Keys in use that expire within a week or a day, and of which nobody was warned then; not short-lived ones."""

    def within(days: int) -> ColumnElement[bool]:
        span = days * DAY_US
        return and_(api_keys.c.expires_at <= now + span, api_keys.c.created_at <= api_keys.c.expires_at - span)

    unwarned = api_keys.c.warned_days.is_(None)
    return and_(
        api_keys.c.revoked_at.is_(None),
        api_keys.c.replaced_by.is_(None),
        api_keys.c.expires_at > now,
        or_(and_(within(WEEK), unwarned), and_(within(DAY), or_(unwarned, api_keys.c.warned_days > DAY))),
    )


def _stayed() -> ColumnElement[bool]:
    """Keys that go on working after their maker left, of which the owners were not told."""
    return and_(
        api_keys.c.maker_left_at.is_not(None), api_keys.c.owners_told_at.is_(None), api_keys.c.revoked_at.is_(None)
    )


def _present(connection: Connection, org_id: UUID) -> Sequence[Member]:
    found = members.list_members(connection, operator_scope(org_id))
    return [one for one in found if not one.is_disabled]


def _organization(connection: Connection, org_id: UUID) -> str:
    name: str = connection.execute(select(organizations.c.name).where(organizations.c.org_id == org_id)).scalar_one()
    return " ".join(name.split())


def _send(connection: Connection, org_id: UUID, told: Sequence[Member], email: Email, now: int) -> None:
    for one in told:
        email_queue.enqueue(connection, org_id, one.email, email, now=now)
