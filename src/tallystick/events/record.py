"""The event as it is stored: four JSON parts, their commitments, and the columns copied from them."""

from collections.abc import Iterable

import msgspec

from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue


class Record(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One committed event, without organization and index; the journal holds these (MessagePack).

    Times are microseconds since 1970 UTC. Absent text is "". The parts are exact UTF-8 JSON bytes (`b"{}"` if absent);
    everything from `action` on is a copy of what the parts say. New fields go at the end with a default, so that an
    older journal can still be decoded.
    """

    id: bytes  # UUIDv7, 16 bytes
    received_at: int
    occurred_at: int
    seed: bytes  # 16 random bytes that salt the commitments
    entry: bytes  # the log entry, 32 bytes
    what: bytes
    target: bytes
    who: bytes
    details: bytes
    action: str
    category: str
    status: str
    description: str
    actor_type: str
    actor_id: str
    actor_email: str
    actor_name: str
    behalf_id: str  # on_behalf_of, so that an impersonated person's events are found too
    behalf_email: str
    behalf_name: str
    resource_type: str
    resource_id: str
    resource_name: str
    ip_address: str
    session_id: str
    request_id: str
    paths: tuple[str, ...]  # "changes.error", "request.steps.name": one for each value, list positions left out
    values: tuple[str, ...]  # the values in the details as people see them; no null, no keys
    remains: bytes = b""  # of an event that lost parts (`merkle.remains`); a lost part is b""
    # What a record of an earlier version lacks; its parts may have it (`events.copies.complete`).
    severity: str = ""  # of an event that has none because an earlier version recorded it
    external_id: str = ""
    recorder_id: str = ""  # recorded_by
    recorder_email: str = ""
    recorder_name: str = ""
    status_reason: str = ""
    original_action: str = ""
    other_resource_types: tuple[str, ...] = ()  # of all resources but the first, in order
    other_resource_ids: tuple[str, ...] = ()
    other_resource_names: tuple[str, ...] = ()
    user_agent: str = ""
    trace_id: str = ""
    source: str = ""
    channel: str = ""
    account: str = ""
    region: str = ""
    country: str = ""
    network: str = ""
    auth_method: str = ""
    credential_id: str = ""
    agent_session_id: str = ""
    tool: str = ""
    model: str = ""
    mode: str = ""

    @property
    def parts_size(self) -> int:
        """The bytes of the parts: most of what an event is."""
        return len(self.what) + len(self.target) + len(self.who) + len(self.details)


# The fields of `context` that a record holds in this order, after those that come before `remains`.
CONTEXT_FIELDS = Record.__struct_fields__[Record.__struct_fields__.index("user_agent") :]


class StoredEvent(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """An event as read from the store: its place in the log and its parts.

    `catalogue` describes its action; it is that of the event's organization once `with_catalogue` has set it. Only
    events with the built-in one can be encoded.
    """

    index: int
    id: bytes
    received_at: int
    occurred_at: int
    what: bytes
    target: bytes
    who: bytes
    details: bytes
    seed: bytes = b""  # opens the commitments; no answer but a proof shows it
    remains: bytes = b""  # of an event that lost parts (`merkle.remains`); a lost part is b""
    catalogue: ActionCatalogue = BUILT_IN


def with_catalogue(events: Iterable[StoredEvent], catalogue: ActionCatalogue) -> list[StoredEvent]:
    """The events, whose actions the catalogue describes."""
    if not catalogue.own:
        return list(events)
    return [msgspec.structs.replace(event, catalogue=catalogue) for event in events]
