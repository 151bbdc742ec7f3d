"""What clients may send: the fields of an event with types and lengths, declared once.

Intake decodes into these; `examine` reads the same declarations to name problems. An optional field that is null is
absent; lengths are in characters (code points).
"""

from datetime import datetime
from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from tallystick.events.catalogue import Category, Status

ActorType = Literal["user", "agent", "api_key", "service_account", "system", "anonymous", "support"]
Channel = Literal["web", "api", "cli", "mcp", "mobile", "scheduled", "system"]
Mode = Literal["interactive", "autonomous"]
# The words of before `low` and `medium` are accepted for ever.
SentSeverity = Literal["info", "low", "medium", "high", "critical", "notice", "warning"]
MAX_RESOURCES = 20
MAX_ACTION = 100
Name = Annotated[str, Meta(max_length=1024)]
Email = Annotated[str, Meta(max_length=320)]
Moment = Annotated[datetime, Meta(tz=True)]
EnrichedField = Literal["context.country", "context.network"]
Details = dict[str, Any]


def _meta(description: str, **schema: Any) -> Meta:
    """What the API's reference says of a field; nothing is checked by it."""
    return Meta(description=description, extra_json_schema=schema or None)


_TYPE = _meta("Kind of actor. Default: `user`.")
_SENDER_ID = _meta("The sender's own id.")
_EMAIL = _meta("E-mail address.")
_NAME = _meta("Name that people know.")


class OnBehalfOf(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """The person or service on whose behalf an actor acts; an agent without one acts alone."""

    type: Annotated[ActorType | None, _TYPE] = None
    id: Annotated[Name | None, _SENDER_ID] = None
    email: Annotated[Email | None, _EMAIL] = None
    name: Annotated[Name | None, _NAME] = None


class Actor(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Who did it. Without an actor, it is the API key that recorded the event."""

    type: Annotated[ActorType | None, _TYPE] = None
    id: Annotated[Name | None, _SENDER_ID] = None
    email: Annotated[Email | None, _EMAIL] = None
    name: Annotated[Name | None, _NAME] = None
    on_behalf_of: OnBehalfOf | None = None


class Resource(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """What it was done to: `type`, and at least one of `id` and `name`."""

    type: Annotated[str, Meta(min_length=1, max_length=100), _meta("Kind of resource.")]
    id: Annotated[Name | None, _SENDER_ID] = None
    name: Annotated[Name | None, _NAME] = None
    role: Annotated[
        Name | None, _meta("The part that the resource has in the event, such as `target`, `policy`, `instance`.")
    ] = None


class Context(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """Where the request came from, and how it was made."""

    ip_address: Annotated[Name | None, _meta("IPv4 or IPv6 address.")] = None
    user_agent: Annotated[Name | None, _meta("User agent of the client.")] = None
    request_id: Annotated[Name | None, _meta("Id of the request.")] = None
    session_id: Annotated[Name | None, _meta("Id of the session.")] = None
    trace_id: Annotated[Name | None, _meta("Id of the trace.")] = None
    source: Annotated[Name | None, _meta("The program that sends the event, such as a service's name.")] = None
    channel: Annotated[Channel | None, _meta("The way in which the request came.")] = None
    account: Annotated[Name | None, _meta("Account, subscription or tenant in which it happened.")] = None
    region: Annotated[Name | None, _meta("Region in which it happened, such as `eu-central-1`.")] = None
    country: Annotated[Name | None, _meta("Country of the address: two letters (ISO 3166-1).")] = None
    network: Annotated[Name | None, _meta("Network of the address, such as `AS3320 Deutsche Telekom AG`.")] = None
    auth_method: Annotated[Name | None, _meta("How the actor signed in: `password`, `sso`, `passkey`, `mfa` …")] = None
    credential_id: Annotated[Name | None, _meta("Id of the key, token or certificate that was used.")] = None
    agent_session_id: Annotated[Name | None, _meta("Id of the session of an AI agent.")] = None
    tool: Annotated[Name | None, _meta("Tool that an AI agent called.")] = None
    model: Annotated[Name | None, _meta("Model of an AI agent.")] = None
    mode: Annotated[Mode | None, _meta("Whether a person watched an AI agent.")] = None


class EventInput(Struct, forbid_unknown_fields=True, omit_defaults=True, gc=False):
    """An event as sent: at most 64 KiB as stored, and objects nested at most 20 deep."""

    # `intake` checks what the types cannot say: the form of `action`, the range of `timestamp`, a real address, depth
    # and size.

    action: Annotated[
        str,
        Meta(max_length=MAX_ACTION),
        _meta(
            "Action, as `noun.verb`.",
            pattern="^[a-z0-9_]+(\\.[a-z0-9_]+)+$",
            examples=["deployment.failed"],
        ),
    ]
    description: Annotated[Annotated[str, Meta(max_length=500)] | None, _meta("Free text.")] = None
    timestamp: Annotated[Moment | None, _meta("When it happened, with a time zone. Default: now.")] = None
    status: Annotated[Status | None, _meta("Outcome. Default: that of the action in the catalogue, or `success`.")] = (
        None
    )
    category: Annotated[Category | None, _meta("Category. Default: that of the action.")] = None
    actor: Actor | None = None
    resource: Resource | None = None
    resources: Annotated[
        Annotated[list[Resource], Meta(max_length=MAX_RESOURCES)] | None,
        _meta("All resources of an event that has several. The first is `resource`, which may be left out then."),
    ] = None
    context: Context | None = None
    status_reason: Annotated[Annotated[str, Meta(max_length=500)] | None, _meta("Why it failed, or succeeded.")] = None
    severity: Annotated[
        SentSeverity | None, _meta("Default: that of the action. `notice` is stored as `low`, `warning` as `medium`.")
    ] = None
    original_action: Annotated[
        Annotated[str, Meta(max_length=200)] | None, _meta("The action as its source names it.")
    ] = None
    changes: Annotated[Details | None, _meta('Changed fields; a value may be `{"before": …, "after": …}`.')] = None
    request: Annotated[Details | None, _meta("The request that the actor made.")] = None
    response: Annotated[Details | None, _meta("The response to it.")] = None
    metadata: Annotated[Details | None, _meta("Other details.")] = None
    external_id: Annotated[
        Annotated[str, Meta(max_length=128)] | None,
        _meta("The sender's identifier of the event: an event sent again with it is recorded once."),
    ] = None
    enriched: Annotated[
        Annotated[list[EnrichedField], Meta(max_length=2)] | None,
        _meta("Fields of an imported event's `context` that another Tallystick had filled in by itself."),
    ] = None
