"""A request's body: one event, `{"events": […]}`, a list of events, or NDJSON with an event on each line.

A body is decoded into the typed events at once. Only when that fails is it parsed again, leniently, to say what is
wrong with which event. A large body of many values is first split into the texts of its events, and each is decoded
when its turn comes: decoding holds the interpreter's lock, and 10 MB of small values would keep all other threads
waiting for seconds.
"""

import json
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime
from functools import lru_cache
from math import isfinite
from typing import Any, TypeVar

import msgspec

from tallystick.errors import BadRequest, TooLarge, UnsupportedMedia
from tallystick.events.examine import (
    READABLE_ACTION,
    TOO_DEEP,
    OutOfRange,
    Unreadable,
    cut_to_microseconds,
    examine,
    kind_of,
)
from tallystick.events.incoming import EventInput
from tallystick.events.problems import Problems, excerpt

T = TypeVar("T")
MAX_BODY = 10 * 1024 * 1024
MAX_EVENTS = 1000
# What is longer and has more of the marks that begin or separate values is not decoded at once. An event that can be
# stored has at most 64 KiB and 32,768 values; every character can be written as an escape of six bytes.
LARGE = 512 * 1024
MANY_MARKS = 200_000
MOST_MARKS_AT_ONCE = 1_000_000  # of a body that cannot be split, to say exactly what is wrong with it
MAX_LINES = 100_000  # blank ones are skipped, but not without end
MAX_DIGITS = 4300  # of an integer with its sign, as for the typed decoder
JSON = "application/json"
NDJSON = "application/x-ndjson"
# Names under which the same format is known.
NDJSON_NAMES = frozenset({
    NDJSON, "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
    "application/x-jsonlines", "application/json-lines", "application/x-json-lines", "application/x-json-stream",
    "text/x-ndjson", "text/jsonl",
})  # fmt: skip
_JSON_NAMES = frozenset({"", JSON, "text/json", "application/x-json"})
CLOUDEVENTS = (
    "CloudEvents are not read yet. Send the event in the form of /docs, with its type as `action`, its time as "
    f"`timestamp`, its id as `external_id` and its data in `metadata`, as `Content-Type: {JSON}` without `ce-` headers."
)

_BOM = b"\xef\xbb\xbf"
_NUL = b"\\u0000"  # the only way to write the character in JSON; the typed decoder would take it
_BATCH = re.compile(rb'\s*\{\s*"events"\s*:')
_LIST = re.compile(rb"\s*\[")
_LONG_NUMBER = re.compile(rb"[0-9]{7}")  # found, or not, in a quarter of the time
_FINER = re.compile(rb'"timestamp"\s*:\s*"[^"]*\.[0-9]{7}')


TOO_MANY_VALUES = (
    f"An event of more than {LARGE} bytes as sent cannot have this many values. Remove or split its details."
)


class _Batch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    events: list[EventInput]


# A list of at most MAX_EVENTS texts of JSON: as a struct, of which msgspec refuses one element more at once, where it
# would first make all elements of a list.
_Texts = msgspec.defstruct(
    "_Texts",
    [(f"event{number}", msgspec.Raw | msgspec.UnsetType, msgspec.UNSET) for number in range(MAX_EVENTS)],
    array_like=True,
    forbid_unknown_fields=True,
    gc=False,
)


class _TextBatch(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    events: _Texts  # type: ignore[valid-type]


_texts = msgspec.json.Decoder(_Texts).decode
_text_batch = msgspec.json.Decoder(_TextBatch).decode


class _Stamp(msgspec.Struct, gc=False):
    """Reads the timestamp of an event as text, and nothing else of it."""

    timestamp: str | None = None


class _StampBatch(msgspec.Struct, gc=False):
    events: list[_Stamp]


_stamp = msgspec.json.Decoder(_Stamp).decode
_stamps = msgspec.json.Decoder(list[_Stamp]).decode
_stamp_batch = msgspec.json.Decoder(_StampBatch).decode
_event = msgspec.json.Decoder(EventInput).decode
_events = msgspec.json.Decoder(list[EventInput]).decode
_batch = msgspec.json.Decoder(_Batch).decode


@lru_cache(maxsize=64)
def media_type(content_type: str) -> str:
    """JSON or NDJSON; without a content type it is JSON. Raises UnsupportedMedia."""
    kind, _, parameters = content_type.partition(";")
    name = kind.strip().lower()
    charset = re.search(r"charset\s*=\s*\"?([^\s\";]+)", parameters, re.IGNORECASE)
    if name.startswith("application/cloudevents"):
        raise UnsupportedMedia(CLOUDEVENTS)
    is_known = name in _JSON_NAMES or name in NDJSON_NAMES
    if not is_known or (charset and charset[1].lower() not in ("utf-8", "utf8", "us-ascii")):
        raise UnsupportedMedia(
            f"Send events in UTF-8 as `Content-Type: {JSON}`, or one per line as `Content-Type: {NDJSON}`."
        )
    return NDJSON if name in NDJSON_NAMES else JSON


def read_body(body: bytes, content_type: str, problems: Problems) -> Collection[EventInput]:
    """The events of a body, at least one, in order, to be iterated over once: those of a large body are decoded then.

    Problems of their form are added to `problems`, and such an event holds what could be read of it.

    Raises UnsupportedMedia; TooLarge (`too_large`, `too_many_events`); BadRequest (`bad_json`, `bad_body`, `no_events`,
    `too_deep`).
    """
    media = media_type(content_type)
    if len(body) > MAX_BODY:
        raise TooLarge(f"A request can have at most {MAX_BODY} bytes, uncompressed. Split it.")
    body = body.removeprefix(_BOM)
    texts = _split(body, media) if _is_dense(body) else None
    if texts is not None:
        return _LargeBody(_counted(texts), problems)
    events = None if _NUL in body else _decoded(body, media)
    if events is not None:
        return _counted(events)
    parsed = [_parsed_line(line) for line in _lines(body)] if media == NDJSON else _parsed(body)
    return [examine(sent, index, problems) for index, sent in enumerate(_counted(parsed))]


def _decoded(body: bytes, media: str) -> list[EventInput] | None:
    try:
        if media == NDJSON:
            return [_exact_time(_event(line), line) for line in _lines(body)]
        if _BATCH.match(body):
            return _exact_times(_batch(body).events, body, lambda text: _stamp_batch(text).events)
        if _LIST.match(body):
            return _exact_times(_events(body), body, _stamps)
        return [_exact_time(_event(body), body)]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _exact_time(event: EventInput, text: bytes) -> EventInput:
    return _exact_times([event], text, lambda one: [_stamp(one)])[0]


def _exact_times(
    events: list[EventInput], text: bytes, read_stamps: Callable[[bytes], list[_Stamp]]
) -> list[EventInput]:
    """The events, with times finer than microseconds cut: the decoder rounds them, perhaps into another day."""
    if _LONG_NUMBER.search(text) and _FINER.search(text):
        for event, stamp in zip(events, read_stamps(text), strict=True):
            if stamp.timestamp is not None:
                event.timestamp = msgspec.convert(cut_to_microseconds(stamp.timestamp), datetime)
    return events


class _LargeBody(Collection[EventInput]):
    """The events of a large body, each decoded from its text when it is iterated to."""

    def __init__(self, texts: Sequence[bytes], problems: Problems) -> None:
        self._texts = texts
        self._problems = problems

    def __len__(self) -> int:
        return len(self._texts)

    def __contains__(self, _event: object) -> bool:
        return False

    def __iter__(self) -> Iterator[EventInput]:
        for index, text in enumerate(self._texts):
            yield self._decode(index, bytes(text))

    def _decode(self, index: int, text: bytes) -> EventInput:
        if _is_dense(text):
            self._problems.add(index, "", "event_too_large", TOO_MANY_VALUES)
            return EventInput(READABLE_ACTION)
        if _NUL not in text:
            try:
                return _exact_time(_event(text), text)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
                pass
        return examine(_parsed_line(text), index, self._problems)


def _is_dense(text: bytes) -> bool:
    return len(text) > LARGE and _marks(text) > MANY_MARKS


def _marks(text: bytes) -> int:
    return sum(map(text.count, b",[{"))


def _split(body: bytes, media: str) -> list[bytes] | None:
    """The text of each event of a body; None if it is better read at once, to say what is wrong with it."""
    if media == NDJSON:
        return _lines(body)
    is_batch = _BATCH.match(body)
    if not is_batch and not _LIST.match(body):
        return [body]
    try:
        texts: msgspec.Struct = _text_batch(body).events if is_batch else _texts(body)
    except msgspec.ValidationError as refusal:
        if "at most length" in str(refusal):
            raise _too_many("more") from None
        raise BadRequest(f"The body must hold nothing but events: {refusal}.", code="bad_body") from None
    except RecursionError:
        raise BadRequest(TOO_DEEP, code="too_deep") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as refusal:
        if _marks(body) <= MOST_MARKS_AT_ONCE:
            return None
        raise BadRequest(f"The body is not valid JSON: {refusal}.", code="bad_json") from None
    return [text for text in msgspec.structs.astuple(texts) if text is not msgspec.UNSET]


def _counted(events: list[T]) -> list[T]:
    if len(events) > MAX_EVENTS:
        raise _too_many(f"{len(events)}")
    if not events:
        raise BadRequest("This request contains no event. Send at least one.", code="no_events")
    return events


def _too_many(count: str) -> TooLarge:
    return TooLarge(f"A request can have at most {MAX_EVENTS} events, not {count}. Split it.", code="too_many_events")


def _lines(body: bytes) -> list[bytes]:
    if body.count(b"\n") > MAX_LINES:
        raise _too_many(f"{MAX_LINES} lines and more")
    return _counted([line for line in body.split(b"\n") if line and not line.isspace()])


def _parsed(body: bytes) -> list[Any]:
    parsed = _parse(body)
    if isinstance(parsed, list):
        return parsed
    if not isinstance(parsed, dict):
        raise BadRequest(
            f'Send an event (an object), `{{"events": […]}}` or a list of events, not {kind_of(parsed)}.',
            code="bad_body",
        )
    if "events" not in parsed:
        return [parsed]
    events = parsed.pop("events")
    if parsed:
        raise BadRequest(f"Unknown field next to `events`: `{excerpt(next(iter(parsed)))}`.", code="bad_body")
    if not isinstance(events, list):
        raise BadRequest(f"`events` must be a list of events, not {kind_of(events)}.", code="bad_body")
    return events


def _parsed_line(line: bytes) -> Any:
    try:
        return _parse(line, of_lines=True)
    except BadRequest as refusal:
        return Unreadable(refusal.code, refusal.detail)


def _parse(body: bytes, *, of_lines: bool = False) -> Any:
    """Parse any JSON, keeping what the typed decoder refuses (lone surrogates, numbers out of range)."""
    try:
        return _LENIENT.decode(body.decode())
    except UnicodeDecodeError as refusal:
        raise BadRequest(f"The body is not valid UTF-8: see byte {refusal.start}.", code="bad_json") from None
    except RecursionError:
        raise BadRequest(TOO_DEEP, code="too_deep") from None
    except json.JSONDecodeError as refusal:
        raise BadRequest(_not_json(refusal, of_lines), code="bad_json") from None
    except ValueError as refusal:
        raise BadRequest(f"The body is not valid JSON: {refusal}.", code="bad_json") from None


def _not_json(refusal: json.JSONDecodeError, of_lines: bool) -> str:
    if not refusal.doc.strip():
        return "The body is empty. Send an event as JSON."
    where = f"column {refusal.colno}" if of_lines else f"line {refusal.lineno}, column {refusal.colno}"
    if refusal.msg != "Extra data":
        return f"The body is not valid JSON: {refusal.msg} at {where}."
    advice = (
        "put each event on its own line" if of_lines else f"to send one event per line, use `Content-Type: {NDJSON}`"
    )
    return f"Unexpected text after the JSON at {where}: {advice}."


def _integer(text: str) -> int | OutOfRange:
    return int(text) if len(text) <= MAX_DIGITS else OutOfRange()


def _float(text: str) -> float | OutOfRange:
    number = float(text)
    return number if isfinite(number) else OutOfRange()


def _constant(name: str) -> None:
    raise ValueError(f"{name} is no value in it")


_LENIENT = json.JSONDecoder(parse_int=_integer, parse_float=_float, parse_constant=_constant)
