"""Tallystick's own format: one event per line, as sent or as returned by a server."""

from collections.abc import Iterator
from typing import Any, BinaryIO

import msgspec

from tallystick.events.importers.own_export import event_to_send

_object = msgspec.json.Decoder(dict[str, Any]).decode
MAX_EVENT_BYTES = 8 << 20  # of an event in a file; the server takes less
_BOM = b"\xef\xbb\xbf"


def read(stream: BinaryIO) -> Iterator[dict[str, Any]]:
    """The events of the lines that are not blank; ValueError with the number of a line that is not an event."""
    for number, line in enumerate(stream, 1):
        line = line.removeprefix(_BOM) if number == 1 else line
        if not line.isspace() and not _names_gaps(line):
            try:
                yield event_of_line(line)
            except ValueError as problem:
                raise ValueError(f"line {number}: {problem}") from None


def _names_gaps(line: bytes) -> bool:
    """Whether it is the last line of an export that lacks events, which names them (`render.json_lines.gaps_line`)."""
    if not line.startswith((b'{"missing":', b'{"lost":')):
        return False
    try:
        return _object(line).keys() <= {"missing", "lost"}
    except (ValueError, RecursionError):
        return False


def event_of_line(line: bytes) -> dict[str, Any]:
    """One event as `own_export.event_to_send` gives it. Raises ValueError."""
    try:
        event = _object(line)
    except RecursionError:
        raise ValueError("nested too deep for an event") from None
    except ValueError as problem:  # msgspec's own, and bytes that are not UTF-8
        raise ValueError(f"not an event in JSON ({problem})") from None
    if lost := [part for part in event.get("erased") or () if part in ("what", "who")]:
        raise ValueError(f"parts of this event were erased ({', '.join(lost)}), so that it cannot be recorded again")
    return event_to_send(event)
