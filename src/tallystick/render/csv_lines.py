"""Events as CSV (RFC 4180): one line for each, a summary of seven columns or with more of its fields behind them.

Times are RFC 3339 in UTC. `csv_cells` keeps spreadsheets from calculating what events contain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Literal, cast, get_args

import msgspec

from tallystick.clock import rfc3339
from tallystick.events.record import StoredEvent
from tallystick.query.own_records import is_own_record
from tallystick.render.csv_cells import cell, json_cell
from tallystick.render.fields import (
    ActorFields,
    ResourceFields,
    WhatFields,
    WhoFields,
    encode_ids,
    erased_parts,
    parse_actor,
    parse_details,
    parse_target,
    parse_what,
    parse_who,
    summary_of,
)

CsvColumns = Literal["default", "all"]
CsvDialect = Literal["standard", "excel", "excel-semicolon"]
COLUMNS: tuple[str, ...] = get_args(CsvColumns)
DIALECTS: tuple[str, ...] = get_args(CsvDialect)
HEADER = ("timestamp", "user_email", "action", "resource", "status", "ip_address", "details")
# Of the context, behind the columns of before they were known.
CONTEXT = (
    "channel", "account", "region", "country", "network", "auth_method", "credential_id", "agent_session_id", "tool",
    "model", "mode",
)  # fmt: skip
MORE = (
    "event_id", "index", "description", "summary", "category", "received_at", "actor_type", "actor_id", "actor_email",
    "actor_name", "on_behalf_of", "resource_type", "resource_id", "resource_name", "user_agent", "session_id",
    "request_id", "trace_id", "source", "external_id", "recorded_by", "redacted", "erased",
    "severity", "status_reason", "original_action", "resources", "enriched", *CONTEXT,
    "resource_role",
)  # fmt: skip
MEDIA_TYPE = "text/csv; charset=utf-8; header=present"
BYTE_ORDER_MARK = "\ufeff"
_DETAILS = ("changes", "request", "response", "metadata")
# The beginnings of a details part that can be copied unchanged.
_DETAILS_START = tuple(f'{{"{name}":'.encode() for name in _DETAILS)
_OTHER = b'"redacted":'
_context = attrgetter(*CONTEXT)
END = "\r\n"


@dataclass(frozen=True, slots=True)
class CsvLayout:
    """The columns of a CSV file, and the spreadsheet that it is for."""

    columns: CsvColumns = "default"
    dialect: CsvDialect = "standard"

    @property
    def separator(self) -> str:
        return ";" if self.dialect == "excel-semicolon" else ","


STANDARD = CsvLayout()


def csv_layout(columns: str, dialect: str) -> CsvLayout:
    """The layout of two names that are known to be of COLUMNS and DIALECTS."""
    return CsvLayout(cast("CsvColumns", columns), cast("CsvDialect", dialect))


def csv_header(layout: CsvLayout = STANDARD) -> bytes:
    """The header line; for Excel after a byte order mark and, in the dialect `excel`, a line that names the separator.

    Excel cuts at the separator of the computer's region unless this line stands first.
    """
    names = HEADER + MORE if layout.columns == "all" else HEADER
    start = "" if layout.dialect == "standard" else BYTE_ORDER_MARK
    hint = f"sep=,{END}" if layout.dialect == "excel" else ""
    return f"{start}{hint}{layout.separator.join(names)}{END}".encode()


def csv_lines(events: Sequence[StoredEvent], layout: CsvLayout = STANDARD) -> bytes:
    """One line for each event, with the details as JSON in its seventh cell."""
    if layout.columns == "default":
        return "".join([_line(stored, layout.separator) for stored in events]).encode()
    pairs = zip(events, encode_ids(events), strict=True)
    return "".join([_whole_line(stored, public_id, layout.separator) for stored, public_id in pairs]).encode()


def _line(stored: StoredEvent, separator: str) -> str:
    what = parse_what(stored.what or b"{}")
    who = parse_who(stored.who or b"{}")
    actor, target = parse_actor(bytes(who.actor)), parse_target(stored.target)
    return separator.join(_summary_cells(stored, what, who, actor, target, separator)) + END


def _summary_cells(
    stored: StoredEvent, what: WhatFields, who: WhoFields, actor: ActorFields, target: ResourceFields, separator: str
) -> tuple[str, ...]:
    # Not `csv`, which examines every character: all cells but the details repeat, so their quoting is cached.
    details = "" if "details" in erased_parts(stored) else details_json(stored.details)
    return (
        what.timestamp or rfc3339(stored.occurred_at),
        cell(actor.email or actor.name or actor.id),
        what.action,
        cell(target.name or target.id),
        what.status,
        cell(who.context.ip_address),
        json_cell(details, separator) if details else "",
    )


def _whole_line(stored: StoredEvent, public_id: bytes, separator: str) -> str:
    what, who = parse_what(stored.what or b"{}"), parse_who(stored.who or b"{}")
    actor, target = parse_actor(bytes(who.actor)), parse_target(stored.target)
    details, context = parse_details(stored.details or b"{}"), who.context
    recorder = parse_actor(bytes(what.recorded_by))
    more = (
        public_id.decode(), str(stored.index), cell(details.description),
        cell(summary_of(stored, what.action, what.status, bytes(who.actor))), what.category,
        rfc3339(stored.received_at), actor.type, cell(actor.id), cell(actor.email), cell(actor.name),
        _json(bytes(actor.on_behalf_of), separator), cell(target.type), cell(target.id), cell(target.name),
        cell(context.user_agent), cell(context.session_id), cell(context.request_id), cell(context.trace_id),
        cell(context.source), cell(what.external_id), cell(_recorder_words(stored.what, recorder)),
        _list(details.redacted, separator), " ".join(erased_parts(stored)),
        what.severity, cell(details.status_reason), cell(details.original_action),
        _json(bytes(target.resources), separator), _list(who.enriched, separator), *map(cell, _context(context)),
        cell(target.role),
    )  # fmt: skip
    return separator.join((*_summary_cells(stored, what, who, actor, target, separator), *more)) + END


def _recorder_words(what: bytes, recorder: ActorFields) -> str:
    """`Tallystick`, or `Backend (key_…)`: the id tells a key that somebody named Tallystick from Tallystick itself."""
    if is_own_record(what) or not (recorder.name and recorder.id):
        return recorder.name or recorder.id
    return f"{recorder.name} ({recorder.id})"


def _json(raw: bytes, separator: str) -> str:
    return json_cell(raw.decode(), separator) if raw else ""


def _list(paths: Sequence[str], separator: str) -> str:
    """Paths as a JSON list; empty for none."""
    return _json(msgspec.json.encode(paths), separator) if paths else ""


def details_json(part: bytes) -> str:
    """Changes, request, response and metadata as one JSON object; "" when there are none."""
    if part.startswith(_DETAILS_START) and _OTHER not in part:
        return part.decode()
    details = parse_details(part or b"{}")
    values = [(name, bytes(getattr(details, name))) for name in _DETAILS]
    pieces = [f'"{name}":{value.decode()}' for name, value in values if len(value) > len(b"{}")]
    return f"{{{','.join(pieces)}}}" if pieces else ""
