"""Rows that lose parts: finding those that hold a text, taking the parts, and the going of their bytes.

The SQL computes the same remains as `merkle.remains.after_losing`; a test holds the two together.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tallystick.events.record import StoredEvent
from tallystick.merkle.commitment import PARTS
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.bounds import compile_bounded
from tallystick.store.events import EventStore
from tallystick.store.expiry import AT_ONCE
from tallystick.store.schema import SEARCHED, folded
from tallystick.store.windows import Place, Window, narrowed, order_by

# Which columns are copies of which part. `occurred_at` stays: it is the row's place in the table.
COPIES: Mapping[str, tuple[str, ...]] = {
    "what": ("action", "category", "status"),
    "target": ("resource_type", "resource_id", "resource_name"),
    "who": (
        "actor_type", "actor_id", "actor_email", "actor_name", "behalf_id", "behalf_email", "behalf_name",
        "ip_address", "ip", "session_id", "request_id",
    ),
    "details": ("description", "details_paths"),
}  # fmt: skip
_NOTHING = {"ip": "toIPv6('::')", "details_paths": "CAST([], 'Array(LowCardinality(String))')"}
_PART_OF = {column: part for part, columns in COPIES.items() for column in columns}
_TEXT = folded("concat(what, '\\0', target, '\\0', who, '\\0', details)")


def window_end(store: EventStore, scope: Scope, after: Place | None, rows: int) -> Place | None:
    """Where the next `rows` rows of the organization end, in order of timestamps; None: with the last one."""
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
    """The rows below index `end` in the window in whose parts one of the needles (folded, as in JSON) may stand."""
    where, parameters = narrowed(compile_bounded(scope, Query()), window, "asc")
    found = " OR ".join(f"position({_TEXT}, {{needle{number}:String}}) > 0" for number in range(len(needles)))
    parameters |= {f"needle{number}": needle for number, needle in enumerate(needles)}
    yield from store.stream(f"{where} AND seq < {{end:UInt64}} AND ({found})", "", parameters | {"end": end})


def not_yet_erased(store: EventStore, scope: Scope, indexes: Sequence[int], mask: int) -> list[int]:
    """Those of the indexes whose rows still hold one of the parts."""
    found: list[int] = []
    for some, parameters in _chunks(scope, indexes):
        rows = store.rows(
            f"SELECT seq FROM events WHERE {some} AND bitAnd({_MASK}, {{mask:UInt8}}) != {{mask:UInt8}}",
            parameters | {"mask": mask},
        )
        found += [row[0] for row in rows]
    return found


def clear_marks(store: EventStore, scope: Scope) -> None:
    """Forget what an erasure before this one was to take."""
    mine = {"org": str(scope.org_id)}
    if store.rows("SELECT count() FROM store_erasing WHERE org_id = {org:UUID}", mine)[0][0]:
        store.change("DELETE FROM store_erasing WHERE org_id = {org:UUID}", mine)


def mark_parts(store: EventStore, scope: Scope, indexes: Sequence[int], mask: int) -> None:
    """Note which parts `erase` is to take. Noting it twice is no error."""
    for start in range(0, len(indexes), AT_ONCE):
        store.change(
            "INSERT INTO store_erasing SELECT {org:UUID}, arrayJoin({indexes:Array(UInt64)}), {mask:UInt8}",
            {"org": str(scope.org_id), "indexes": list(indexes[start : start + AT_ONCE]), "mask": mask},
        )


def changes_are_running(store: EventStore) -> bool:
    """Whether the store still carries out a statement of `erase`: that outlives whoever gave it.

    A large table may take longer than an answer is waited for, or than the server lived.
    """
    unfinished = "database = currentDatabase() AND table = 'events' AND NOT is_done"
    where = f"{unfinished} AND position(command, 'store_erasing') > 0"
    return bool(store.rows(f"SELECT count() FROM system.mutations WHERE {where}", {})[0][0])


def failure_of_changes(store: EventStore) -> str:
    """Why a change of the table fails again and again, in the store's words; empty when none does.

    The store carries changes out in order: none that comes later is done before.
    """
    where = "database = currentDatabase() AND table = 'events' AND NOT is_done AND latest_fail_reason != ''"
    rows = store.rows(f"SELECT latest_fail_reason FROM system.mutations WHERE {where} ORDER BY create_time LIMIT 1", {})
    return str(rows[0][0]) if rows else ""


def erase_marked(store: EventStore, scope: Scope) -> None:
    """Take what was intended, out of the parts and every copy of them; rows that are whole otherwise stay as they are.

    On return no query sees it; then its bytes are in parts of the table that nobody reads any more. Doing it again
    changes nothing.
    """
    changes = ", ".join(f"{column} = {value}" for column, value in _changes())
    store.change(
        f"ALTER TABLE events UPDATE {changes} WHERE org_id = {{org:UUID}} AND seq IN {_INTENDED.format(only='')}",
        {"org": str(scope.org_id)},
    )


def drop_deleted(store: EventStore) -> int:
    """Rows of a purge that are deleted and not yet merged away hold bytes too: the same of them.

    The store's time (seconds since 1970) when it was done.
    """
    masked = "database = currentDatabase() AND table = 'events' AND active AND has_lightweight_delete"
    if store.rows(f"SELECT count() FROM system.parts WHERE {masked}", {})[0][0]:
        store.change("ALTER TABLE events APPLY DELETED MASK")
    return int(store.rows("SELECT toUnixTimestamp(now())", {})[0][0])


def is_off_the_disk(store: EventStore, since: int) -> bool:
    """Whether every part that was replaced up to this time of the store has been removed."""
    rows = store.rows(
        "SELECT count() FROM system.parts WHERE database = currentDatabase() AND table = 'events' AND NOT active "
        "AND toUnixTimestamp(remove_time) <= {since:UInt64}",
        {"since": since},
    )
    return bool(rows[0][0] == 0)


def replayed_through(store: EventStore, scope: Scope) -> int:
    """Up to which index the records of erasures were carried out in this store; -1 for none."""
    rows = store.rows(
        "SELECT max(toInt64(through)), count() FROM store_replayed WHERE org_id = {org:UUID}",
        {"org": str(scope.org_id)},
    )
    return int(rows[0][0]) if rows[0][1] else -1


def note_replayed(store: EventStore, scope: Scope, through: int) -> None:
    """The records of erasures up to this index are carried out."""
    store.change(
        "INSERT INTO store_replayed SELECT {org:UUID}, {through:UInt64}",
        {"org": str(scope.org_id), "through": through},
    )


_INTENDED = "(SELECT seq FROM store_erasing WHERE org_id = {{org:UUID}}{only})"
_MASK = "if(empty(remains), toUInt8(0), reinterpretAsUInt8(substring(remains, 1, 1)))"


def _takes(part: str) -> str:
    """SQL: does the erasure take this part of the row?"""
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
    """The commitment of a lost part, the salt of a kept one, in 32 bytes: what was there, or computed now."""
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
    """The text with the fields that are gone made empty: the first SEARCHED by name, then the values in the details."""
    fields = [
        f"if({_takes(_PART_OF[column])}, '', splitByChar('\\0', search_text)[{at}])"
        for at, column in enumerate(SEARCHED, 1)
    ]
    values = f"if({_takes('details')}, [''], arraySlice(splitByChar('\\0', search_text), {len(SEARCHED) + 1}))"
    return f"arrayStringConcat(arrayConcat([{', '.join(fields)}], {values}), '\\0')"


def _chunks(scope: Scope, indexes: Iterable[int]) -> Iterator[tuple[str, dict[str, Any]]]:
    whole = compile_bounded(scope, Query())
    listed = list(indexes)
    for start in range(0, len(listed), AT_ONCE):
        some = listed[start : start + AT_ONCE]
        where = (
            f"{whole.where} AND seq BETWEEN {{first:UInt64}} AND {{last:UInt64}} AND seq IN {{indexes:Array(UInt64)}}"
        )
        yield where, whole.parameters | {"first": min(some), "last": max(some), "indexes": some}
