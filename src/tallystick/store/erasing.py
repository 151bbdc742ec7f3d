"""Erasure in the event store: finds rows that contain a text, removes parts of rows, and forces the bytes off the disk.

The SQL computes the same remains as `merkle.remains.after_losing`; a test compares the two.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any
from uuid import UUID

from tallystick.events.record import CONTEXT_FIELDS, StoredEvent
from tallystick.merkle.commitment import PARTS
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.events import EventStore
from tallystick.store.expiry import AT_ONCE
from tallystick.store.merged_parts import waiting_sources
from tallystick.store.schema import COLUMNS, REBUILD, SEARCHED, SEARCHED_AFTER, folded
from tallystick.store.windows import Place, Window, narrowed, order_by

# Which columns are copies of which part. `occurred_at` stays: it is the row's place in the table.
COPIES: Mapping[str, tuple[str, ...]] = {
    "what": (
        "action", "category", "status", "severity", "external_id", "recorder_id", "recorder_email", "recorder_name",
    ),
    "target": (
        "resource_type", "resource_id", "resource_name", "other_resource_types", "other_resource_ids",
        "other_resource_names",
    ),
    "who": (
        "actor_type", "actor_id", "actor_email", "actor_name", "behalf_id", "behalf_email", "behalf_name",
        "ip_address", "ip", "session_id", "request_id", *CONTEXT_FIELDS, "client_text",
    ),
    "details": ("description", "status_reason", "original_action", "details_paths"),
}  # fmt: skip
_NOTHING = {"ip": "toIPv6('::')", "client_text": "char(0)"} | {
    name: f"CAST([], '{kind.partition(' CODEC')[0]}')" for name, kind in COLUMNS if kind.startswith("Array")
}
_PART_OF = {column: part for part, columns in COPIES.items() for column in columns}
_TEXT = folded("concat(what, '\\0', target, '\\0', who, '\\0', details)")


def window_end(store: EventStore, scope: Scope, after: Place | None, rows: int) -> Place | None:
    """Where the next `rows` rows of the organization end, in timestamp order; None if that is the last one."""
    where, parameters = narrowed(compile_bounded(scope, Query()), Window(after, None), "asc")
    found = store.rows(
        f"SELECT toUnixTimestamp64Micro(occurred_at), seq FROM events WHERE {where} {order_by('asc')} "
        "LIMIT 1 OFFSET {step:UInt64}",
        parameters | {"step": rows - 1},
    )
    return (found[0][0], found[0][1]) if found else None


def find_rows_with_text(
    store: EventStore, scope: Scope, needles: Sequence[str], window: Window, end: int
) -> Iterator[list[StoredEvent]]:
    """Rows of the window below index `end` whose parts may contain one of the needles (folded, as in JSON)."""
    where, parameters = narrowed(compile_bounded(scope, Query()), window, "asc")
    found = " OR ".join(f"position({_TEXT}, {{needle{number}:String}}) > 0" for number in range(len(needles)))
    parameters |= {f"needle{number}": needle for number, needle in enumerate(needles)}
    yield from store.stream(f"{where} AND seq < {{end:UInt64}} AND ({found})", "", parameters | {"end": end})


def not_yet_erased(store: EventStore, scope: Scope, indexes: Sequence[int], mask: int) -> list[int]:
    """The indexes among these whose rows still hold one of the parts."""
    found: list[int] = []
    for some, parameters in index_chunks(scope, indexes):
        rows = store.rows(
            f"SELECT seq FROM events WHERE {some} AND bitAnd({_MASK}, {{mask:UInt8}}) != {{mask:UInt8}}",
            parameters | {"mask": mask},
        )
        found += [row[0] for row in rows]
    return found


def clear_marks(store: EventStore, scope: Scope) -> None:
    """Delete the marks of an earlier erasure."""
    mine = {"org": str(scope.org_id)}
    if store.rows("SELECT count() FROM store_erasing WHERE org_id = {org:UUID}", mine)[0][0]:
        store.change("DELETE FROM store_erasing WHERE org_id = {org:UUID}", mine)


def mark_parts(store: EventStore, scope: Scope, indexes: Sequence[int], mask: int) -> None:
    """Mark which parts `erase_marked` removes. Marking twice is no error."""
    for start in range(0, len(indexes), AT_ONCE):
        store.change(
            "INSERT INTO store_erasing SELECT {org:UUID}, arrayJoin({indexes:Array(UInt64)}), {mask:UInt8}",
            {"org": str(scope.org_id), "indexes": list(indexes[start : start + AT_ONCE]), "mask": mask},
        )


def changes_are_running(store: EventStore) -> bool:
    """Whether the store still executes a statement of `erase_marked`, which outlives the process that sent it.

    On a large table that takes longer than an answer is waited for, or than the server lived.
    """
    unfinished = "database = currentDatabase() AND table = 'events' AND NOT is_done"
    where = f"{unfinished} AND position(command, 'store_erasing') > 0"
    return bool(store.rows(f"SELECT count() FROM system.mutations WHERE {where}", {})[0][0])


def failure_of_changes(store: EventStore) -> str:
    """Why a change of the table fails repeatedly, in the store's words; "" if none does.

    The store executes changes in order: later ones wait for it.
    """
    where = "database = currentDatabase() AND table = 'events' AND NOT is_done AND latest_fail_reason != ''"
    rows = store.rows(f"SELECT latest_fail_reason FROM system.mutations WHERE {where} ORDER BY create_time LIMIT 1", {})
    return str(rows[0][0]) if rows else ""


def erase_marked(store: EventStore, scope: Scope) -> None:
    """Remove the marked parts from the rows and from every copied column; other parts of the rows stay.

    On return no query sees them; their bytes then lie in replaced data parts only. Repeating it changes nothing.
    """
    changes = ", ".join(f"{column} = {value}" for column, value in _changes())
    store.change(
        f"ALTER TABLE events UPDATE {changes} WHERE org_id = {{org:UUID}} AND seq IN {_INTENDED.format(only='')}",
        {"org": str(scope.org_id)},
    )


def drop_deleted(store: EventStore) -> int:
    """Rewrite the data parts that hold rows deleted by a purge but not merged away yet.

    Returns the store's time (seconds since 1970) at which it was done.
    """
    masked = "database = currentDatabase() AND table = 'events' AND active AND has_lightweight_delete"
    if store.rows(f"SELECT count() FROM system.parts WHERE {masked}", {})[0][0]:
        store.change("ALTER TABLE events APPLY DELETED MASK")
    return int(store.rows("SELECT toUnixTimestamp(now())", {})[0][0])


def is_off_the_disk(store: EventStore, since: int) -> bool:
    """Whether every data part that was replaced before this time of the store has been removed from disk.

    Not while the table is rebuilt: two tables then have parts. Nor while replaced parts wait to take the place of a
    damaged one.
    """
    if store.rows(
        "SELECT count() FROM system.tables WHERE database = currentDatabase() AND name = {name:String}",
        {"name": REBUILD},
    )[0][0]:
        return False
    if store.embedded and waiting_sources(store):
        return False
    rows = store.rows(
        "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND NOT active "
        "AND toUnixTimestamp(remove_time) <= {since:UInt64}",
        {"since": since},
    )
    return bool(rows[0][0] == 0)


def organizations_with(store: EventStore, action: str) -> set[UUID]:
    """The organizations that have stored events with this action."""
    rows = store.rows("SELECT DISTINCT org_id FROM events WHERE action = {action:String}", {"action": action})
    return {row[0] for row in rows}


def replayed_through(store: EventStore, scope: Scope) -> int:
    """The index up to which erasure records were applied to this store; -1 if none."""
    rows = store.rows(
        "SELECT max(toInt64(through)), count() FROM store_replayed WHERE org_id = {org:UUID}",
        {"org": str(scope.org_id)},
    )
    return int(rows[0][0]) if rows[0][1] else -1


def note_replayed(store: EventStore, scope: Scope, through: int) -> None:
    """Store that the erasure records up to this index were applied."""
    store.change(
        "INSERT INTO store_replayed SELECT {org:UUID}, {through:UInt64}",
        {"org": str(scope.org_id), "through": through},
    )


_INTENDED = "(SELECT seq FROM store_erasing WHERE org_id = {{org:UUID}}{only})"
_MASK = "if(empty(remains), toUInt8(0), reinterpretAsUInt8(substring(remains, 1, 1)))"


def _takes(part: str) -> str:
    """SQL: whether the erasure removes this part of the row."""
    only = f" AND bitTest(parts, {PARTS.index(part)})"
    return f"seq IN {_INTENDED.format(only=only)}".replace("{{", "{").replace("}}", "}")


def _changes() -> Iterator[tuple[str, str]]:
    for part in PARTS:
        yield part, f"if({_takes(part)}, '', {part})"
        for column in COPIES[part]:
            yield column, f"if({_takes(part)}, {_NOTHING.get(column, chr(39) * 2)}, {column})"
    yield "search_text", _search_text()
    yield "remains", f"concat(char({_mask_after()}), {', '.join(map(_slot, range(len(PARTS))))})"
    yield "seed", "toFixedString('', 16)"


def _mask_after() -> str:
    taken = " + ".join(f"if({_takes(part)}, {1 << at}, 0)" for at, part in enumerate(PARTS))
    return f"bitOr({_MASK}, toUInt8({taken}))"


def _slot(at: int) -> str:
    """SQL: 32 bytes of the remains, for a removed part its commitment, for a kept one its salt; read or computed."""
    number = f"char(0, {at + 1})"
    old = f"substring(remains, {2 + 32 * at}, 32)"
    salt = (
        f"if(empty(remains), substring(SHA256(concat('tallystick/salt/v1', {number}, seed)), 1, 16), "
        f"substring(remains, {2 + 32 * at}, 16))"
    )
    proven = f"substring(SHA256(concat('tallystick/part/v1', {number}, {salt}, {PARTS[at]})), 1, 32)"
    is_lost = f"bitTest({_MASK}, {at})"
    return f"multiIf({is_lost}, {old}, {_takes(PARTS[at])}, {proven}, concat({salt}, repeat(char(0), 16)))"


def _search_text() -> str:
    """SQL: the search text without the removed fields, in the order that `store.schema` describes."""
    before, pieces = len(SEARCHED), "splitByChar('\\0', search_text)"
    number = "greatest(length(details_paths), 1)"  # no values at all are one empty text
    fields = [_text_or_nothing(column, f"{pieces}[{at}]") for at, column in enumerate(SEARCHED, 1)]
    values = f"if({_takes('details')}, [''], arraySlice({pieces}, {before + 1}, {number}))"
    first = f"{before} + {number}"
    after = [_text_or_nothing(column, f"{pieces}[{first} + {at}]") for at, column in enumerate(SEARCHED_AFTER, 1)]
    others = f"arraySlice({pieces}, {first} + {len(SEARCHED_AFTER) + 1})"
    lists = f"if({_takes('target')}, [''], {others})"
    texts = f"arrayConcat([{', '.join(fields)}], {values}, [{', '.join(after)}], {lists})"
    return f"arrayStringConcat({texts}, '\\0')"


def _text_or_nothing(column: str, text: str) -> str:
    """SQL: a text of the search text, or nothing if the erasure removes the part that the column is a copy of."""
    return f"if({_takes(_PART_OF[column])}, '', {text})"


def index_chunks(scope: Scope, indexes: Iterable[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Conditions, with their parameters, that together select the rows of the organization with these indexes."""
    whole = compile_bounded(scope, Query())
    listed = list(indexes)
    for start in range(0, len(listed), AT_ONCE):
        some = listed[start : start + AT_ONCE]
        where = (
            f"{whole.where} AND seq BETWEEN {{first:UInt64}} AND {{last:UInt64}} AND seq IN {{indexes:Array(UInt64)}}"
        )
        yield where, whole.parameters | {"first": min(some), "last": max(some), "indexes": some}
