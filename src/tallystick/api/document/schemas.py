"""The shapes of what is sent and what is answered."""

from typing import Any, get_args

from tallystick.cases.threads import RELATIONS
from tallystick.events.catalogue import CATEGORIES, SEVERITIES, STATUSES
from tallystick.events.incoming import ActorType
from tallystick.merkle.commitment import PARTS
from tallystick.store.reading import VALUES

Schema = dict[str, Any]


def text(description: str, **more: Any) -> Schema:
    """A text, with what it means."""
    return {"type": "string", "description": description, **more}


def ref(name: str) -> Schema:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def listed(of: Schema, **more: Any) -> Schema:
    """A list."""
    return {"type": "array", "items": of, **more}


def fields(properties: dict[str, Schema], *, optional: tuple[str, ...] = (), **more: Any) -> Schema:
    """An object with just these members, all but `optional` always there."""
    required = [name for name in properties if name not in optional]
    shape: Schema = {"type": "object", "properties": properties, "additionalProperties": False, **more}
    return shape | ({"required": required} if required else {})


INDEX: Schema = {"type": "integer", "minimum": 0, "description": "Its place in the organization's log, without gaps."}
THROUGH: Schema = {"type": "integer", "minimum": -1}
COUNT: Schema = {"type": "integer", "minimum": 0}
FLAG: Schema = {"type": "boolean"}
TIME = text(
    "RFC 3339 in UTC, to the microsecond.", format="date-time", pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$"
)
EVENT_ID = text("`evt_` and 26 characters.", pattern="^evt_[0-7][0-9a-hjkmnp-tv-z]{25}$")
ACTION = text("`noun.verb`.", pattern="^[a-z0-9_]+(\\.[a-z0-9_]+)+$", maxLength=100)
_RELATION = text("The thread.", enum=list(RELATIONS))
DETAILS: Schema = {"type": "object", "additionalProperties": True}

_ID = text("The sender's own identifier.", maxLength=1024)
_NAME = text("What people call it.", maxLength=1024)
_PERSON: dict[str, Schema] = {
    "type": text("What kind of actor; `user` when it is left out.", enum=list(get_args(ActorType))),
    "id": _ID,
    "email": text("An e-mail address.", maxLength=320),
    "name": _NAME,
}
_PERSON_NAMES = tuple(_PERSON)
_CONTEXT: dict[str, Schema] = {
    "ip_address": text("An IPv4 or IPv6 address."),
    "user_agent": text("The client's own name.", maxLength=1024),
    "request_id": _ID,
    "session_id": _ID,
    "trace_id": _ID,
    "source": text("Where it came in: `api`, `web`, a service.", maxLength=1024),
}
_GIVEN: dict[str, Schema] = {
    "action": ACTION,
    "description": text("Free text.", maxLength=500),
    "timestamp": text("When it happened, with a zone; default now.", format="date-time"),
    "status": text("How it ended; default from the catalogue, else `success`.", enum=list(STATUSES)),
    "category": text("Default from the catalogue.", enum=list(CATEGORIES)),
    "actor": ref("Actor"),
    "resource": ref("Resource"),
    "context": ref("Context"),
    "changes": DETAILS | {"description": 'What changed; a value may be `{"before": …, "after": …}`.'},
    "request": DETAILS | {"description": "What was asked for."},
    "response": DETAILS | {"description": "What was answered."},
    "metadata": DETAILS | {"description": "Whatever else is worth keeping."},
    "external_id": text("The sender's identifier; sent again, nothing is recorded twice.", maxLength=128),
}
_ADDED: dict[str, Schema] = {
    "id": EVENT_ID,
    "index": INDEX,
    "received_at": TIME,
    "recorded_by": fields(
        {"type": text("`user`, `api_key` or `system`."), "id": text("Its id."), "name": text("Its name."),
         "email": text("Of a person.")},
        optional=("email",), description="Who brought it in.",
    ),
    "known": FLAG | {"description": "The action is in the catalogue."},
    "summary": text("The event as a sentence."),
    "redacted": listed({"type": "string"}, description="Paths whose values were replaced before they were stored."),
    "clock_skew": FLAG | {"description": "Its timestamp was ahead of our clock."},
    "erased": listed({"type": "string", "enum": list(PARTS)}, description="Parts that an erasure took."),
    "erased_by": listed(
        fields(
            {"id": EVENT_ID, "index": INDEX, "parts": listed({"type": "string"}), "reason": text("Why.")},
        ),
        description="The records of these erasures; of one event alone.",
    ),
}  # fmt: skip
# Empty where the part that says it was erased.
_ERASABLE: dict[str, Schema] = {
    "action": text("`noun.verb`; empty when it was erased.", pattern="^([a-z0-9_]+(\\.[a-z0-9_]+)+)?$", maxLength=100),
    "status": text("How it ended; empty when it was erased.", enum=[*STATUSES, ""]),
    "category": text("Its kind; empty when it was erased.", enum=[*CATEGORIES, ""]),
}
_OPTIONAL = (
    "description", "actor", "resource", "context", "changes", "request", "response", "metadata", "external_id",
    "redacted", "clock_skew", "erased", "erased_by",
)  # fmt: skip

SCHEMAS: dict[str, Schema] = {
    "EventInput": fields(
        _GIVEN, optional=tuple(name for name in _GIVEN if name != "action"),
        description="An event as it is sent. At most 64 KiB as stored, nested at most 20 deep.",
        examples=[{
            "action": "deployment.failed",
            "actor": {"type": "user", "id": "usr_456", "email": "sarah@example.com", "name": "Sarah Lin"},
            "resource": {"type": "project", "id": "prj_88", "name": "api-infrastructure"},
            "context": {"ip_address": "192.168.1.50", "user_agent": "Chrome/120.0"},
            "changes": {"error": "Policy violation: S3 encryption required"},
        }],
    ),
    "Event": fields(
        _ADDED | _GIVEN | {"timestamp": TIME} | _ERASABLE, optional=_OPTIONAL, description="An event as it is kept.",
    ),
    "Actor": fields(
        _PERSON | {"on_behalf_of": ref("Person")}, optional=(*_PERSON_NAMES, "on_behalf_of"),
        description="Who did it. Left out as a whole, it is the key that recorded the event.",
    ),
    "Person": fields(_PERSON, optional=_PERSON_NAMES, description="Whom the actor stands in for."),
    "Resource": fields(
        {"type": text("What kind of thing.", minLength=1, maxLength=100), "id": _ID, "name": _NAME},
        optional=("id", "name"), description="What it was done to: `type`, and at least one of `id` and `name`.",
        anyOf=[{"required": ["id"]}, {"required": ["name"]}],
    ),
    "Context": fields(_CONTEXT, optional=tuple(_CONTEXT), description="Where it came from."),
    "Recording": {
        "description": "One event, several in an object, or a list of them.",
        "oneOf": [
            ref("EventInput"),
            fields({"events": listed(ref("EventInput"), minItems=1, maxItems=1000)}),
            listed(ref("EventInput"), minItems=1, maxItems=1000),
        ],
    },
    "Recorded": fields(
        {
            "events": listed(ref("RecordedEvent")),
            "duplicate": FLAG | {"description": "The Idempotency-Key was known: this is the first answer again."},
        },
        description="In the order of the request.",
    ),
    "RecordedEvent": fields(
        {
            "id": EVENT_ID, "index": INDEX, "timestamp": TIME,
            "duplicate": FLAG | {"description": "Its external_id was known: this is the first event."},
            "conflict": FLAG | {"description": "And its content differs from that event's."},
            "clock_skew": FLAG | {"description": "Its timestamp is ahead of our clock."},
            "expires_soon": FLAG | {"description": "It is older than the retention."},
        },
        optional=("conflict", "clock_skew", "expires_soon"),
    ),
    "Page": fields(
        {
            "data": listed(ref("Event")),
            "total": {"type": ["integer", "null"], "minimum": 0},
            "total_relation": {
                "enum": ["exact", "estimate", "at_least", None],
                "description": "How far `total` can be trusted; both are null with count=none.",
            },
            "next_cursor": {"type": ["string", "null"], "description": "Goes on, with the same parameters."},
            "partial": FLAG | {"description": "The time was used up before everything was looked at."},
            "searchable_through": THROUGH | {"description": "Every event up to this index could be found; -1: none."},
            "retention_start": TIME,
        },
        description="What was found, and what has to be known about it.",
    ),
    "Related": fields(
        {
            "event_id": EVENT_ID,
            "threads": listed(fields({"by": _RELATION, "value": text("What it goes by.")})),
            "start": TIME,
            "end": TIME,
            "data": listed(fields({"by": listed(_RELATION), "event": ref("Event")})),
            "more_before": FLAG | {"description": "There are more before these."},
            "more_after": FLAG | {"description": "There are more after these."},
            "partial": FLAG | {"description": "The time was used up; some in the span may be missing."},
            "searchable_through": THROUGH,
            "retention_start": TIME,
        },
        description="What happened around an event, oldest first; `by` says what each shares with it.",
    ),
    "Histogram": fields(
        {
            "start": TIME, "end": TIME,
            "interval_seconds": {"type": "integer", "minimum": 1},
            "buckets": listed(fields({"start": TIME, "success": COUNT, "failed": COUNT})),
            "partial": FLAG,
        },
        description="Counts over time by status; empty intervals are there too.",
    ),
    "Facets": fields(
        {
            "field": {"type": "string", "enum": list(VALUES)},
            "values": listed(fields({"value": {"type": "string"}, "count": COUNT})),
            "partial": FLAG,
        },
        description="The values that most events have, most frequent first.",
    ),
    "Proof": fields(
        {
            "index": INDEX,
            "size": COUNT | {"description": "Of the log, as the checkpoint has it."},
            "event": fields(
                {
                    "index": INDEX, "id": EVENT_ID,
                    "received_at": COUNT | {"description": "Microseconds since 1970 UTC."},
                    "seed": text("16 bytes in base64; opens the commitments."),
                    "what": text("The first part, the exact text that was committed to."),
                    "target": text("The second."), "who": text("The third."), "details": text("The fourth."),
                },
                description="What the log entry is made of.",
            ),
            "proof": text("The proof and the checkpoint: a C2SP tlog-proof."),
        },
        description="An event and the proof that it stands in the log.",
    ),
    "Actions": fields({"data": listed(ref("Action")), "partial": FLAG}, description="By name."),
    "Action": fields(
        {
            "action": {"type": "string"}, "known": FLAG,
            "category": {"enum": list(CATEGORIES)}, "status": {"enum": list(STATUSES)},
            "severity": {"enum": list(SEVERITIES)}, "events": COUNT,
        },
        description="With what an event of it gets by default, and how many there are.",
    ),
    "Problem": {
        "type": "object",
        "description": "What went wrong (RFC 9457). Further members belong to the code.",
        "properties": {
            "type": text("Leads to where the code is explained."), "title": text("The kind of problem."),
            "status": {"type": "integer"}, "code": text("Stable: for programs."),
            "detail": text("What to do, for people."),
            "errors": listed(ref("EventProblem"), description="With invalid_event: every problem of each event."),
        },
        "required": ["type", "title", "status", "code", "detail"],
    },
    "EventProblem": fields(
        {
            "index": COUNT | {"description": "Which event of the request, from 0."},
            "field": text("Its path, such as `actor.email`; empty for the whole event."),
            "code": text("Stable: for programs."), "detail": text("What to do, for people."),
        },
    ),
    "Health": fields({"status": {"const": "ok"}}),
    "Readiness": fields({"status": {"const": "ready"}, "checks": {"type": "object", "additionalProperties": FLAG}}),
}  # fmt: skip
