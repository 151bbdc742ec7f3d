"""Audit: writes Tallystick's own audit events (who did what from where) to the outbox."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from sqlalchemy import Connection

from tallystick import ids
from tallystick.outbox import write as outbox
from tallystick.query.scope import Principal, Scope

MOST_AGENT = 512


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request came from: the context of the audit events it causes.

    `address` and `peer` are those of `address.client_address`; `source` is web, api or cli; `session` is the public id
    (`ses_…`) of the session the request was made in, if any.
    """

    address: str = ""
    peer: str = ""
    user_agent: str = ""
    source: Literal["", "web", "api", "cli"] = ""
    request_id: str = ""
    session: str = ""

    @property
    def agent(self) -> str:
        """The user agent without unprintable characters, cut to the length that is stored."""
        return "".join(filter(str.isprintable, self.user_agent[:MOST_AGENT]))


NOWHERE = Caller()


def resource(kind: str, row_id: UUID, prefix: str, name: str) -> dict[str, str]:
    """The resource of an audit event: a database row by its public id and its name."""
    return {"type": kind, "id": ids.encode(prefix, row_id.bytes), "name": name}


def own_event(
    action: str,
    *,
    by: Principal,
    caller: Caller,
    on: Mapping[str, str],
    changes: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    session: str = "",
) -> dict[str, Any]:
    """Return an audit event with the fields that a client sends.

    `action` is one of the catalogue; `on` is the resource; `session` is the actor's session where the caller has none.
    """
    actor = {"type": by.kind, "id": by.id, "name": by.name, "email": by.email}
    context = {
        "ip_address": caller.address,
        "user_agent": caller.agent,
        "source": caller.source,
        "request_id": caller.request_id,
        "session_id": session or caller.session,
    }
    proxy = {"proxy_address": caller.peer} if caller.peer != caller.address else {}
    event = {
        "action": action,
        "actor": _without_empty(actor),
        "resource": _without_empty(on),
        "context": _without_empty(context),
        "changes": _without_empty(changes or {}),
        "metadata": _without_empty({**(metadata or {}), **proxy}),
    }
    return _without_empty(event)


def record_own(
    connection: Connection,
    org_id: UUID,
    action: str,
    *,
    by: Principal,
    caller: Caller,
    on: Mapping[str, str],
    now: int,
    changes: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
    session: str = "",
) -> None:
    """Write an audit event, see `own_event`, to the outbox, in the transaction of the change it records."""
    event = own_event(action, by=by, caller=caller, on=on, changes=changes, metadata=metadata, session=session)
    outbox.write(connection, org_id, event, now=now)


def record_own_for(
    connection: Connection,
    scope: Scope,
    action: str,
    on: Mapping[str, str],
    *,
    now: int,
    caller: Caller,
    changes: Mapping[str, Any] | None = None,
    metadata: Mapping[str, Any] | None = None,
) -> None:
    """As `tell`, with the scope's principal as the actor."""
    record_own(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now, changes=changes,
         metadata=metadata)  # fmt: skip


def differences(was: Mapping[str, Any], is_now: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The fields whose values differ, as `{name: {"before": …, "after": …}}`; null where a field is missing."""
    pairs = {name: {"before": was.get(name), "after": is_now.get(name)} for name in {**was, **is_now}}
    return {name: pair for name, pair in pairs.items() if pair["before"] != pair["after"]}


def _without_empty(fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that have a value: an event has no empty text and no empty part."""
    return {name: value for name, value in fields.items() if value not in ("", None, {})}
