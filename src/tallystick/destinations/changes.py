"""Making a destination, changing it, trying it, deleting it. Each is an event in the trail, without a secret."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import names, organizations
from tallystick.access.audit import NOWHERE, Caller, differences, record_own_for, resource
from tallystick.access.current_scope import require_owner
from tallystick.access.scopes import require
from tallystick.access.secret import SecretBox
from tallystick.access.tables import memberships, people
from tallystick.destinations import deliveries as queue
from tallystick.destinations import secrets
from tallystick.destinations.destination import DELIVERY_PREFIX, KINDS, PREFIX, Destination, is_destination, show
from tallystick.destinations.guard import Guard
from tallystick.destinations.message import Message
from tallystick.destinations.secrets import DestinationSecrets
from tallystick.destinations.tables import deliveries, delivery_attempts, destinations
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.query.scope import Scope

MOST_DESTINATIONS = 50
MOST_HEADERS = 20
MOST_ADDRESSES = 20
MOST_URL = 2000
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")  # a token, RFC 9110
_OURS = frozenset({"host", "content-type", "content-length", "transfer-encoding", "connection", "user-agent",
                   "webhook-id", "webhook-timestamp", "webhook-signature"})  # fmt: skip
FIELDS = {"webhook": {"url", "headers"}, "slack": {"url"}, "email": {"to"}}


@dataclass(frozen=True, slots=True)
class Posts:
    """What making and opening destinations takes: the seal of their secrets, and where requests may go."""

    seal: SecretBox
    guard: Guard


@dataclass(frozen=True, slots=True)
class CreatedDestination:
    """A destination, and the secret that its messages are signed with: shown this once, or None."""

    destination: Destination
    secret: str | None


def create(
    connection: Connection, scope: Scope, posts: Posts, kind: str, name: str, settings: Mapping[str, Any],
    *, now: int, caller: Caller = NOWHERE,
) -> CreatedDestination:  # fmt: skip
    """Make one. BadRequest (`bad_destination`), Conflict, Forbidden."""
    require(scope, "alerts")
    if kind not in KINDS:
        raise invalid("kind", f"kind must be one of {', '.join(KINDS)}.")
    shown, private = _checked(connection, scope, posts.guard, kind, settings)
    organizations.lock_row(connection, scope.org_id)
    number = select(func.count()).select_from(destinations).where(destinations.c.org_id == scope.org_id)
    if connection.execute(number).scalar_one() >= MOST_DESTINATIONS:
        detail = f"You already have {MOST_DESTINATIONS} destinations, the maximum. Delete some first."
        raise Conflict(detail, code="too_many_destinations")
    destination_id = ids.new_uuid(now)
    if kind == "webhook":
        private.secrets = [secrets.create_secret()]
    connection.execute(
        insert(destinations).values(
            org_id=scope.org_id, destination_id=destination_id, kind=kind, name=_name(name),
            settings=msgspec.json.encode(shown).decode(),
            sealed=secrets.seal_secrets(posts.seal, scope.org_id, destination_id, private), enabled=True, state="ok",
            failures=0, last_error="", made_by=scope.principal.label[:254], made_at=now,
        )
    )  # fmt: skip
    made = show(connection, scope, ids.encode(PREFIX, destination_id.bytes))
    record_own_for(
        connection, scope, "audit_log.destination_created", _on(made), now=now, caller=caller, metadata=_said(made)
    )
    return CreatedDestination(made, private.secrets[0].key if private.secrets else None)


def change(
    connection: Connection, scope: Scope, posts: Posts, shown_id: str, given: Mapping[str, Any],
    *, now: int, caller: Caller = NOWHERE,
) -> Destination:  # fmt: skip
    """Change `name`, `enabled` or `settings`, which are then given whole. What waits is sent as it is then."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    before = show(connection, scope, shown_id)
    values: dict[str, Any] = {}
    if "name" in given:
        values["name"] = _name(given["name"])
    if "settings" in given:
        shown, private = _checked(connection, scope, posts.guard, before.kind, given["settings"])
        private.secrets = _opened(connection, posts, before).secrets
        values["settings"] = msgspec.json.encode(shown).decode()
        values["sealed"] = secrets.seal_secrets(posts.seal, before.org_id, before.destination_id, private)
    if given.get("enabled", before.enabled) != before.enabled:
        values |= {"enabled": given["enabled"], "state": "ok" if given["enabled"] else "disabled", "failures": 0}
    if values:
        connection.execute(
            update(destinations).where(is_destination(before.org_id, before.destination_id)).values(values)
        )
    if given.get("enabled"):
        _at_once(connection, before, now)
    after = show(connection, scope, shown_id)
    was, is_now = _said(before), _said(after)
    changes = differences(was, is_now)
    if "sealed" in values and not changes:
        changes = {"settings": {"before": "[redacted]", "after": "[redacted]"}}
    if changes:
        record_own_for(
            connection, scope, "audit_log.destination_updated", _on(after), now=now, caller=caller, changes=changes
        )
    return after


def rotate(
    connection: Connection, scope: Scope, posts: Posts, shown_id: str, *, now: int, caller: Caller = NOWHERE
) -> CreatedDestination:
    """Give a webhook a new secret, shown this once; the one before signs beside it for a day. Conflict."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, shown_id)
    if one.kind != "webhook":
        raise Conflict("Only a webhook has a signing secret.", code="no_secret")
    private = secrets.rotate_secret(_opened(connection, posts, one), now)
    kept = secrets.seal_secrets(posts.seal, one.org_id, one.destination_id, private)
    connection.execute(update(destinations).where(is_destination(one.org_id, one.destination_id)).values(sealed=kept))
    record_own_for(connection, scope, "audit_log.destination_updated", _on(one), now=now, caller=caller,
          changes={"secret": {"before": "[redacted]", "after": "[redacted]"}})  # fmt: skip
    return CreatedDestination(one, private.secrets[0].key)


def remove(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> None:
    """Delete it with what waits for it."""
    require(scope, "alerts")
    organizations.lock_row(connection, scope.org_id)
    one = show(connection, scope, shown_id)
    record_own_for(
        connection, scope, "audit_log.destination_deleted", _on(one), now=now, caller=caller, metadata=_said(one)
    )
    mine = (deliveries.c.org_id == one.org_id) & (deliveries.c.destination_id == one.destination_id)
    going = select(deliveries.c.delivery_id).where(mine)
    connection.execute(
        delete(delivery_attempts).where(
            delivery_attempts.c.org_id == one.org_id, delivery_attempts.c.delivery_id.in_(going)
        )
    )
    connection.execute(delete(deliveries).where(mine))
    connection.execute(delete(destinations).where(is_destination(one.org_id, one.destination_id)))


def send_test(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> str:
    """Send a message that says it is a test; the id of its delivery. Conflict for one that is off."""
    require(scope, "alerts")
    one = show(connection, scope, shown_id)
    if not one.enabled:
        raise Conflict("This destination is off. Turn it on first.", code="destination_off")
    message = Message(
        id=f"test_{ids.new_uuid(now).hex}", type="test", at=now, title="Test", severity="info",
        sentence=f"This is a test of {one.name}, sent by {scope.principal.label}.",
        facts=(("Destination", one.name),), links=(),
        data={"destination": one.shown_id, "name": one.name},
    )  # fmt: skip
    delivery_id = queue.put(connection, one.org_id, one.destination_id, message, now=now)
    record_own_for(connection, scope, "audit_log.destination_tested", _on(one), now=now, caller=caller)
    return ids.encode(DELIVERY_PREFIX, delivery_id.bytes) if delivery_id else ""


def retry(
    connection: Connection, scope: Scope, shown_id: str, delivery: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Send again what was given up. NotFound (`no_such_delivery`); what waits is sent at once."""
    require(scope, "alerts")
    one = show(connection, scope, shown_id)
    try:
        delivery_id = ids.parse_uuid(DELIVERY_PREFIX, delivery)
    except ValueError:
        delivery_id = UUID(int=0)
    again = (
        update(deliveries)
        .where(deliveries.c.org_id == one.org_id, deliveries.c.destination_id == one.destination_id)
        .where(deliveries.c.delivery_id == delivery_id, deliveries.c.message != "")
        .values(state="waiting", attempts=0, made_at=now, next_at=now, finished_at=None)
    )
    if not connection.execute(again).rowcount:
        raise NotFound("Delivery not found, or it cannot be sent again.", code="no_such_delivery")
    record_own_for(
        connection,
        scope,
        "audit_log.destination_tested",
        _on(one),
        now=now,
        caller=caller,
        metadata={"again": delivery},
    )


def invalid(field: str, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_destination", field=field)


def _checked(
    connection: Connection, scope: Scope, guard: Guard, kind: str, settings: Mapping[str, Any]
) -> tuple[dict[str, Any], DestinationSecrets]:
    """What may be shown of the settings, and the rest."""
    if wrong := sorted(set(settings) - FIELDS[kind]):
        raise invalid(
            "settings", f"A destination of kind {kind} does not take {wrong[0][:60]!r}, only {', '.join(FIELDS[kind])}."
        )
    if kind == "email":
        addresses = _addresses(settings.get("to"))
        outside = [one for one in addresses if one not in members_of(connection, scope.org_id)]
        if outside:
            require_owner(connection, scope)
        return {"to": addresses, "outside": outside}, DestinationSecrets()
    url = _url(guard, settings.get("url"))
    host = urlsplit(url).hostname or ""
    if kind == "slack":
        return {"url": f"https://{host}/…{url[-4:]}"}, DestinationSecrets(url)
    headers = _headers(settings.get("headers") or {})
    # Many keep their secret in the path.
    return {"url": f"{urlsplit(url).scheme}://{host}/…{url[-4:]}", "headers": sorted(headers)}, DestinationSecrets(
        url, headers
    )


def _url(guard: Guard, given: object) -> str:
    if not isinstance(given, str) or not given.isascii() or not given.isprintable() or " " in given:
        raise invalid("settings", "url must be the address to send to, such as https://example.com/hooks/audit.")
    try:
        parts = urlsplit(given)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or parts.scheme not in ("http", "https") or len(given) > MOST_URL:
        raise invalid("settings", "url must be the address to send to, such as https://example.com/hooks/audit.")
    if parts.username or parts.password:
        raise invalid(
            "settings", "Do not put a user name or password in the URL, where they would be visible. Use a header."
        )
    if parts.scheme == "http" and not guard.allows(host):
        raise invalid("settings", "url must begin with https://. The operator can allow a host without TLS in "
                  "TALLYSTICK_ALLOWED_TARGETS.")  # fmt: skip
    return given


def _headers(given: object) -> dict[str, str]:
    if not isinstance(given, Mapping) or len(given) > MOST_HEADERS:
        raise invalid("settings", f"headers can have at most {MOST_HEADERS} names and values.")
    for name, value in given.items():
        if not isinstance(name, str) or not _HEADER.fullmatch(name) or name.lower() in _OURS:
            raise invalid("settings", f"The header {str(name)[:60]!r} is not allowed.")
        if not isinstance(value, str) or not value.isascii() or not value.isprintable() or len(value) > MOST_URL:
            raise invalid("settings", f"The value of the header {name} is not valid.")
    return dict(given)


def _addresses(given: object) -> list[str]:
    if (
        not isinstance(given, list)
        or not 1 <= len(given) <= MOST_ADDRESSES
        or not all(isinstance(o, str) for o in given)
    ):
        raise invalid("settings", f"to must be a list of 1 to {MOST_ADDRESSES} email addresses.")
    try:
        return list(dict.fromkeys(names.email(text) for text in given))
    except BadRequest as problem:
        raise invalid("settings", problem.detail) from None


def members_of(connection: Connection, org_id: UUID) -> set[str]:
    """The addresses of those whose access was not taken away: others get mail if an owner said so."""
    members = (
        select(people.c.email)
        .join(memberships, memberships.c.user_id == people.c.user_id)
        .where(memberships.c.org_id == org_id, memberships.c.disabled_at.is_(None), people.c.disabled_at.is_(None))
    )
    return set(connection.execute(members).scalars())


def _opened(connection: Connection, posts: Posts, one: Destination) -> DestinationSecrets:
    kept = connection.execute(
        select(destinations.c.sealed).where(is_destination(one.org_id, one.destination_id))
    ).scalar_one()
    return secrets.open_secrets(posts.seal, one.org_id, one.destination_id, kept)


def _at_once(connection: Connection, one: Destination, now: int) -> None:
    """What waits goes now, not when it would have been tried again."""
    waiting = (deliveries.c.org_id == one.org_id) & (deliveries.c.destination_id == one.destination_id)
    connection.execute(update(deliveries).where(waiting, deliveries.c.state == "waiting").values(next_at=now))


def _name(text: object) -> str:
    try:
        return names.name(str(text))
    except BadRequest as problem:
        raise invalid("name", problem.detail) from None


def _said(one: Destination) -> dict[str, Any]:
    return {"name": one.name, "kind": one.kind, "settings": dict(one.settings), "enabled": one.enabled}


def _on(one: Destination) -> dict[str, str]:
    return resource("destination", one.destination_id, PREFIX, one.name)
