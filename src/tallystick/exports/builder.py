"""One export made: the events below its position, in its format, into its file."""

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast
from uuid import UUID

import msgspec

from tallystick.access import organizations
from tallystick.access.current_scope import current_scope
from tallystick.access.scopes import require
from tallystick.clock import second_words, zone_of
from tallystick.database.engine import Database
from tallystick.errors import Forbidden, TallystickError, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.exports import files
from tallystick.exports.files import Measured
from tallystick.exports.request import KINDS, Export
from tallystick.exports.words import filter_words, period_words
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.prover import Prover
from tallystick.query.conditions import EVERYTHING, Query
from tallystick.query.scope import Scope
from tallystick.render.export_pdf import About
from tallystick.render.writers import FORMATS
from tallystick.search import scan
from tallystick.search.filters import query_from
from tallystick.store.events import EventStore
from tallystick.store.reading import extent

STEP = 2_000  # events between two looks whether this is still wanted
MOST_RANGES = 200
MOST_MARKED = 100_000_000  # entries of the log, a byte each in memory: beyond, nobody notes what was exported
_RUN = re.compile(rb"\x01+")
Watch = Callable[[int], None]
"""Told how far the work is, in thousandths; raises what is to end it."""


Deletions = Callable[[UUID], tuple[bool, Hashable]]
"""Whether something of an organization is being deleted, and what changes with each deletion that ended."""


Make = Callable[[Export, Scope, Measured, Watch], int]
"""Writes the file of something made elsewhere, for a scope that holds; how many events it is about."""


class Disturbed(Exception):
    """Events were deleted while a bundle was made: what it holds and what its records say would not agree."""


@dataclass(frozen=True, slots=True)
class Made:
    """What is known of a file when it is whole. `ranges`: JSON, first and last index of each."""

    rows: int
    bytes: int
    sha256: str
    ranges: str


class Maker:
    """Makes files; knows nothing of states."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        deletions: Deletions,
        others: Mapping[str, Make],
    ) -> None:
        self._others = others
        self._deletions = deletions
        self._database = database
        self._store = store
        self._prover = prover
        self._data_dir = data_dir

    def make(self, one: Export, watch: Watch, *, now: int) -> Made:
        """Write the file of an export. TallystickError with the reason when that must not or cannot be; Disturbed."""
        files.check_room(self._data_dir)
        scope = self._scope(one, now)
        marks = bytearray(one.position) if KINDS[one.format].is_whole and one.position <= MOST_MARKED else None
        seen = _Seen(marks)
        with files.written(files.path_of(self._data_dir, one.org_id, one.export_id)) as target:
            if one.format in self._others:
                rows = self._others[one.format](one, scope, target, watch)
            elif one.format == "bundle":
                rows = self._bundle(one, scope, query_from(one.filter, now=one.asked_at), target, seen, watch)
            else:
                self._flat(one, scope, query_from(one.filter, now=one.asked_at), target, seen, watch)
                rows = seen.rows
            watch(1000)
        return Made(rows, target.bytes, target.sha256, _ranges(marks))

    def _scope(self, one: Export, now: int) -> Scope:
        """The requester's scope, which must be now what it was then."""
        with self._database.read() as connection:
            scope = current_scope(connection, one.org_id, one.by, now=now)
        require(scope, "exports")
        if scope.role != one.role:
            raise Forbidden(
                f"{one.by.email or one.by.name} requested this as {one.role} and is now {scope.role}. Export again.",
                code="role_changed",
            )
        return scope

    def _flat(self, one: Export, scope: Scope, query: Query, target: Measured, seen: "_Seen", watch: Watch) -> None:
        """Newest first, as the page shows them."""
        write = FORMATS[one.format].write
        if write is None:
            raise TallystickError(f"The format {one.format} cannot be written newest first.")
        ends = extent(self._store, scope, query)
        with closing(scan.newest_first(self._database, self._store, scope, query, one.position, one.first)) as found:
            blocks = seen.watched(found, lambda event: _share_of_time(event, ends), watch, self._data_dir)
            write(blocks, cast("BinaryIO", target), self._about(one, scope))

    def _bundle(self, one: Export, scope: Scope, query: Query, target: Measured, seen: "_Seen", watch: Watch) -> int:
        """In order of index. Without a filter all of the log below the position, which shows that nothing is left
        out: for who may see all of it."""
        before = self._deletions(one.org_id)
        if before[0]:
            raise Disturbed
        is_whole = scope.mandatory == EVERYTHING and query == Query()
        selection = Selection(
            first=one.first if is_whole else None,
            end=one.position if is_whole else None,
            filter={name: list(values) for name, values in one.filter.items()},
            made_by={"type": one.by.kind, "id": one.by.id, "name": one.by.name},
        )
        end = max(one.position, 1)
        found = scan.in_order_of_index(self._database, self._store, scope, query, one.first, one.position)
        blocks = seen.watched(found, lambda event: 1000 * event.index // end, watch, self._data_dir)
        records: Iterable[StoredEvent] = (
            # Also those behind the position: they tell what went since it was asked for.
            scan.records(self._database, self._store, scope, self._signed(scope, one.position))
            if scope.mandatory == EVERYTHING
            else ()
        )
        writer = BundleWriter(self._database, self._prover)
        manifest = writer.write(cast("BinaryIO", target), scope, selection, (list(block) for block in blocks), records)
        if self._deletions(one.org_id) != before:
            raise Disturbed
        return seen.rows if is_whole else int(manifest["events"])

    def _signed(self, scope: Scope, position: int) -> int:
        """The size of a checkpoint of all that the log has now; of a log that cannot be signed now the last one."""
        try:
            return self._prover.checkpoint(scope, covering=self._prover.size(scope)).size
        except Unavailable:
            return self._prover.checkpoint(scope, covering=position).size

    def _about(self, one: Export, scope: Scope) -> About:
        if one.format != "pdf":
            return About()
        zone_name = "".join(one.filter.get("tz", ())[:1]) or "UTC"
        zone = zone_of(zone_name)
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope).name
        try:
            note = self._prover.checkpoint(scope, covering=one.position).note
        except TallystickError:  # the document says nothing of a log that cannot be signed now
            note = ""
        return About(
            organization=organization,
            filter=filter_words(one.filter),
            period=period_words(one.filter, one.first),
            made_at=second_words(one.asked_at, zone),
            made_by=one.by.email or one.by.name,
            checkpoint=note,
            zone=zone,
            zone_name=zone_name,
        )


class _Seen:
    """Counts what goes by, and notes its indexes."""

    def __init__(self, marks: bytearray | None) -> None:
        self.rows = 0
        self._marks = marks

    def watched(
        self,
        blocks: Iterable[Sequence[StoredEvent]],
        share: Callable[[StoredEvent], int],
        watch: Watch,
        data_dir: Path,
    ) -> Iterator[Sequence[StoredEvent]]:
        for block in blocks:
            for start in range(0, len(block), STEP):
                piece = block[start : start + STEP]
                yield piece
                self.rows += len(piece)
                if self._marks is not None:
                    for event in piece:
                        self._marks[event.index] = not event.remains
                files.check_room(data_dir)
                watch(min(share(piece[-1]), 999))


def _share_of_time(event: StoredEvent, ends: tuple[int, int] | None) -> int:
    first, last = ends or (0, 0)
    return 1000 * (last - event.occurred_at) // max(last - first, 1)


def _ranges(marks: bytearray | None) -> str:
    """The longest runs of indexes that were written in full."""
    if marks is None:
        return ""
    runs = sorted((run.span() for run in _RUN.finditer(marks)), key=lambda span: span[0] - span[1])
    pairs: Any = sorted((first, end - 1) for first, end in runs[:MOST_RANGES])
    return msgspec.json.encode(pairs).decode()
