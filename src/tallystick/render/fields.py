"""Partial parsing of an event's parts, into the fields that exported files need.

Parsing every part into dictionaries would take longer than the rest of a large export.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Raw

from tallystick.events.copies import resources_of
from tallystick.events.output import event_of
from tallystick.events.record import StoredEvent
from tallystick.events.summary import summary
from tallystick.ids import ALPHABET
from tallystick.merkle.remains import lost_parts

MAX_CACHED = 512  # bytes of JSON for which a result is kept
_NOTHING = Raw(b"{}")
_ABSENT = Raw(b"")
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_BITS, _LENGTH = 5, 26
_WEIGHTS = (1 << np.arange(_BITS)[::-1]).astype(np.uint8)
_EVT = np.frombuffer(b"evt_", dtype=np.uint8)


class WhatFields(msgspec.Struct, gc=False):
    """The `what` part. When it was erased, everything is empty."""

    action: str = ""
    category: str = ""
    status: str = ""
    severity: str = ""
    timestamp: str = ""
    external_id: str = ""
    recorded_by: Raw = _NOTHING


class ResourceFields(msgspec.Struct, gc=False):
    """The `target` part: the resource, or the first of several; `resources` are all of several, as stored JSON."""

    type: str = ""
    id: str = ""
    name: str = ""
    role: str = ""
    resources: Raw = _ABSENT


class ContextFields(msgspec.Struct, frozen=True, gc=False):
    """The context within the `who` part."""

    ip_address: str = ""
    user_agent: str = ""
    request_id: str = ""
    session_id: str = ""
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


class WhoFields(msgspec.Struct, gc=False):
    """The `who` part."""

    actor: Raw = _NOTHING
    context: ContextFields = ContextFields()
    enriched: tuple[str, ...] = ()


class ActorFields(msgspec.Struct, gc=False):
    """The actor within the `who` part, or `recorded_by` within the `what` part."""

    type: str = ""
    id: str = ""
    email: str = ""
    name: str = ""
    on_behalf_of: Raw = _ABSENT


class DetailsFields(msgspec.Struct, gc=False):
    """The `details` part; objects as stored JSON, empty when absent."""

    description: str = ""
    status_reason: str = ""
    original_action: str = ""
    changes: Raw = _ABSENT
    request: Raw = _ABSENT
    response: Raw = _ABSENT
    metadata: Raw = _ABSENT
    redacted: tuple[str, ...] = ()


parse_what = msgspec.json.Decoder(WhatFields).decode
parse_who = msgspec.json.Decoder(WhoFields).decode
parse_details = msgspec.json.Decoder(DetailsFields).decode
_decode_actor = msgspec.json.Decoder(ActorFields).decode
_decode_resource = msgspec.json.Decoder(ResourceFields).decode
_decode_resources = msgspec.json.Decoder(list[ResourceFields]).decode
_object = msgspec.json.Decoder(dict[str, object]).decode


def parse_actor(raw: bytes) -> ActorFields:
    """Parse an actor's JSON; cached unless it is long, since the same few make up most events."""
    return _cached_actor(raw) if len(raw) <= MAX_CACHED else _decode_actor(raw)


def parse_target(part: bytes) -> ResourceFields:
    """Parse the `target` part; cached unless it is long."""
    return _cached_target(part or b"{}") if len(part) <= MAX_CACHED else _decode_target(part)


def _decode_target(part: bytes) -> ResourceFields:
    target = _decode_resource(part)
    if not target.resources:
        return target
    first = _decode_resources(target.resources)[0]
    first.resources = target.resources.copy()
    return first


_cached_actor = lru_cache(maxsize=16_384)(_decode_actor)
_cached_target = lru_cache(maxsize=16_384)(_decode_target)


def summary_of(stored: StoredEvent, action: str, status: str, actor: bytes) -> str:
    """The one-sentence summary of an event with this action, status and actor; cached unless its names are long."""
    if action in stored.catalogue.own:  # its sentence may show details
        return str(event_of(stored)["summary"])
    return built_in_summary(action, status, actor, stored.target)


def built_in_summary(action: str, status: str, actor: bytes, target: bytes) -> str:
    """The summary of an event whose action the organization has not described itself."""
    find = _cached_summary if is_cached(actor, target) else _summary
    return find(action, status, actor, target)


def is_cached(actor: bytes, target: bytes) -> bool:
    """Whether what is made of an actor and a target may be kept: long names would fill the memory."""
    return len(actor) + len(target) <= MAX_CACHED


def _summary(action: str, status: str, actor: bytes, target: bytes) -> str:
    if not action:
        return "What happened was erased"
    first, *others = resources_of(_object(target or b"{}")) or ({},)
    return summary(action, status, _object(actor), first, len(others))


_cached_summary = lru_cache(maxsize=32_768)(_summary)


def encode_ids(events: Sequence[StoredEvent]) -> list[bytes]:
    """The ids of many events, as `ids.encode` gives them, computed with NumPy."""
    raw = np.frombuffer(b"".join([stored.id for stored in events]), dtype=np.uint8).reshape(-1, 16)
    bits = np.zeros((len(raw), _LENGTH * _BITS), dtype=np.uint8)
    bits[:, 2:] = np.unpackbits(raw, axis=1)  # 128 bits in 26 letters of 5: two are left over
    letters = _LETTERS[bits.reshape(-1, _LENGTH, _BITS) @ _WEIGHTS]
    whole = np.concatenate([np.broadcast_to(_EVT, (len(raw), len(_EVT))), letters], axis=1)
    texts: list[bytes] = whole.view(f"S{whole.shape[1]}").ravel().tolist()
    return texts


def erased_parts(stored: StoredEvent) -> tuple[str, ...]:
    """The names of the event's erased parts."""
    return tuple(lost_parts(stored.remains)) if stored.remains else ()
