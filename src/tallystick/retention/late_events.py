"""Events that had expired when they were recorded, as in an import: they wait for a purge that tells of them.

Nothing vanishes unsaid. What comes more than a day late stays through the first daily purge after it, which records how
many events wait and mails the owners; the next one, a day later, deletes them unless the retention was made longer.
"""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import Connection

from tallystick import clock
from tallystick.access import members, organizations
from tallystick.access.scopes import operator_scope
from tallystick.clock import from_us, rfc3339
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import Email
from tallystick.outbox import write as outbox
from tallystick.retention.grace import GRACE_US
from tallystick.retention.warning import TEMPLATES, warning_setting
from tallystick.settings import Settings
from tallystick.store.expiry import ExpiryCount

Mail = Callable[[Connection, UUID, ExpiryCount, int], None]
"""Mails the owners of an organization about waiting events that are deleted from a time (microseconds) on."""


def tell_waiting(
    connection: Connection, org_id: UUID, waiting: ExpiryCount, mail: Mail, *, days: int, now: int
) -> None:
    """Record in the log that so many events wait for the next purge, and mail the owners."""
    until = now + GRACE_US
    metadata = {
        "events": waiting.events,
        "is_exact": waiting.complete,
        "deleted_after": rfc3339(until),
        "retention_days": days,
        **({} if waiting.oldest is None else {"oldest": rfc3339(waiting.oldest)}),
    }
    actor = {"type": "system", "id": "tallystick", "name": "Tallystick"}
    event = {"action": "audit_log.purge_waits", "actor": actor, "metadata": metadata}
    outbox.write(connection, org_id, event, now=clock.now_us())
    mail(connection, org_id, waiting, until)


def no_mail(_connection: Connection, _org_id: UUID, _waiting: ExpiryCount, _until: int) -> None:
    """Mails nobody: there is no mail server."""


def late_mail(settings: Settings) -> Mail:
    """The mail to owners, as the purge calls it; without a mail server nobody is mailed."""
    if settings.smtp_url is None:
        return no_mail

    def mail(connection: Connection, org_id: UUID, waiting: ExpiryCount, until: int) -> None:
        if warning_setting(connection, org_id).off:
            return
        scope = operator_scope(org_id)
        organization = organizations.of_scope(connection, scope)
        email = late_email(organization.name, waiting, until, f"{settings.public_url}/retention")
        for owner in members.list_members(connection, scope):
            if owner.role == "owner" and not owner.is_disabled:
                email_queue.enqueue(connection, org_id, owner.email, email, now=until - GRACE_US)

    return mail


def late_email(organization: str, waiting: ExpiryCount, until: int, url: str) -> Email:
    """The email to the owners; `url` is that of the Retention page."""
    return TEMPLATES.render(
        "late_events",
        organization=" ".join(organization.split()),
        number=f"{'' if waiting.complete else 'At least '}{waiting.events:,}",
        events="event" if waiting.events == 1 else "events",
        oldest="" if waiting.oldest is None else f"{from_us(waiting.oldest):%Y-%m-%d}",
        until=f"{from_us(until):%Y-%m-%d %H:%M}",
        url=url,
    )
