"""The email that warns owners before events are deleted that were never exported."""

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Connection, insert, select, update

from tallystick.access import members, organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.scopes import operator_scope, require
from tallystick.clock import DAY_US, from_us
from tallystick.database.engine import Database
from tallystick.destinations import email_queue
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.query.scope import Scope
from tallystick.retention.forecast import WITHIN_DAYS, Forecast, forecast
from tallystick.retention.tables import retention_mails
from tallystick.settings import Settings
from tallystick.store.events import EventStore

MIN_INTERVAL = 7 * DAY_US
TEMPLATES = EmailTemplates("tallystick.retention")


@dataclass(frozen=True, slots=True)
class WarningSetting:
    """Whether the warning is off, and when the last one was sent (µs since 1970)."""

    off: bool = False
    told_at: int | None = None


def warning_setting(connection: Connection, org_id: UUID) -> WarningSetting:
    """The setting of an organization."""
    row = connection.execute(select(retention_mails).where(retention_mails.c.org_id == org_id)).first()
    return WarningSetting() if row is None else WarningSetting(row.off, row.told_at)


def set_warning_off(connection: Connection, scope: Scope, off: bool, *, now: int, caller: Caller = NOWHERE) -> None:
    """Switch the warning off or on; nothing happens when it is already."""
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    before = warning_setting(connection, scope.org_id)
    if before.off == off:
        return
    _write(connection, scope.org_id, off=off, told_at=before.told_at)
    organization = organizations.of_scope(connection, scope)
    on = resource("organization", organization.org_id, "org", organization.name)
    changes = {"retention_mail": {"before": not before.off, "after": not off}}
    record_own(
        connection,
        scope.org_id,
        "organization.updated",
        by=scope.principal,
        caller=caller,
        on=on,
        now=now,
        changes=changes,
    )


def warn(
    database: Database, store: EventStore, org_id: UUID, public_url: str, *, now: int, archived: bool = False
) -> bool:
    """Mail the owners when events that were never exported expire within a week; True when mail was sent. Blocks.

    At most once a week, and again after each change of the retention. With an archive (`archived`) only after a
    shorter retention was set.
    """
    scope = operator_scope(org_id)
    with database.read() as connection:
        wanted = warning_setting(connection, org_id)
    found = forecast(database, store, scope, now=now)
    changed_at = None if found.longer_until is None else found.longer_until - DAY_US
    lately = wanted.told_at is not None and wanted.told_at > now - MIN_INTERVAL
    if lately and changed_at is not None and wanted.told_at is not None and changed_at > wanted.told_at:
        lately = False
    known = archived and (changed_at is None or found.kept_days <= found.days)
    if wanted.off or lately or known or not found.expiring.outside:
        return False
    with database.write() as connection:
        organizations.lock_row(connection, org_id)
        if warning_setting(connection, org_id) != wanted:
            return False
        organization = organizations.of_scope(connection, scope)
        email = warning_email(organization.name, found, f"{public_url}/retention", archived=archived)
        owners = [one for one in members.list_members(connection, scope) if one.role == "owner" and not one.is_disabled]
        for owner in owners:
            email_queue.enqueue(connection, org_id, owner.email, email, now=now)
        _write(connection, org_id, off=False, told_at=now)
    return bool(owners)


def warner(settings: Settings, database: Database, store: EventStore) -> Callable[[UUID, int], object]:
    """`warn` as the purge calls it, with an organization and the time; without a mail server it does nothing."""
    if settings.smtp_url is None:
        return lambda _org_id, _now: None
    archived = settings.archive_dir is not None
    return lambda org_id, now: warn(database, store, org_id, settings.public_url, now=now, archived=archived)


def warning_email(organization: str, found: Forecast, url: str, *, archived: bool) -> Email:
    """The email to the owners; `url` is that of the Retention page."""
    expiring, shortened = found.expiring, None
    if found.longer_until is not None and found.kept_days > found.days:
        shortened = f"{from_us(found.longer_until):%Y-%m-%d %H:%M}"
    return TEMPLATES.render(
        "expiring_events",
        organization=" ".join(organization.split()),
        number=f"{'' if expiring.complete else 'At least '}{expiring.outside:,}",
        events="event" if expiring.outside == 1 else "events",
        within_days=WITHIN_DAYS,
        oldest="" if expiring.oldest is None else f"{from_us(expiring.oldest):%Y-%m-%d}",
        plan=found.plan,
        kept_days=f"{found.days:,}",
        earlier_days=f"{found.kept_days:,}",
        longer_until=shortened,
        archived=archived,
        url=url,
    )


def _write(connection: Connection, org_id: UUID, **values: object) -> None:
    mine = retention_mails.c.org_id == org_id
    if not connection.execute(update(retention_mails).where(mine).values(values)).rowcount:
        connection.execute(insert(retention_mails).values(org_id=org_id, **values))
