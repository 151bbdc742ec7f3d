"""Events as JSON with every field, put together from the stored parts: the same as `events.output.event_of` says."""

from collections.abc import Sequence
from functools import lru_cache

import msgspec

from tallystick.clock import rfc3339
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.output import SKEW, event_of
from tallystick.events.record import StoredEvent
from tallystick.render.fields import sentence, shown_ids

_json = msgspec.json.encode


class _What(msgspec.Struct, gc=False):
    """What a line needs of part 1; all of it stands in the line as it is stored."""

    action: str
    status: str


class _By(msgspec.Struct, gc=False):
    """The same of part 3."""

    actor: msgspec.Raw = msgspec.Raw(b"{}")


_what_of = msgspec.json.Decoder(_What).decode
_by_of = msgspec.json.Decoder(_By).decode


@lru_cache(maxsize=4096)
def _time(at_us: int) -> bytes:
    """Events that were received together have one time."""
    return rfc3339(at_us).encode()


@lru_cache(maxsize=32_768)
def _said(action: str, status: str, actor: bytes, target: bytes) -> bytes:
    """Whether the action is known, and the sentence; the same few come again and again."""
    known = b"true" if action in CATALOGUE else b"false"
    return b',"known":%b,"summary":%b' % (known, _json(sentence(action, status, actor, target)))


def lines_of(events: Sequence[StoredEvent]) -> list[bytes]:
    """Each event as one line without its end."""
    return [_line(stored, shown_id) for stored, shown_id in zip(events, shown_ids(events), strict=True)]


def _line(stored: StoredEvent, shown_id: bytes) -> bytes:
    part, target, who, details = stored.what, stored.target, stored.who, stored.details
    if stored.remains or not part:
        return _json(event_of(stored))
    what = _what_of(part)
    return b'{"id":"%b","index":%d,"received_at":"%b",%b%b%b%b%b%b' % (
        shown_id,
        stored.index,
        _time(stored.received_at),
        part[1:-1],
        _said(what.action, what.status, bytes(_by_of(who).actor) if who else b"{}", target),
        b"," + who[1:-1] if len(who) > len(b"{}") else b"",
        b"," + details[1:-1] if len(details) > len(b"{}") else b"",
        b',"resource":' + target if len(target) > len(b"{}") else b"",
        b',"clock_skew":true}' if stored.occurred_at > stored.received_at + SKEW else b"}",
    )


def ndjson_of(events: Sequence[StoredEvent]) -> bytes:
    """One event a line."""
    lines = lines_of(events)
    return b"\n".join([*lines, b""])
