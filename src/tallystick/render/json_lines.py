"""Events as JSON with every field, put together from the stored parts: the same as `events.output.event_of` says."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from tallystick.clock import rfc3339
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.output import SKEW, event_of
from tallystick.events.record import StoredEvent
from tallystick.ids import encode
from tallystick.render.fields import sentence, what_of, who_of

_json = msgspec.json.encode


# Events that were received together have one time.
_time = lru_cache(maxsize=4096)(rfc3339)


def json_of(stored: StoredEvent) -> bytes:
    """The event as one line without its end."""
    if stored.remains or not stored.what:
        return _json(event_of(stored))
    what = what_of(stored.what)
    who = who_of(stored.who or b"{}")
    words = _json(sentence(what.action, what.status, bytes(who.actor), stored.target))
    head = (
        f'{{"id":"{encode("evt", stored.id)}","index":{stored.index},"received_at":"{_time(stored.received_at)}",'
    ).encode()
    known = b',"known":true,"summary":' if what.action in CATALOGUE else b',"known":false,"summary":'
    pieces = [head, stored.what[1:-1], known, words]
    for part in (stored.who, stored.details):
        if len(part) > len(b"{}"):
            pieces += [b",", part[1:-1]]
    if len(stored.target) > len(b"{}"):
        pieces += [b',"resource":', stored.target]
    pieces.append(b',"clock_skew":true}' if stored.occurred_at > stored.received_at + SKEW else b"}")
    return b"".join(pieces)


def ndjson_of(events: Sequence[StoredEvent]) -> bytes:
    """One event a line."""
    return b"".join([json_of(stored) + b"\n" for stored in events])
