"""Events as the API answers with them."""

from typing import Annotated, Any, cast

from msgspec import UNSET, Meta, UnsetType

from tallystick.api.fields import EventId, LogIndex, ResponseBody, Time, doc
from tallystick.events.catalogue import CATEGORIES, SEVERITIES, STATUSES
from tallystick.events.incoming import Actor, Context, Resource
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.merkle.commitment import PARTS

Details = dict[str, Any]


class EventRecorder(ResponseBody):
    """The person or API key that recorded an event."""

    type: Annotated[str, doc("`user`, `api_key` or `system`.")]
    id: Annotated[str, doc("Id of the person or key.")]
    name: Annotated[str, doc("Name of the person or key.")]
    email: Annotated[str, doc("E-mail address of a person.")] | UnsetType = UNSET


class EventErasure(ResponseBody):
    """The record of an erasure that removed parts of an event."""

    id: EventId
    index: LogIndex
    parts: Annotated[list[str], doc("The parts that it removed.")]
    reason: Annotated[str, doc("Reason of the erasure.")]


class EventResponse(ResponseBody, kw_only=True):
    """An event as recorded."""

    id: EventId
    index: LogIndex
    received_at: Annotated[Time, doc("When the server received it.")]
    action: Annotated[
        str,
        Meta(description="Action, as `noun.verb`; empty if it was erased.", pattern="^([a-z0-9_]+(\\.[a-z0-9_]+)+)?$"),
    ]
    timestamp: Annotated[Time, doc("When it happened.")]
    status: Annotated[str, doc("Outcome; empty if it was erased.", enum=[*STATUSES, ""])]
    category: Annotated[str, doc("Category; empty if it was erased.", enum=[*CATEGORIES, ""])]
    severity: (
        Annotated[str, doc("Severity; events of earlier versions have none.", enum=list(SEVERITIES))] | UnsetType
    ) = UNSET
    description: Annotated[str, doc("Free text.")] | UnsetType = UNSET
    status_reason: Annotated[str, doc("Why it had this outcome.")] | UnsetType = UNSET
    original_action: Annotated[str, doc("The action as its source names it.")] | UnsetType = UNSET
    known: Annotated[bool, doc("Whether the action is in the catalogue.")]
    summary: Annotated[str, doc("The event as a sentence.")]
    actor: Actor | UnsetType = UNSET
    context: Context | UnsetType = UNSET
    resource: Annotated[Resource, doc("What was affected; the first of several.")] | UnsetType = UNSET
    resources: Annotated[list[Resource], doc("All resources, if there are several.")] | UnsetType = UNSET
    changes: Annotated[Details, doc('Changed fields; a value may be `{"before": …, "after": …}`.')] | UnsetType = UNSET
    request: Annotated[Details, doc("The request that the actor made.")] | UnsetType = UNSET
    response: Annotated[Details, doc("The response to it.")] | UnsetType = UNSET
    metadata: Annotated[Details, doc("Other details.")] | UnsetType = UNSET
    external_id: Annotated[str, doc("The sender's identifier of the event.")] | UnsetType = UNSET
    recorded_by: EventRecorder
    redacted: Annotated[list[str], doc("Paths of values that were replaced before they were stored.")] | UnsetType = (
        UNSET
    )
    enriched: Annotated[list[str], doc("Fields of `context` that the server filled in by itself.")] | UnsetType = UNSET
    clock_skew: Annotated[bool, doc("Its timestamp was ahead of the server's clock.")] | UnsetType = UNSET
    erased: (
        Annotated[
            list[Annotated[str, Meta(extra_json_schema={"enum": list(PARTS)})]], doc("Parts that an erasure removed.")
        ]
        | UnsetType
    ) = UNSET
    erased_by: Annotated[list[EventErasure], doc("Records of these erasures; only for a single event.")] | UnsetType = (
        UNSET
    )


def event_response(stored: StoredEvent) -> EventResponse:
    """An event, ready for JSON: at run time the dictionary that `event_of` makes, whose schema the class declares."""
    return cast(EventResponse, event_of(stored))
