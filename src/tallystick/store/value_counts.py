"""Counts events by the values of a field, exactly as filters compare them: case folded, addresses as numbers.

A field can stand in several columns, and an event counts once for each value that the filter on the field would find it
by. So the count of a value is the count of its filter, and the counts can add up to more than the events.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from secrets import randbits
from typing import Any, Literal

from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.conditions import MULTIPLE, STANDS_IN, Field
from tallystick.query.values import number
from tallystick.store.schema import COLUMNS, folded

# What is counted together in one answer without an end to the values: more make it partial.
MOST_ROWS = 50_000
ADDRESS_KEY = "lower(hex(IPv6StringToNum(toString({}))))"
_FEW_VALUES = frozenset(name for name, kind in COLUMNS if kind == "LowCardinality(String)")
_KEY = (randbits(63), randbits(63))
_FACTORS = (1, 3, 5)
_ACTOR = ("actor_email", "actor_name", "actor_id")
_BEHALF = ("behalf_email", "behalf_name", "behalf_id")


@dataclass(frozen=True, slots=True)
class CountedField:
    """What events are counted by: `filter` names the filter of the same values.

    `shown` are groups of columns: of each group people see the first value that is there. What is never seen so, as the
    id of a person with an e-mail address, is counted but not listed. Columns of several values go together, so that
    people see one value of each resource.
    """

    filter: Field | Literal["ip"]
    shown: tuple[tuple[str, ...], ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns that the filter looks at."""
        return ("ip", "ip_address") if self.filter == "ip" else STANDS_IN[self.filter]

    @property
    def is_overlapping(self) -> bool:
        """Whether an event can have several values."""
        return self.filter != "ip" and len(self.columns) > 1


def _plain(column: str, name: Field | None = None) -> tuple[str, CountedField]:
    field: Any = name or column
    return column, CountedField(field, ((column,),))


FIELDS: dict[str, CountedField] = {
    "user": CountedField("user", (_ACTOR, _BEHALF)),
    "action": CountedField("action", (("action",),)),
    "category": CountedField("category", (("category",),)),
    "status": CountedField("status", (("status",),)),
    "resource": CountedField(
        "resource", (("resource_name", "resource_id"), ("other_resource_names", "other_resource_ids"))
    ),
    "resource_type": CountedField("resource_type", (("resource_type",), ("other_resource_types",))),
    "ip": CountedField("ip", (("ip_address",),)),
    "on_behalf_of": CountedField("on_behalf_of", (_BEHALF,)),
    "recorded_by": CountedField("recorded_by", (("recorder_email", "recorder_name", "recorder_id"),)),
    **dict(
        map(
            _plain,
            (
                "severity", "actor_type", "status_reason", "original_action", "user_agent", "source", "channel",
                "account", "region", "country", "network", "auth_method",
            ),
        )
    ),
    "credential_id": CountedField("credential", (("credential_id",),)),
    **dict(map(_plain, ("tool", "model", "mode"))),
    "session_id": CountedField("session", (("session_id",),)),
    "agent_session_id": CountedField("session", (("agent_session_id",),)),
}  # fmt: skip


def values_sql(name: str, where: str, more: str = "") -> str:
    """SQL for rows (value, spelling, …, hits, is_shown): the events under a condition with each spelling of each value
    of `FIELDS[name]`; `more` is a further column to count by, `… AS name`."""
    field = FIELDS[name]
    by = f", {more.rpartition(' ')[2]}" if more else ""
    rows = _counted(field, where, more, by)
    if field.filter == "ip":
        return (
            f"SELECT {ADDRESS_KEY.format('ip')} AS value, toString(ip_address) AS spelling{by}, "
            f"sum(events_with) AS hits, 1 AS is_shown FROM ({rows}) WHERE ip_address != '' GROUP BY value, spelling{by}"
        )
    if not field.is_overlapping:
        [column] = field.columns
        return (
            f"SELECT {folded(column)} AS value, toString({column}) AS spelling{by}, sum(events_with) AS hits, "
            f"1 AS is_shown FROM ({rows}) WHERE {column} != '' GROUP BY value, spelling{by}"
        )
    shown = _filled(_array(map(_first_of, field.shown)))
    others = _filled(_array(field.columns))
    spelled = f"SELECT {shown} AS seen, arrayConcat(seen, {others}) AS spellings, events_with{by} FROM ({rows})"
    values = (
        f"SELECT arrayMap(one -> {folded('one')}, spellings) AS names, arrayJoin(arrayDistinct(names)) AS value, "
        "indexOf(names, value) AS place, spellings[place] AS spelling, place <= length(seen) AS is_seen, "
        f"events_with{by} FROM ({spelled})"
    )
    return (
        f"SELECT value, spelling{by}, sum(events_with) AS hits, max(is_seen) AS is_shown FROM ({values}) "
        f"GROUP BY value, spelling{by}"
    )


def top_sql(name: str, where: str, most: int, more: str = "", least: int = 1) -> str:
    """SQL for rows (value, spelling, …, hits): the `most` frequent values that people see, and of each the most
    frequent spelling. `{containing:String}` is a folded text that they have."""
    by = f", {more.rpartition(' ')[2]}" if more else ""
    text = "lower(spelling)" if name == "ip" else "value"
    return (
        f"SELECT value, argMin(spelling, (-toInt64(hits), spelling)) AS usual{by}, sum(hits) AS total "
        f"FROM ({values_sql(name, where, more)}) GROUP BY value{by} "
        f"HAVING max(is_shown) AND total >= {int(least)} "
        f"AND countIf(position({text}, {{containing:String}}) > 0) > 0 "
        f"ORDER BY total DESC, value{by} LIMIT {int(most)}"
    )


def _counted(field: CountedField, where: str, more: str, by: str) -> str:
    """SQL that counts the events with the same values in all columns: they are many times fewer, and only they are
    folded."""
    names, columns, keys = (", ".join(field.columns),) * 3
    if field.filter == "ip":
        names, columns, keys = "ip_address, any_ip AS ip", "ip_address, any(ip) AS any_ip", "ip_address"
    elif field.is_overlapping and _FEW_VALUES.issuperset(field.columns):
        # The engine hashes each value of such columns once, and numbers are grouped by much faster than texts. The key
        # is random, so that no sender can make two values look like one.
        columns = ", ".join(f"any({column}) AS any_{column}" for column in field.columns)
        names = ", ".join(f"any_{column} AS {column}" for column in field.columns)
        keys = ", ".join(" + ".join(map(_hashed, group, _FACTORS)) for group in field.shown)
    further = f", {more}" if more else ""
    rows = f"SELECT {columns}{further}, count() AS events_with FROM events WHERE {where} GROUP BY {keys}{by}"
    return rows if names == columns else f"SELECT {names}{by}, events_with FROM ({rows})"


def _hashed(column: str, factor: int) -> str:
    return f"{factor} * sipHash64Keyed(({_KEY[0]}, {_KEY[1]}), {column})"


class ValueCounts:
    """Adds up rows of `values_sql` and events that are not in the store."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._spellings: dict[str, Counter[str]] = {}
        self._seen: set[str] = set()

    def add_rows(self, rows: Iterable[Sequence[Any]]) -> None:
        """Add rows (value, spelling, hits, is_shown)."""
        for key, spelling, hits, is_shown in rows:
            self._spellings.setdefault(key, Counter())[spelling] += hits
            if is_shown:
                self._seen.add(key)

    def add_record(self, record: Record) -> None:
        """Count one event."""
        values = values_of(self._name, record)
        self.add_rows((value, spelling, 1, is_shown) for value, (spelling, is_shown) in values.items())

    def top(self, most: int, containing: str = "") -> list[tuple[str, int]]:
        """The most frequent values that people see, as they are mostly spelled, and their counts."""
        found = [
            (key, spellings)
            for key, spellings in self._spellings.items()
            if key in self._seen and any(containing in fold(one) for one in spellings)
        ]
        found.sort(key=lambda pair: (-pair[1].total(), pair[0]))
        return [(_usual(spellings), spellings.total()) for _, spellings in found[:most]]


def values_of(name: str, record: Record) -> dict[str, tuple[str, bool]]:
    """The values of an event as filters compare them, each with its spelling and whether people see it."""
    field = FIELDS[name]
    seen = [text for group in field.shown for text in _seen_in(record, group)]
    if field.filter == "ip":
        return {address_key(text): (text, True) for text in seen}
    others = [text for column in field.columns for text in _texts(record, column) if text]
    found: dict[str, tuple[str, bool]] = {}
    for place, text in enumerate([*seen, *others]):
        found.setdefault(fold(text), (text, place < len(seen)))
    return found


def seen_values(name: str, record: Record) -> list[tuple[str, str]]:
    """The values of an event that people see: as filters compare them, and as they are spelled."""
    return [(key, spelling) for key, (spelling, is_seen) in values_of(name, record).items() if is_seen]


def address_key(address: str) -> str:
    """The number of an address, as `ADDRESS_KEY` writes it: 32 hexadecimal digits."""
    return f"{number(address):032x}"


def _usual(spellings: Counter[str]) -> str:
    return min(spellings, key=lambda spelling: (-spellings[spelling], spelling))


def _texts(record: Record, column: str) -> Sequence[str]:
    value = getattr(record, column)
    return value if column in MULTIPLE else (value,)


def _seen_in(record: Record, group: Sequence[str]) -> Iterator[str]:
    """Of columns the first value that is there, for each resource where they hold several."""
    for texts in zip(*(_texts(record, column) for column in group), strict=True):
        if text := next(filter(None, texts), ""):
            yield text


def _first_of(group: Sequence[str]) -> str:
    """SQL for what people see of a group of columns: a text, or an array of texts."""
    if len(group) == 1:
        return group[0]
    if group[0] in MULTIPLE:
        names = [f"one{place}" for place in range(len(group))]
        return f"arrayMap(({', '.join(names)}) -> {_first_filled(names)}, {', '.join(group)})"
    return _first_filled([f"toString({column})" for column in group])


def _first_filled(texts: Sequence[str]) -> str:
    pairs = "".join(f"{text} != '', {text}, " for text in texts[:-1])
    return f"multiIf({pairs}{texts[-1]})" if pairs else texts[0]


def _array(texts: Iterable[str]) -> str:
    """SQL for all these texts and arrays of texts in one array."""
    found = list(texts)
    lists = [text for text in found if any(column in text for column in MULTIPLE)]
    single = ", ".join(f"toString({text})" for text in found if text not in lists)
    arrays = ", ".join(f"CAST({text}, 'Array(String)')" for text in lists)
    return f"arrayConcat([{single}], {arrays})" if lists else f"[{single}]"


def _filled(array: str) -> str:
    return f"arrayFilter(one -> one != '', {array})"
