"""Tallystick's own format: events as sent, or as exported and answered by a server.

Exported events are sent again without what a server added, under names a key may use.
"""

from codecs import BOM_UTF8
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from tallystick.events.importers.json_values import json_texts
from tallystick.events.importers.parsed import ParsedEvent
from tallystick.events.output import ADDED, event_of
from tallystick.events.record import StoredEvent
from tallystick.ids import decode
from tallystick.merkle.commitment import PARTS
from tallystick.query.own_records import IMPORTED, RESERVED

BUNDLED_EVENTS = "events.ndjson"
HEAD_BYTES = 64
# Exports that are made for other programs and people, by their first bytes.
_OTHER_FORMS = {
    b"PAR1": "a Parquet", b"%PDF-": "a PDF",
    b"timestamp,user_email,": "a CSV", b"timestamp;user_email;": "a CSV", b"sep=": "a CSV",
}  # fmt: skip
_EVIDENCE = frozenset({"id", "index", "received_at", *PARTS})  # of a line of a bundle
_LISTS = frozenset({"events", "data"})  # of a request, and of an answer
_object = msgspec.json.Decoder(dict[str, Any]).decode


def read(chunks: Iterable[bytes]) -> Iterator[ParsedEvent]:
    """The events of a file: one behind another, in an array, or in a request's or answer's list."""
    for one in json_texts(chunks, _LISTS):
        location = f", event {one.number}" if one.in_list else f":{one.line}"
        if one.problem:
            yield ParsedEvent(location, None, one.problem, one.foreign)
        elif not _names_gaps(one.text):
            try:
                yield ParsedEvent(location, event_of_text(one.text))
            except ValueError as problem:
                yield ParsedEvent(location, None, str(problem))


def _names_gaps(text: bytes) -> bool:
    """Whether it is the last line of an export that lacks events, which names them (`render.json_lines.gaps_line`)."""
    if not text.startswith((b'{"missing":', b'{"lost":')):
        return False
    try:
        return _object(text).keys() <= {"missing", "lost"}
    except (ValueError, RecursionError):
        return False


def event_of_text(text: bytes) -> dict[str, Any]:
    """One event as `event_to_send` gives it. Raises ValueError."""
    try:
        event = _object(text)
    except RecursionError:
        raise ValueError("nested too deep for an event") from None
    except ValueError as problem:  # msgspec's own, and bytes that are not UTF-8
        raise ValueError(f"not an event in JSON ({problem})") from None
    if event.keys() >= _EVIDENCE and all(isinstance(event[part], str | None) for part in PARTS):
        event = _event_of_evidence(event)
    if lost := [part for part in event.get("erased") or () if part in ("what", "who")]:
        raise ValueError(f"parts of this event were erased ({', '.join(lost)}), so that it cannot be recorded again")
    return event_to_send(event)


def _event_of_evidence(line: dict[str, Any]) -> dict[str, Any]:
    """The event of a line of a bundle (`ledger.prover.evidence`), whose parts are the texts that the log commits to."""
    gone = [part for part in PARTS if line[part] is None]
    if "what" in gone or "who" in gone:
        return {"erased": gone}
    what, target, who, details = ((line[part] or "").encode() for part in PARTS)
    event_id, received_at = decode("evt", line["id"]), line["received_at"]
    try:
        event = event_of(
            StoredEvent(line["index"], event_id, received_at, received_at, what, target, who, details, b"")
        )
    except (KeyError, TypeError, AttributeError):
        raise ValueError("the parts of this event are damaged") from None
    return event | ({"erased": gone} if gone else {})


def other_form(head: bytes) -> str:
    """What a file is that begins with these bytes, if it is an export in a form that cannot be imported; else empty."""
    form = next((name for begins, name in _OTHER_FORMS.items() if head.removeprefix(BOM_UTF8).startswith(begins)), "")
    return f"{form} export cannot be imported: export as json, ndjson or bundle instead" if form else ""


def event_to_send(event: dict[str, Any]) -> dict[str, Any]:
    """The event as it would be sent.

    Fields that a server added are left out, except that its id becomes the `external_id` of an event without one. An
    action that only Tallystick records is renamed, if a server returned the event; else the server refuses it.
    """
    sent = {name: value for name, value in event.items() if name not in ADDED}
    if isinstance(event.get("id"), str):
        sent.setdefault("external_id", event["id"])
        if "recorded_by" in event:
            sent = rename_reserved_action(sent)
    return sent


def rename_reserved_action(event: dict[str, Any]) -> dict[str, Any]:
    """The event, with `imported.` before an action that only Tallystick records."""
    action = event.get("action")
    is_reserved = isinstance(action, str) and action.startswith(RESERVED)
    return event | {"action": f"{IMPORTED}{action}"} if is_reserved else event


def is_imported_record(action: str) -> bool:
    """Whether the action is one that `rename_reserved_action` gives."""
    return action.startswith(IMPORTED + RESERVED)
