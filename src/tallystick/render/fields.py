"""The parts of an event taken apart as far as files for people and programs need it, and no further.

Reading every part into dictionaries takes longer than all the rest of a large export.
"""

from collections.abc import Sequence
from functools import lru_cache

import msgspec
import numpy as np
from msgspec import Raw

from tallystick.events.record import StoredEvent
from tallystick.events.summary import summary
from tallystick.ids import ALPHABET
from tallystick.merkle.remains import lost_parts

_NOTHING = Raw(b"{}")
_ABSENT = Raw(b"")
_LETTERS = np.frombuffer(ALPHABET.encode(), dtype=np.uint8)
_BITS, _LENGTH = 5, 26
_WEIGHTS = (1 << np.arange(_BITS)[::-1]).astype(np.uint8)
_EVT = np.frombuffer(b"evt_", dtype=np.uint8)


class What(msgspec.Struct, gc=False):
    """Part 1; of an event whose `what` was erased everything but the timestamp is empty."""

    action: str = ""
    category: str = ""
    status: str = ""
    timestamp: str = ""
    external_id: str = ""
    recorded_by: Raw = _NOTHING


class Target(msgspec.Struct, gc=False):
    """Part 2, the resource."""

    type: str = ""
    id: str = ""
    name: str = ""


class Context(msgspec.Struct, frozen=True, gc=False):
    """Where it came from."""

    ip_address: str = ""
    user_agent: str = ""
    request_id: str = ""
    session_id: str = ""
    trace_id: str = ""
    source: str = ""


class Who(msgspec.Struct, gc=False):
    """Part 3."""

    actor: Raw = _NOTHING
    context: Context = Context()


class Actor(msgspec.Struct, gc=False):
    """The actor within part 3, or who recorded the event."""

    type: str = ""
    id: str = ""
    email: str = ""
    name: str = ""
    on_behalf_of: Raw = _ABSENT


class Details(msgspec.Struct, gc=False):
    """Part 4; the objects as the JSON that is stored, empty where there is none."""

    description: str = ""
    changes: Raw = _ABSENT
    request: Raw = _ABSENT
    response: Raw = _ABSENT
    metadata: Raw = _ABSENT
    redacted: tuple[str, ...] = ()


what_of = msgspec.json.Decoder(What).decode
who_of = msgspec.json.Decoder(Who).decode
details_of = msgspec.json.Decoder(Details).decode
_actor_of = msgspec.json.Decoder(Actor).decode
_target_of = msgspec.json.Decoder(Target).decode
_object = msgspec.json.Decoder(dict[str, object]).decode


@lru_cache(maxsize=16_384)
def actor_of(raw: bytes) -> Actor:
    """The actor in its JSON; the same few come again and again."""
    return _actor_of(raw)


@lru_cache(maxsize=16_384)
def target_of(part: bytes) -> Target:
    """The resource in part 2."""
    return _target_of(part or b"{}")


@lru_cache(maxsize=32_768)
def sentence(action: str, status: str, actor: bytes, target: bytes) -> str:
    """The event for people."""
    if not action:
        return "What happened was erased"
    return summary(action, status, _object(actor), _object(target or b"{}"))


def shown_ids(events: Sequence[StoredEvent]) -> list[bytes]:
    """What `ids.encode` says of each event's id, for many at once."""
    raw = np.frombuffer(b"".join([stored.id for stored in events]), dtype=np.uint8).reshape(-1, 16)
    bits = np.zeros((len(raw), _LENGTH * _BITS), dtype=np.uint8)
    bits[:, 2:] = np.unpackbits(raw, axis=1)  # 128 bits in 26 letters of 5: two are left over
    letters = _LETTERS[bits.reshape(-1, _LENGTH, _BITS) @ _WEIGHTS]
    whole = np.concatenate([np.broadcast_to(_EVT, (len(raw), len(_EVT))), letters], axis=1)
    texts: list[bytes] = whole.view(f"S{whole.shape[1]}").ravel().tolist()
    return texts


def erased_of(stored: StoredEvent) -> tuple[str, ...]:
    """The parts that an erasure took."""
    return tuple(lost_parts(stored.remains)) if stored.remains else ()
