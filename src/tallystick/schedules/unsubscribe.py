"""Unsubscribe links: signed with the server's secret, valid without a session, for one recipient of one schedule."""

import hmac
import struct
from dataclasses import dataclass
from hashlib import sha256
from uuid import UUID

from sqlalchemy import Connection, update

from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import log_scope
from tallystick.access.secret import open_link, sign_link
from tallystick.errors import NotFound
from tallystick.schedules.schedule import PREFIX, find, recipients_of
from tallystick.schedules.tables import schedule_recipients
from tallystick.secret_keys import SecretKeys

_PURPOSE = b"tallystick/unsubscribe/v1\0"
_PAYLOAD = struct.Struct(">16s16s16s")


@dataclass(frozen=True, slots=True)
class Subscription:
    """The recipient and schedule of a link; `is_over`: already unsubscribed."""

    org_id: UUID
    schedule_id: UUID
    name: str
    address: str
    is_over: bool


def sign_token(keys: SecretKeys, org_id: UUID, schedule_id: UUID, address: str) -> str:
    """The token of a link, which does not contain the address."""
    return sign_link(keys, _PURPOSE, _PAYLOAD.pack(org_id.bytes, schedule_id.bytes, _digest(address)))


def read_token(connection: Connection, keys: SecretKeys, text: str) -> Subscription:
    """The subscription of a token. Raises NotFound (`no_link`) for a forged one, or without such a recipient."""
    said = open_link(keys, _PURPOSE, text)
    if said is None:
        raise _no_link()
    org_id, schedule_id, digest = _PAYLOAD.unpack(said)
    schedule = find(connection, UUID(bytes=org_id), UUID(bytes=schedule_id))
    for one in schedule.recipients if schedule else ():
        if schedule and hmac.compare_digest(_digest(one.address), digest):
            return Subscription(
                schedule.org_id, schedule.schedule_id, schedule.name, one.address, one.state == "unsubscribed"
            )
    raise _no_link()


def unsubscribe(
    connection: Connection, keys: SecretKeys, text: str, *, now: int, caller: Caller = NOWHERE
) -> Subscription:
    """Sends nothing to this recipient any more; a repeated call changes nothing. Raises NotFound (`no_link`)."""
    found = read_token(connection, keys, text)
    mine = recipients_of(found.org_id, found.schedule_id) & (schedule_recipients.c.address == found.address)
    ended = update(schedule_recipients).where(mine, schedule_recipients.c.state != "unsubscribed")
    if connection.execute(ended.values(state="unsubscribed")).rowcount:
        on = resource("export_schedule", found.schedule_id, PREFIX, found.name)
        record_own(
            connection,
            found.org_id,
            "audit_log.schedule_unsubscribed",
            by=log_scope(found.org_id).principal,
            caller=caller,
            on=on,
            now=now,
            metadata={"recipient": found.address},
        )
    return found


def _digest(address: str) -> bytes:
    return sha256(address.encode()).digest()[:16]


def _no_link() -> NotFound:
    return NotFound("This link is not valid, or the scheduled export was deleted.", code="no_link")
