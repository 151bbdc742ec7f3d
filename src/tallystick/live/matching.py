"""Finds in newly committed events what viewers follow, in a thread of its own, away from recording."""

from collections.abc import Callable, Hashable, Sequence
from functools import partial
from uuid import UUID

from sqlalchemy import select

from tallystick import clock
from tallystick.actions.catalogues import ActionCatalogues
from tallystick.database.engine import Database
from tallystick.events.action_catalogue import ActionCatalogue
from tallystick.journal import batches
from tallystick.ledger.tables import logs
from tallystick.live.batch import LiveBlock, blocks_of
from tallystick.live.channel import Channels
from tallystick.search.match import index_words
from tallystick.search.word_index import WordIndex
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses
from tallystick.work.stop_signal import TimeSlice, is_stopping

POLL_SECONDS = 1.0  # commits of other processes do not wake this one
GATHER_SECONDS = 0.1  # commits come up to hundreds of times a second; a page need not be updated as often
TURN_SECONDS = 0.05  # of one organization
REST_SHARE = 2.0  # of the time of a step: recording needs the interpreter too
PAUSE_SECONDS = 2
READ_EVENTS = 1_000
MOST_BLOCKS = 32  # of one organization in memory


class LiveMatcher(Background):
    """Matches each block of events once with each distinct query, in turns of TURN_SECONDS by organization.

    A channel whose next events have left the journal is handed to `replay`, which is called after that.
    """

    def __init__(self, database: Database, channels: Channels, replay: Callable[[], None]) -> None:
        super().__init__("live", idle_seconds=POLL_SECONDS)
        self._database = database
        self._channels = channels
        self._replay = replay
        self._catalogues = ActionCatalogues(database)
        self._blocks: dict[UUID, list[LiveBlock]] = {}
        self._indexes: dict[UUID, tuple[set[Hashable], WordIndex | None]] = {}
        self._pauses = Pauses[UUID]("live", seconds=PAUSE_SECONDS)
        self._steps = 0

    def breath(self, taken: float) -> float:
        return max(GATHER_SECONDS, REST_SHARE * taken)

    def step(self) -> bool:
        """Give each organization with viewers a turn; False if nothing was committed."""
        org_ids = self._channels.organizations()
        self._blocks = {org_id: blocks for org_id, blocks in self._blocks.items() if org_id in org_ids}
        self._indexes = {org_id: index for org_id, index in self._indexes.items() if org_id in org_ids}
        if not org_ids:
            return False
        self._steps += 1
        first, now, sizes = self._steps % len(org_ids), clock.now_us(), self._sizes(org_ids)
        found = False
        for org_id in org_ids[first:] + org_ids[:first]:
            if is_stopping():
                break
            if not self._pauses.is_paused(org_id, now):
                turn = partial(self._take_turn, org_id, sizes.get(org_id, 0))
                found = bool(self._pauses.attempt(org_id, now, turn)) or found
        return found

    def _sizes(self, org_ids: Sequence[UUID]) -> dict[UUID, int]:
        query = select(logs.c.org_id, logs.c.size).where(logs.c.org_id.in_(org_ids))
        with self._database.read() as connection:
            return {row.org_id: row.size for row in connection.execute(query)}

    def _take_turn(self, org_id: UUID, size: int) -> bool:
        """Move the organization's channels on, the one furthest behind first; whether any moved."""
        channels = self._channels.of(org_id, replayed=False)
        turn, moved, catalogue = TimeSlice(TURN_SECONDS), False, self._catalogues.of(org_id)
        while not turn.is_over():
            behind = [channel for channel in channels if channel.position + 1 < size and not channel.is_replayed]
            if not behind:
                break
            channel = min(behind, key=lambda one: one.position)
            block = self._block(org_id, channel.position, size, catalogue)
            if block is None:
                channel.is_replayed = True
                self._replay()
                continue
            rows = channel.selection(catalogue)(block.events, block.events.rows[channel.position - block.after :])
            self._channels.publish(channel, [block.event(row) for row in rows], block.through, turn)
            moved = True
        self._channels.merge(org_id)
        last = min((channel.position for channel in channels if not channel.is_replayed), default=size)
        self._blocks[org_id] = [block for block in self._blocks.get(org_id, []) if block.through > last]
        return moved

    def _index(self, org_id: UUID) -> WordIndex | None:
        """The words of the organization's channels. Channels that come later match without it."""
        channels = self._channels.of(org_id, replayed=False)
        keys, index = self._indexes.get(org_id, (None, None))
        if keys != (now := {channel.key for channel in channels}):
            index = index_words(
                one for channel in channels for one in (channel.scope.mandatory, channel.query.condition)
            )
            self._indexes[org_id] = now, index
        return index

    def _block(self, org_id: UUID, position: int, size: int, catalogue: ActionCatalogue) -> LiveBlock | None:
        """The block that holds the event after `position`; None if the journal does not hold it any more."""
        known = self._blocks.get(org_id, [])
        for block in known:
            if block.after <= position < block.through and block.catalogue is catalogue:
                return block
        with self._database.read() as connection:
            waiting = batches.read(connection, org_id, position + 1, size, most=READ_EVENTS)
        if not waiting or waiting[0].first > position + 1:
            return None
        read = blocks_of(waiting, position, self._index(org_id), catalogue)
        self._blocks[org_id] = [*known, *read][-MOST_BLOCKS:]
        return read[0]
