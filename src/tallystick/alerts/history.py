"""Reads the hits that a rule would have had in a past period, from columns where they are enough."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tallystick.alerts.columnar import HitColumns
from tallystick.alerts.compiled_rule import CompiledRule, RuleStep
from tallystick.alerts.definition import Field, invalid_rule
from tallystick.alerts.detectors import Hit
from tallystick.alerts.event_reader import ALERT_ACTIONS, is_evaluated
from tallystick.alerts.fields import EventFields, digest, display_name, mask_secrets
from tallystick.database.engine import Database
from tallystick.events.copies import record_of
from tallystick.events.record import Record
from tallystick.ledger import log as ledger_log
from tallystick.query.conditions import And, Condition, Not, Query, exactly
from tallystick.query.scope import Scope
from tallystick.query.values import plain_address
from tallystick.search.scan import in_order_of_index, read_unstored
from tallystick.store.columns import NAMES, ids_of, read_columns
from tallystick.store.events import EventStore
from tallystick.work.stop_signal import until_stop

MOST_EVENTS = 2_000_000
Mask = npt.NDArray[np.bool_]
# Whether an event with such an action is evaluated depends on who recorded it, which no column says.
_ALERT_ACTION = exactly("action", *sorted(ALERT_ACTIONS))


class RuleHistory:
    """The hits of a compiled rule with start ≤ time < end (microseconds), in index order.

    Most hits are read from columns of the event store, where an event costs a few numbers instead of its whole
    text. Whole events are read only where columns are not enough: events in the journal, events with the actions of
    alerts, and rules with fields or `where` conditions that no column holds.

    `looked_at` counts the matching events, including those skipped because no window can hold enough of them.
    `names` maps the key of each group to its display name.
    """

    def __init__(
        self, database: Database, store: EventStore, scope: Scope, compiled: CompiledRule, start: int, end: int
    ) -> None:
        self._database = database
        self._store = store
        self._scope = scope
        self._compiled = compiled
        self._period = (start, end)
        self.names: dict[bytes, str] = {}
        self.looked_at = 0
        with database.read() as connection:
            self._size = ledger_log.read(connection, scope.org_id).size

    def hits(self) -> list[Hit]:
        """Returns the hits of all steps in index order; an event that several steps match has a hit for each."""
        hits: list[Hit] = []
        journal_hits = list(self._journal_hits())
        for step in self._compiled.steps:
            whole = self._hits_from_events(step, journal_hits)
            hits += whole
            if self._columns_suffice(step):
                hits += self._hits_from_columns(step, {hit.keys[0] for hit in whole}).hits(step)
        order = {step.number: place for place, step in enumerate(self._compiled.steps)}
        hits.sort(key=lambda hit: (hit.seq, order[hit.step]))
        if not journal_hits:
            return hits
        # An event that left the journal while this read was going on may have been read from the store as well.
        return [hit for hit, before in zip(hits, [None, *hits], strict=False) if not _is_repeat(hit, before)]

    def columns(self) -> HitColumns | None:
        """Returns the hits as columns for `columnar`, or None for a rule that needs a detector."""
        definition = self._compiled.definition
        step = self._compiled.steps[0]
        counts_events = definition.kind == "threshold" and definition.count > 1 and not definition.distinct
        if not counts_events or not self._columns_suffice(step):
            return None
        hits = self._hits_from_events(step, list(self._journal_hits()))
        stored = self._hits_from_columns(step, {hit.keys[0] for hit in hits})
        groups, group_of_key = _distinct_groups(stored.keys)
        added = [groups.setdefault(hit.keys[0], len(groups)) for hit in hits]
        # An event that left the journal while this read was going on may be in both: keep one row for each index.
        seq, once = np.unique(np.concatenate([stored.seq, _int64(hit.seq for hit in hits)]), return_index=True)
        at = np.concatenate([stored.at, _int64(hit.at for hit in hits)])
        group = np.concatenate([group_of_key[stored.group], _int64(added)])
        ids = np.concatenate([stored.ids, np.array([hit.event_id for hit in hits], dtype="V16")])
        return HitColumns(at[once], seq, group[once], ids[once], list(groups))

    def _hits_from_events(self, step: RuleStep, journal_hits: Sequence[Hit]) -> list[Hit]:
        """Returns the hits of a step for which columns are not enough: from the journal, and from whole events."""
        hits = [hit for hit in journal_hits if hit.step == step.number]
        condition = And((step.condition, _ALERT_ACTION)) if self._columns_suffice(step) else step.condition
        hits += self._stored_hits(step, condition)
        self.looked_at += len(hits)
        return hits

    def _columns_suffice(self, step: RuleStep) -> bool:
        definition = self._compiled.definition
        fields: set[Field | None] = {step.group_by, definition.distinct, definition.new}
        return not definition.where and definition.kind != "silence" and fields - {None} <= set(NAMES)

    def _stored_hits(self, step: RuleStep, condition: Condition) -> Iterator[Hit]:
        query = Query(condition, *self._period)
        for block in in_order_of_index(self._database, self._store, self._scope, query, 0, self._size):
            for event in until_stop(block):
                yield from self._hits_of(step, event.index, record_of(event))

    def _journal_hits(self) -> Iterator[Hit]:
        start, end = self._period
        for index, record in until_stop(read_unstored(self._database, self._scope, 0, self._size)):
            if start <= record.occurred_at < end:
                for step in self._compiled.steps:
                    yield from self._hits_of(step, index, record)

    def _hits_of(self, step: RuleStep, index: int, record: Record) -> Iterator[Hit]:
        if not step.match(record) or not is_evaluated(record):
            return
        if (hit := self._compiled.hit(step, index, EventFields(record))) is not None:
            if step.group_by:
                self.names[hit.keys[0]] = display_name(step.group_by, record)
            yield hit

    def _hits_from_columns(self, step: RuleStep, mixed_groups: set[bytes]) -> "_ColumnHits":
        """Reads the hits of a step from columns.

        Drops hits of a counting rule that lie in no window with `count` hits. Groups in `mixed_groups` have hits
        outside the columns too, so that their density is unknown and all their hits are kept.
        """
        definition = self._compiled.definition
        value_field = definition.distinct or definition.new
        query = Query(And((step.condition, Not(_ALERT_ACTION))), *self._period)
        fields = [field for field in (step.group_by, value_field) if field]
        table = read_columns(self._store, self._scope, query, fields, end=self._size, limit=MOST_EVENTS + 1)
        if len(table) > MOST_EVENTS:
            detail = f"More than {MOST_EVENTS:,} events match in this period. Shorten the period or narrow the search."
            raise invalid_rule("start", detail)
        groups = _NameColumn(table, "n0") if step.group_by else None
        values = _NameColumn(table, f"n{len(fields) - 1}") if value_field else None
        keys = self._keys(groups, step.group_by)
        digests = (
            [
                digest(self._compiled.rule_id, _names_in(text, value_field)[1]) if text else b""
                for text in until_stop(values.texts)
            ]
            if values
            else []
        )
        mask = np.ones(len(table), dtype=bool)
        if groups:
            mask &= groups.is_present
        if values and definition.distinct:
            mask &= values.is_present
        self.looked_at += int(mask.sum())
        if definition.kind == "threshold" and definition.count > 1:
            group_keys, group_of_key = _distinct_groups(keys)
            is_mixed = np.array([key in mixed_groups for key in group_keys], dtype=bool)
            codes = group_of_key[groups.codes] if groups else np.zeros(len(table), dtype=np.int64)
            mask &= is_mixed[codes] | in_dense_window(
                table.column("at").to_numpy(), codes, mask, definition.count, definition.window_us
            )
        kept = table.filter(pa.array(mask))
        return _ColumnHits(
            kept.column("at").to_numpy(),
            kept.column("seq").to_numpy().astype(np.int64),
            ids_of(kept.column("id")),
            groups.codes[mask] if groups else np.zeros(len(kept), dtype=np.int64),
            keys,
            values.codes[mask] if values else None,
            digests,
        )

    def _keys(self, groups: "_NameColumn | None", field: Field | None) -> list[tuple[bytes, ...]]:
        """Returns the group keys of each distinct text of the column, or the one key of a rule without groups."""
        if groups is None:
            return [(self._compiled.ungrouped_key,)]
        keys = []
        for text in until_stop(groups.texts):
            shown_name, *names = _names_in(text, field)
            keys.append(tuple(dict.fromkeys(digest(self._compiled.rule_id, name) for name in names or [""])))
            self.names[keys[-1][0]] = mask_secrets(shown_name)
        return keys


def _is_repeat(hit: Hit, before: Hit | None) -> bool:
    return before is not None and (hit.seq, hit.step) == (before.seq, before.step)


def _names_in(text: str, field: Field | None) -> list[str]:
    """How people call a value of a column, and all names by which it is known, as `fields.NAMES` has them."""
    names = text.split("\0")
    return [plain_address(name) for name in names] if text and field == "ip" else names


class _ColumnHits(NamedTuple):
    """Hits of one step as parallel columns; `group` holds positions in `keys`, `value` positions in `digests`."""

    at: npt.NDArray[np.int64]
    seq: npt.NDArray[np.int64]
    ids: npt.NDArray[np.void]
    group: npt.NDArray[np.int64]
    keys: list[tuple[bytes, ...]]
    value: npt.NDArray[np.int64] | None
    digests: list[bytes]

    def hits(self, step: RuleStep) -> list[Hit]:
        """Returns the rows as Hit objects."""
        groups = map(self.keys.__getitem__, self.group.tolist())
        values = repeat(b"") if self.value is None else map(self.digests.__getitem__, self.value.tolist())
        ids = map(bytes, self.ids.tolist())
        parts = zip(self.at.tolist(), self.seq.tolist(), repeat(step.number), groups, values, ids, strict=False)
        # What Hit._make does, without a Python call for each of half a million rows.
        return list(map(tuple.__new__, repeat(Hit), parts))


def _distinct_groups(keys: Sequence[tuple[bytes, ...]]) -> tuple[dict[bytes, int], npt.NDArray[np.int64]]:
    """Returns the position of each distinct group key, and the group's position for each entry of `keys`.

    The store's texts are distinct by case, their folded digests are not: `Jo` and `jo` are one group.
    """
    groups: dict[bytes, int] = {}
    return groups, _int64(groups.setdefault(names[0], len(groups)) for names in keys)


def _int64(values: Iterable[int]) -> npt.NDArray[np.int64]:
    return np.array(list(values), dtype=np.int64)


class _NameColumn:
    """A dictionary-encoded column of names: `texts` holds each distinct text, `codes` its position for each row."""

    def __init__(self, table: pa.Table, name: str) -> None:
        column = table.column(name).combine_chunks()
        if isinstance(column, pa.ChunkedArray):
            column = pa.chunked_array(column.chunks, column.type).unify_dictionaries().combine_chunks()
        self.texts: list[str] = column.dictionary.to_pylist()
        self.codes: npt.NDArray[np.int64] = column.indices.to_numpy().astype(np.int64)

    @property
    def is_present(self) -> Mask:
        """True for the rows that have a name."""
        present: Mask = np.array([bool(text) for text in self.texts], dtype=bool)[self.codes]
        return present


def in_dense_window(
    at: npt.NDArray[np.int64], groups: npt.NDArray[np.int64], mask: Mask, count: int, window_us: int
) -> Mask:
    """Marks the rows of `mask` that lie in some window with at least `count` rows of their group.

    Only these can be part of a firing, in whatever order they were recorded. Sorted by group and time, a window is
    dense where the row `count` - 1 further on is of the same group and within the window. Each such start adds a run
    of `count` rows; the runs are summed as differences, so that the cost is that of the sort, O(n log n).
    """
    rows = np.flatnonzero(mask)
    rows = rows[np.lexsort((at[rows], groups[rows]))]
    dense = np.zeros(len(mask), dtype=bool)
    if len(rows) < count:
        return dense
    last = count - 1
    starts_run = (groups[rows[last:]] == groups[rows[: len(rows) - last]]) & (
        at[rows[last:]] - at[rows[: len(rows) - last]] <= window_us
    )
    differences = np.zeros(len(rows) + 1, dtype=np.int64)
    starts = np.flatnonzero(starts_run)
    np.add.at(differences, starts, 1)
    np.add.at(differences, starts + count, -1)
    dense[rows] = np.cumsum(differences[:-1]) > 0
    return dense
