"""A block of events with what queries compare, computed once for all queries that are matched on the block."""

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from functools import lru_cache
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from tallystick.events.record import Record
from tallystick.ids import encode
from tallystick.query.case_folding import fold
from tallystick.query.conditions import IDENTIFIERS, MULTIPLE, STANDS_IN, Field
from tallystick.query.values import number
from tallystick.search.word_index import WordIndex
from tallystick.store.rows import client_text, search_text

MAX_CACHED = 256  # characters of a value whose folded form is kept
Details = tuple[list[str], list[str]]
"""Folded paths in ascending order, and the folded value at each."""


def _fold(value: Any) -> str:
    return _cached_fold(value) if len(value) <= MAX_CACHED else fold(value)


# The values of actors, actions and resources come back in event after event; long ones would fill the memory.
_cached_fold = lru_cache(maxsize=16_384)(fold)


class EventBlock:
    """Events in index order. A *row* is the position of an event in the block. For one thread at a time.

    `index` holds words of the queries that the block will be matched with.
    """

    def __init__(self, records: Sequence[Record], index: WordIndex | None = None) -> None:
        self.records = records
        self.index = index
        self.rows = list(range(len(records)))
        self._texts: list[str | None] = [None] * len(records)
        self._details: list[Details | None] = [None] * len(records)
        self._names: dict[Field, list[frozenset[str]]] = {}
        self._addresses: list[int | None] | None = None
        self._rows_by_word: dict[str, list[int]] | None = None
        self._parsed: dict[int, Any] = {}
        self._identifiers: list[frozenset[str]] | None = None
        self._all_identifiers: frozenset[str] = frozenset()

    def text(self, row: int) -> str:
        """Everything that a bare word is searched in, folded, joined by NUL, which no value and no needle contains."""
        text = self._texts[row]
        if text is None:
            text = self._texts[row] = f"{search_text(self.records[row])}\0{client_text(self.records[row])}"
        return text

    def rows_with(self, word: str) -> Sequence[int]:
        """The rows whose text contains a word of `index`."""
        if self._rows_by_word is None:
            texts = [self.text(row) for row in self.rows]
            self._rows_by_word = {} if self.index is None else self.index.rows_by_word(texts)
        return self._rows_by_word.get(word, ())

    def names(self, field: Field) -> list[frozenset[str]]:
        """The folded values of a field, by row; none for a row that lacks it."""
        names = self._names.get(field)
        if names is None:
            single = [column for column in STANDS_IN[field] if column not in MULTIPLE]
            columns = attrgetter(*single)
            if len(single) == 1:
                names = [frozenset((_fold(value),)) if (value := columns(record)) else _NONE for record in self.records]
            else:
                names = [frozenset(map(_fold, filter(None, columns(record)))) for record in self.records]
            if len(single) < len(STANDS_IN[field]):
                names = [some | _others(record, field) for some, record in zip(names, self.records, strict=True)]
            self._names[field] = names
        return names

    def addresses(self) -> list[int | None]:
        """The IP addresses as 128-bit numbers, by row; None for a row without one."""
        if self._addresses is None:
            self._addresses = [number(one.ip_address) if one.ip_address else None for one in self.records]
        return self._addresses

    def values_at(self, row: int, path: str) -> Iterable[str]:
        """The folded values in the details of an event at a folded path or below it."""
        details = self._details[row]
        if details is None:
            record = self.records[row]
            pairs = sorted(zip(map(_fold, record.paths), map(fold, record.values), strict=True), key=itemgetter(0))
            details = self._details[row] = [at for at, _ in pairs], [value for _, value in pairs]
        paths, values = details
        # What is below the path begins with it and a dot: it lies before the path with the next character, a slash.
        for first, end in ((path, path + "\0"), (path + ".", path + "/")):
            yield from values[bisect_left(paths, first) : bisect_left(paths, end)]

    def details_json(self, row: int) -> Any:
        """The details of an event as they were stored, parsed; None of an event that has lost them."""
        if row not in self._parsed:
            try:
                self._parsed[row] = msgspec.json.decode(self.records[row].details)
            except msgspec.DecodeError:
                self._parsed[row] = None
        return self._parsed[row]

    def has_identifier(self, row: int, wanted: frozenset[str]) -> bool:
        """Whether an id of the event, of whatever kind, is one of the wanted ones (folded)."""
        if self._identifiers is None:
            self._identifiers = [frozenset(map(_fold, filter(None, _identifiers(one)))) for one in self.records]
            self._all_identifiers = frozenset().union(*self._identifiers)
        return not self._all_identifiers.isdisjoint(wanted) and not self._identifiers[row].isdisjoint(wanted)


_NONE: frozenset[str] = frozenset()
_IDENTIFIERS = attrgetter(*IDENTIFIERS)


def _identifiers(record: Record) -> tuple[str, ...]:
    return encode("evt", record.id), *_IDENTIFIERS(record)


def _others(record: Record, field: Field) -> frozenset[str]:
    """The folded values of a field in the columns that hold several."""
    lists = [getattr(record, column) for column in STANDS_IN[field] if column in MULTIPLE]
    return frozenset(_fold(value) for some in lists for value in some if value)
