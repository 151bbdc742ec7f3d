"""Events as JSON with every field, joined from the stored parts; equal to `events.output.event_of`, but faster."""

from collections.abc import Mapping, Sequence
from functools import lru_cache

import msgspec

from tallystick.clock import rfc3339
from tallystick.events.catalogue import CATALOGUE
from tallystick.events.output import SKEW, event_of
from tallystick.events.record import StoredEvent
from tallystick.render.fields import built_in_summary, encode_ids, is_cached

_json = msgspec.json.encode


class _ActionPart(msgspec.Struct, gc=False):
    """The fields of the `what` part that the summary needs; the part itself is copied unchanged."""

    action: str
    status: str


class _ActorPart(msgspec.Struct, gc=False):
    """The field of the `who` part that the summary needs."""

    actor: msgspec.Raw = msgspec.Raw(b"{}")


class _TargetPart(msgspec.Struct, gc=False):
    """The `target` part of an event with several resources."""

    resources: list[msgspec.Raw]


_SEVERAL = b'{"resources":'  # how such a part begins; that of one resource begins with its type
_parse_target = msgspec.json.Decoder(_TargetPart).decode
_parse_action = msgspec.json.Decoder(_ActionPart).decode
_parse_actor = msgspec.json.Decoder(_ActorPart).decode


@lru_cache(maxsize=4096)
def _time(at_us: int) -> bytes:
    """The time as RFC 3339; cached, since events of one request have the same."""
    return rfc3339(at_us).encode()


def _known_and_summary(action: str, status: str, actor: bytes, target: bytes) -> bytes:
    """The fields `known` and `summary`; cached unless names are long, since few combinations make up most events."""
    write = _cached_known_and_summary if is_cached(actor, target) else _write_known_and_summary
    return write(action, status, actor, target)


def _write_known_and_summary(action: str, status: str, actor: bytes, target: bytes) -> bytes:
    known = b"true" if action in CATALOGUE else b"false"
    return b',"known":%b,"summary":%b' % (known, _json(built_in_summary(action, status, actor, target)))


_cached_known_and_summary = lru_cache(maxsize=32_768)(_write_known_and_summary)


def json_lines(events: Sequence[StoredEvent]) -> list[bytes]:
    """Each event as one line of JSON, without a newline."""
    return [_line(stored, public_id) for stored, public_id in zip(events, encode_ids(events), strict=True)]


def _line(stored: StoredEvent, public_id: bytes) -> bytes:
    part, target, who, details = stored.what, stored.target, stored.who, stored.details
    if stored.remains or not part:
        return _json(event_of(stored))
    what = _parse_action(part)
    if what.action in stored.catalogue.own:  # its sentence may show details
        return _json(event_of(stored))
    return b'{"id":"%b","index":%d,"received_at":"%b",%b%b%b%b%b%b' % (
        public_id,
        stored.index,
        _time(stored.received_at),
        part[1:-1],
        _known_and_summary(what.action, what.status, bytes(_parse_actor(who).actor) if who else b"{}", target),
        b"," + who[1:-1] if len(who) > len(b"{}") else b"",
        b"," + details[1:-1] if len(details) > len(b"{}") else b"",
        _resource_fields(target),
        b',"clock_skew":true}' if stored.occurred_at > stored.received_at + SKEW else b"}",
    )


def _resource_fields(target: bytes) -> bytes:
    """The field `resource`, and `resources` if there are several."""
    if target.startswith(_SEVERAL):
        return b',"resource":%b,%b' % (bytes(_parse_target(target).resources[0]), target[1:-1])
    return b',"resource":' + target if len(target) > len(b"{}") else b""


def gaps_line(gaps: Mapping[str, Sequence[tuple[int, int]]]) -> bytes:
    """The last line of NDJSON that lacks events, no event itself: the ranges of indexes that are `missing` and `lost`.

    Only who allowed missing events gets it.
    """
    return _json({name: list(ranges) for name, ranges in gaps.items()}) + b"\n"


def ndjson(events: Sequence[StoredEvent]) -> bytes:
    """The events as NDJSON."""
    lines = json_lines(events)
    return b"\n".join([*lines, b""])
