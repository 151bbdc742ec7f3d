"""The threads that connect an event with others: the same actor, resource, session, address or request."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Literal, get_args

from tallystick.errors import BadRequest
from tallystick.events.copies import record_of
from tallystick.events.record import StoredEvent
from tallystick.events.words import first_present
from tallystick.query.case_folding import fold
from tallystick.query.conditions import Condition, InNetwork, IsResource, Or, Query, exactly
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
    sessions = [context[name] for name in ("session_id", "agent_session_id") if context.get(name)]
    request = context.get("request_id", "")
    found = [
        _actor(event.get("actor", {})),
        _resource(event.get("resources") or [event.get("resource", {})]),
        Thread("session", sessions[0], exactly("session", *sessions)) if sessions else None,
        _address(context.get("ip_address", "")),
        Thread("request", request, exactly("request", request)) if request else None,
    ]
    return [thread for thread in found if thread is not None and thread.relation in relations]


def relations_of(stored: StoredEvent, threads: Sequence[Thread]) -> tuple[Relation, ...]:
    """Returns the names of the threads that an event is on, matched in Python as the live view does."""
    record = record_of(stored)
    return tuple(thread.relation for thread in threads if compile_match(Query(thread.condition))(record))


def _actor(actor: dict[str, Any]) -> Thread | None:
    """By email address and id. By name, which is not unique, only if both are missing."""
    value = first_present(actor, "email", "id", "name")
    names = [actor[name] for name in ("email", "id") if actor.get(name)] or [value]
    return Thread("actor", value, exactly("user", *names)) if value else None


def _resource(resources: Sequence[dict[str, Any]]) -> Thread | None:
    """By id and name of any of the resources, within its type: resources of different types may have the same id."""
    named = [(value, one) for one in resources if (value := first_present(one, "name", "id"))]
    if not named:
        return None
    conditions = tuple(_is_resource(one) for _, one in named)
    return Thread("resource", named[0][0], conditions[0] if len(conditions) == 1 else Or(conditions))


def _is_resource(resource: dict[str, Any]) -> Condition:
    names = [resource[name] for name in ("id", "name") if resource.get(name)]
    return IsResource(fold(resource.get("type", "")), tuple(map(fold, names)))


def _address(address: str) -> Thread | None:
    return Thread("address", address, InNetwork((ip_network(address),))) if address else None
