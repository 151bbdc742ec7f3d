"""The hits of a rule in a period of the past, as they would have come."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tallystick.alerts.columnar import Rows
from tallystick.alerts.compiled_rule import Step, Watched
from tallystick.alerts.definition import Field, bad
from tallystick.alerts.fields import digest, masked, shown
from tallystick.alerts.judges import Hit
from tallystick.alerts.reading import CAUSED, is_judged
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.events.record import Record
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import And, Condition, Not, Query, exactly
from tallystick.query.scope import Scope
from tallystick.search.scan import in_order_of_index, unstored
from tallystick.store.columns import NAMES, glance, ids_of
from tallystick.store.events import EventStore

MOST_EVENTS = 2_000_000
Mask = npt.NDArray[np.bool_]
_CAUSED = exactly("action", *sorted(CAUSED))


class Past:
    """What start ≤ time < end holds for a rule, in index order. `looked_at` counts the hits, also those left out
    because no window can hold enough of them."""

    def __init__(
        self, database: Database, store: EventStore, scope: Scope, watched: Watched, start: int, end: int
    ) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self._watched = watched
        self._period = (start, end)
        self.names: dict[bytes, str] = {}
        self.looked_at = 0
        with database.read() as connection:
            self._size = ledger_log.read(connection, scope.org_id).size

    def hits(self) -> list[Hit]:
        """Each event of them once for each search of the rule that finds it."""
        found: list[Hit] = []
        late = list(self._unstored())
        for step in self._watched.steps:
            mine = self._elsewhere(step, late)
            found += mine
            if self._is_in_columns(step):
                found += self._glanced(step, {hit.keys[0] for hit in mine}).hits(step)
        place = {step.number: place for place, step in enumerate(self._watched.steps)}
        found.sort(key=lambda hit: (hit.seq, place[hit.step]))
        if not late:
            return found
        # What left the journal meanwhile is in the store, too.
        return [hit for hit, before in zip(found, [None, *found], strict=False) if not _same(hit, before)]

    def rows(self) -> Rows | None:
        """The same for `counting`; None for a rule that needs a judge."""
        shape = self._watched.shape
        step = self._watched.steps[0]
        if shape.kind != "threshold" or shape.count < 2 or shape.distinct or not self._is_in_columns(step):
            return None
        hits = self._elsewhere(step, list(self._unstored()))
        glanced = self._glanced(step, {hit.keys[0] for hit in hits})
        places, same = _merged(glanced.keys)
        added = [places.setdefault(hit.keys[0], len(places)) for hit in hits]
        # What left the journal meanwhile is in the store, too.
        seq, once = np.unique(np.concatenate([glanced.seq, _whole_numbers(hit.seq for hit in hits)]), return_index=True)
        at = np.concatenate([glanced.at, _whole_numbers(hit.at for hit in hits)])
        group = np.concatenate([same[glanced.group], _whole_numbers(added)])
        ids = np.concatenate([glanced.ids, np.array([hit.event_id for hit in hits], dtype="V16")])
        return Rows(at[once], seq, group[once], ids[once], list(places))

    def _elsewhere(self, step: Step, late: Sequence[Hit]) -> list[Hit]:
        """What columns do not say: of the journal, and what whole events have to be looked at for."""
        mine = [hit for hit in late if hit.step == step.number]
        condition = And((step.condition, _CAUSED)) if self._is_in_columns(step) else step.condition
        mine += self._whole(step, condition)
        self.looked_at += len(mine)
        return mine

    def _is_in_columns(self, step: Step) -> bool:
        shape = self._watched.shape
        fields: set[Field | None] = {step.group_by, shape.distinct, shape.new}
        return not shape.where and shape.kind != "silence" and fields - {None} <= set(NAMES)

    def _whole(self, step: Step, condition: Condition) -> Iterator[Hit]:
        """From whole events, where columns do not say enough."""
        query = Query(condition, *self._period)
        for block in in_order_of_index(self._database, self._store, self._scope, query, 0, self._size):
            for event in block:
                yield from self._seen(step, event.index, record_of(event))

    def _unstored(self) -> Iterator[Hit]:
        start, end = self._period
        for index, record in unstored(self._database, self._scope, 0, self._size):
            if start <= record.occurred_at < end:
                for step in self._watched.steps:
                    yield from self._seen(step, index, record)

    def _seen(self, step: Step, index: int, record: Record) -> Iterator[Hit]:
        if not step.match(record) or not is_judged(record):
            return
        if (hit := self._watched.hit(step, index, record)) is not None:
            if step.group_by:
                self.names[hit.keys[0]] = shown(step.group_by, record)
            yield hit

    def _glanced(self, step: Step, crowded: set[bytes]) -> "_Glanced":
        """From columns; `crowded` are groups of which more hits are known elsewhere."""
        shape = self._watched.shape
        counted = shape.distinct or shape.new
        query = Query(And((step.condition, Not(_CAUSED))), *self._period)
        fields = [field for field in (step.group_by, counted) if field]
        table = glance(self._store, self._scope, query, fields, end=self._size, limit=MOST_EVENTS + 1)
        if len(table) > MOST_EVENTS:
            raise bad(
                "start", f"It matches more than {MOST_EVENTS:,} events of the period: shorten that, or the search."
            )
        groups = _Column(table, "n0") if step.group_by else None
        values = _Column(table, f"n{len(fields) - 1}") if counted else None
        keys = self._keys(groups)
        digests = (
            [digest(self._watched.rule_id, one.split("\0")[1]) if one else b"" for one in values.texts]
            if values
            else []
        )
        mask = np.ones(len(table), dtype=bool)
        if groups:
            mask &= groups.is_there
        if values and shape.distinct:
            mask &= values.is_there
        self.looked_at += int(mask.sum())
        if shape.kind == "threshold" and shape.count > 1:
            places, same = _merged(keys)
            full = np.array([one in crowded for one in places], dtype=bool)
            codes = same[groups.codes] if groups else np.zeros(len(table), dtype=np.int64)
            mask &= full[codes] | dense(table.column("at").to_numpy(), codes, mask, shape.count, shape.window_us)
        kept = table.filter(pa.array(mask))
        return _Glanced(
            kept.column("at").to_numpy(),
            kept.column("seq").to_numpy().astype(np.int64),
            ids_of(kept.column("id")),
            groups.codes[mask] if groups else np.zeros(len(kept), dtype=np.int64),
            keys,
            values.codes[mask] if values else None,
            digests,
        )

    def _keys(self, groups: "_Column | None") -> list[tuple[bytes, ...]]:
        """The keys of each text of the column; those of everything where there are no groups."""
        if groups is None:
            return [(self._watched.everything,)]
        keys = []
        for text in groups.texts:
            called, *names = text.split("\0")
            keys.append(tuple(dict.fromkeys(digest(self._watched.rule_id, name) for name in names or [""])))
            self.names[keys[-1][0]] = masked(called)
        return keys


def _same(hit: Hit, before: Hit | None) -> bool:
    return before is not None and (hit.seq, hit.step) == (before.seq, before.step)


class _Glanced(NamedTuple):
    """Hits beside one another: `group` is a place in `keys`, `value` one in `digests`."""

    at: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    ids: npt.NDArray[np.void]
    group: npt.NDArray[np.int64]
    keys: list[tuple[bytes, ...]]
    value: npt.NDArray[np.int64] | None
    digests: list[bytes]

    def hits(self, step: Step) -> list[Hit]:
        """Each of them by itself."""
        groups = map(self.keys.__getitem__, self.group.tolist())
        values = repeat(b"") if self.value is None else map(self.digests.__getitem__, self.value.tolist())
        ids = map(bytes, self.ids.tolist())
        parts = zip(self.at.tolist(), self.seq.tolist(), repeat(step.number), groups, values, ids, strict=False)
        return list(map(tuple.__new__, repeat(Hit), parts))  # as Hit._make does, for half a million


def _merged(keys: Sequence[tuple[bytes, ...]]) -> tuple[dict[bytes, int], npt.NDArray[np.int64]]:
    """The groups, and which of them each of the keys stands for: names that differ in case alone are one group."""
    places: dict[bytes, int] = {}
    return places, _whole_numbers(places.setdefault(one[0], len(places)) for one in keys)


def _whole_numbers(values: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


class _Column:
    """A column of names: each different text once, and which of them each row has."""

    def __init__(self, table: pa.Table, name: str) -> None:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.chunked_array(column.chunks, column.type).unify_dictionaries().combine_chunks()
        self.texts: list[str] = column.dictionary.to_pylist()
        self.codes: npt.NDArray[np.int64] = column.indices.to_numpy().astype(np.int64)

    @property
    def is_there(self) -> Mask:
        """Which rows have a name at all."""
        there: Mask = np.array([bool(text) for text in self.texts], dtype=bool)[self.codes]
        return there


def dense(at: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], mask: Mask, count: int, window_us: int) -> Mask:
    """Which of the rows in `mask` lie in some window that holds `count` of their group; no others can matter."""
    rows = np.flatnonzero(mask)
    rows = rows[np.lexsort((at[rows], groups[rows]))]
    found = np.zeros(len(mask), dtype=bool)
    if len(rows) < count:
        return found
    last = count - 1
    begins = (groups[rows[last:]] == groups[rows[: len(rows) - last]]) & (
        at[rows[last:]] - at[rows[: len(rows) - last]] <= window_us
    )
    edges = np.zeros(len(rows) + 1, dtype=np.int64)
    places = np.flatnonzero(begins)
    np.add.at(edges, places, 1)
    np.add.at(edges, places + count, -1)
    found[rows] = np.cumsum(edges[:-1]) > 0
    return found
