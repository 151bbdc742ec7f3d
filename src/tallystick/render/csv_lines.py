"""Events as CSV (RFC 4180): one summary line for each, in which a spreadsheet finds text and no formula.

Times are RFC 3339 in UTC.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tallystick.clock import rfc3339
from tallystick.events.record import StoredEvent
from tallystick.render.fields import erased_parts, parse_actor, parse_details, parse_target, parse_what, parse_who

HEADER = ("timestamp", "user_email", "action", "resource", "status", "ip_address", "details")
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_DETAILS = ("changes", "request", "response", "metadata")
# The beginnings of a details part that can be copied unchanged.
_DETAILS_START = tuple(f'{{"{name}":'.encode() for name in _DETAILS)
_OTHER = b'"redacted":'
# Spreadsheets take a cell that begins so for a formula, also after spaces and in full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_SPECIAL = re.compile(r'[",\r\n]')
END = "\r\n"


def csv_header() -> bytes:
    """The header line."""
    return (",".join(HEADER) + END).encode()


def csv_lines(events: Sequence[StoredEvent]) -> bytes:
    """One line for each event, with the details as JSON in its last cell."""
    return "".join([_line(stored) for stored in events]).encode()


def _line(stored: StoredEvent) -> str:
    # Not `csv`, which examines every character: all cells but the details repeat, so their quoting is cached.
    what = parse_what(stored.what or b"{}")
    who = parse_who(stored.who or b"{}")
    actor, target = parse_actor(bytes(who.actor)), parse_target(stored.target)
    details = "" if "details" in erased_parts(stored) else _details(stored.details)
    return (
        f"{what.timestamp or rfc3339(stored.occurred_at)},{cell(actor.email or actor.name or actor.id)},{what.action},"
        f"{cell(target.name or target.id)},{what.status},{cell(who.context.ip_address)},"
        f"{_quote(details) if details else ''}{END}"
    )


def _details(part: bytes) -> str:
    """Changes, request, response and metadata as one JSON object; "" when there are none."""
    if part.startswith(_DETAILS_START) and _OTHER not in part:
        return part.decode()
    details = parse_details(part or b"{}")
    values = [(name, bytes(getattr(details, name))) for name in _DETAILS]
    pieces = [f'"{name}":{value.decode()}' for name, value in values if len(value) > len(b"{}")]
    return f"{{{','.join(pieces)}}}" if pieces else ""


@lru_cache(maxsize=16_384)
def cell(text: str) -> str:
    """The text as a cell, quoted if necessary, with an apostrophe before what a spreadsheet would calculate."""
    shown = f"'{text}" if _FORMULA.match(text) else text
    return _quote(shown) if _SPECIAL.search(shown) else shown


def _quote(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
