"""What clients may send: the fields of an event with types and lengths, declared once.

Intake decodes into these; `examine` reads the same declarations to name problems. An optional field that is null is
absent; lengths are in characters (code points).
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tallystick.events.catalogue import Category, Status

ActorType = Literal["user", "api_key", "service_account", "system", "anonymous", "support"]
Name = Annotated[str, Meta(max_length=1024)]
Email = Annotated[str, Meta(max_length=320)]
Moment = Annotated[datetime, Meta(tz=True)]
Details = dict[str, Any]


class OnBehalfOf(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Whom the actor acts for. Without `type` it is a user."""

    type: ActorType | None = None
    id: Name | None = None
    email: Email | None = None
    name: Name | None = None


class Actor(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Who did it. Without `type` it is a user."""

    type: ActorType | None = None
    id: Name | None = None
    email: Email | None = None
    name: Name | None = None
    on_behalf_of: OnBehalfOf | None = None


class Resource(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What it was done to: `type`, and at least one of `id` and `name`."""

    type: Annotated[str, Meta(min_length=1, max_length=100)]
    id: Name | None = None
    name: Name | None = None


class Context(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Where the request came from."""

    ip_address: Name | None = None
    user_agent: Name | None = None
    request_id: Name | None = None
    session_id: Name | None = None
    trace_id: Name | None = None
    source: Name | None = None


class EventInput(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """One event as sent. `intake` checks what types cannot say: the form of `action`, the range of `timestamp`, real
    addresses, depth and size."""

    action: Annotated[str, Meta(max_length=100)]
    description: Annotated[str, Meta(max_length=500)] | None = None
    timestamp: Moment | None = None
    status: Status | None = None
    category: Category | None = None
    actor: Actor | None = None
    resource: Resource | None = None
    context: Context | None = None
    changes: Details | None = None
    request: Details | None = None
    response: Details | None = None
    metadata: Details | None = None
    external_id: Annotated[str, Meta(max_length=128)] | None = None
