"""The threads that connect an event with others: the same actor, resource, session, address or request."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Literal, get_args

from tallystick.errors import BadRequest
from tallystick.events.output import event_of
from tallystick.events.record import Record, StoredEvent
from tallystick.events.words import first_present
from tallystick.query.conditions import And, Condition, InNetwork, Query, exactly
from tallystick.search.match import compile_match

Relation = Literal["actor", "resource", "session", "address", "request"]
RELATIONS: tuple[Relation, ...] = get_args(Relation)


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread of an event: its name, the value to show, and the condition that all events on it meet."""

    relation: Relation
    value: str
    condition: Condition


def threads_of(event: dict[str, Any], relations: Sequence[str] = RELATIONS) -> list[Thread]:
    """Returns the threads of an event that are among `wanted`. Raises BadRequest (`bad_parameter`)."""
    for name in relations:
        if name not in RELATIONS:
            raise BadRequest(f"by must be one or more of {', '.join(RELATIONS)}.", code="bad_parameter", parameter="by")
    context = event.get("context", {})
    session, request = context.get("session_id", ""), context.get("request_id", "")
    found = [
        _actor(event.get("actor", {})),
        _resource(event.get("resource", {})),
        Thread("session", session, exactly("session", session)) if session else None,
        _address(context.get("ip_address", "")),
        Thread("request", request, exactly("request", request)) if request else None,
    ]
    return [thread for thread in found if thread is not None and thread.relation in relations]


def relations_of(stored: StoredEvent, threads: Sequence[Thread]) -> tuple[Relation, ...]:
    """Returns the names of the threads that an event is on, matched in Python as the live view does."""
    record = _record_of(stored)
    return tuple(thread.relation for thread in threads if compile_match(Query(thread.condition))(record))


def _actor(actor: dict[str, Any]) -> Thread | None:
    """By email address and id. By name, which is not unique, only if both are missing."""
    value = first_present(actor, "email", "id", "name")
    names = [actor[name] for name in ("email", "id") if actor.get(name)] or [value]
    return Thread("actor", value, exactly("user", *names)) if value else None


def _resource(resource: dict[str, Any]) -> Thread | None:
    """By id and name, within its type: resources of different types may have the same id."""
    value = first_present(resource, "name", "id")
    if not value:
        return None
    condition: Condition = exactly("resource", resource.get("id", ""), resource.get("name", ""))
    if resource.get("type"):
        condition = And((condition, exactly("resource_type", resource["type"])))
    return Thread("resource", value, condition)


def _address(address: str) -> Thread | None:
    return Thread("address", address, InNetwork((ip_network(address),))) if address else None


def _record_of(stored: StoredEvent) -> Record:
    """Builds a record with the fields that threads match; the details stay empty."""
    event = event_of(stored)
    actor, resource, context = (event.get(name, {}) for name in ("actor", "resource", "context"))
    behalf = actor.get("on_behalf_of", {})
    return Record(
        stored.id, stored.received_at, stored.occurred_at, b"", b"",
        stored.what, stored.target, stored.who, stored.details,
        event["action"], event["category"], event["status"], event.get("description", ""),
        actor.get("type", ""), actor.get("id", ""), actor.get("email", ""), actor.get("name", ""),
        behalf.get("id", ""), behalf.get("email", ""), behalf.get("name", ""),
        resource.get("type", ""), resource.get("id", ""), resource.get("name", ""),
        context.get("ip_address", ""), context.get("session_id", ""), context.get("request_id", ""), (), (),
    )  # fmt: skip
