"""Events as CSV (RFC 4180): a summary of each, that a spreadsheet takes for text whatever it says.

Times are RFC 3339, so that each names its zone: UTC.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from tallystick.clock import rfc3339
from tallystick.events.record import StoredEvent
from tallystick.render.fields import actor_of, details_of, erased_of, target_of, what_of, who_of

HEADER = ("timestamp", "user_email", "action", "resource", "status", "ip_address", "details")
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
_DETAILS = ("changes", "request", "response", "metadata")
# What may begin details that hold nothing else than these.
_PLAIN = tuple(f'{{"{name}":'.encode() for name in _DETAILS)
_OTHER = b'"redacted":'
# A cell that begins so is a formula to a spreadsheet, also behind spaces and in full-width form.
_FORMULA = re.compile(r"\s*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
_SPECIAL = re.compile(r'[",\r\n]')
END = "\r\n"


def csv_header() -> bytes:
    """The first line."""
    return (",".join(HEADER) + END).encode()


def csv_of(events: Sequence[StoredEvent]) -> bytes:
    """One line for each event, with the details as JSON in its last cell."""
    return "".join([_line(stored) for stored in events]).encode()


def _line(stored: StoredEvent) -> str:
    # Written here rather than by a library that looks at each letter: all but the details comes again and again.
    what = what_of(stored.what or b"{}")
    who = who_of(stored.who or b"{}")
    actor, target = actor_of(bytes(who.actor)), target_of(stored.target)
    details = "" if "details" in erased_of(stored) else _details(stored.details)
    return (
        f"{what.timestamp or rfc3339(stored.occurred_at)},{cell(actor.email or actor.name or actor.id)},{what.action},"
        f"{cell(target.name or target.id)},{what.status},{cell(who.context.ip_address)},"
        f"{_quoted(details) if details else ''}{END}"
    )


def _details(part: bytes) -> str:
    """What changed, was asked, answered and noted, as JSON; "" for nothing."""
    if part.startswith(_PLAIN) and _OTHER not in part:
        return part.decode()
    details = details_of(part or b"{}")
    values = [(name, bytes(getattr(details, name))) for name in _DETAILS]
    pieces = [f'"{name}":{value.decode()}' for name, value in values if len(value) > len(b"{}")]
    return f"{{{','.join(pieces)}}}" if pieces else ""


@lru_cache(maxsize=16_384)
def cell(text: str) -> str:
    """The text as a cell, quoted where that is needed, with an apostrophe before what a spreadsheet would calculate."""
    shown = f"'{text}" if _FORMULA.match(text) else text
    return _quoted(shown) if _SPECIAL.search(shown) else shown


def _quoted(text: str) -> str:
    doubled = text.replace('"', '""')
    return f'"{doubled}"'
