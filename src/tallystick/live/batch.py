"""Events for viewers, in blocks: what several viewers need of an event is computed once."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import msgspec

from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue
from tallystick.events.output import event_of
from tallystick.events.record import Record, StoredEvent, with_catalogue
from tallystick.journal.batches import Batch
from tallystick.search.event_block import EventBlock
from tallystick.search.paging import as_stored_event
from tallystick.search.word_index import WordIndex

BLOCK_EVENTS = 500
BLOCK_BYTES = 256 << 10


class LiveEvent:
    """An event, and its JSON once a viewer asked for it."""

    def __init__(self, stored: StoredEvent) -> None:
        self.stored = stored

    @property
    def index(self) -> int:
        """Its place in the log."""
        return self.stored.index

    @cached_property
    def json(self) -> bytes:
        """As the API shows it."""
        return msgspec.json.encode(event_of(self.stored))


@dataclass(frozen=True, slots=True)
class LiveBatch:
    """The matching events in index order; all events up to and including index `through` were checked."""

    events: Sequence[LiveEvent]
    through: int


class LiveBlock:
    """Consecutive events of an organization with after < index ≤ through."""

    def __init__(
        self, first: int, records: Sequence[Record], index: WordIndex | None, catalogue: ActionCatalogue
    ) -> None:
        self.catalogue = catalogue
        self.after = first - 1
        self.through = first + len(records) - 1
        self.events = EventBlock(records, index)
        self._shown: dict[int, LiveEvent] = {}

    def event(self, row: int) -> LiveEvent:
        """The event of a row, the same object for every query that it matches."""
        shown = self._shown.get(row)
        if shown is None:
            index = self.after + 1 + row
            [stored] = with_catalogue([as_stored_event(index, self.events.records[row])], self.catalogue)
            shown = self._shown[row] = LiveEvent(stored)
        return shown


def blocks_of(
    batches: Sequence[Batch], after: int, index: WordIndex | None, catalogue: ActionCatalogue = BUILT_IN
) -> list[LiveBlock]:
    """The events of consecutive batches with an index above `after`, in blocks of BLOCK_EVENTS and BLOCK_BYTES.

    `index` holds the words of queries that they will be matched with, `catalogue` describes their actions.
    """
    blocks: list[LiveBlock] = []
    for batch in batches:
        records: list[Record] = []
        size, first = 0, max(batch.first, after + 1)
        for record in batch.records[first - batch.first :]:
            length = record.parts_size
            if records and (len(records) >= BLOCK_EVENTS or size + length > BLOCK_BYTES):
                blocks.append(LiveBlock(first, records, index, catalogue))
                first, records, size = first + len(records), [], 0
            records.append(record)
            size += length
        if records:
            blocks.append(LiveBlock(first, records, index, catalogue))
    return blocks
