"""Reads for viewers what they follow in events that are stored already, in a thread of its own."""

from collections.abc import Callable
from uuid import UUID

from sqlalchemy import select

from tallystick import clock
from tallystick.actions.catalogues import ActionCatalogues
from tallystick.database.engine import Database
from tallystick.events.record import with_catalogue
from tallystick.journal import batches, set_aside
from tallystick.ledger.tables import logs
from tallystick.live.batch import LiveEvent
from tallystick.live.channel import NEAR, Channel, Channels
from tallystick.search.match import compile_match
from tallystick.search.paging import as_stored_event
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore
from tallystick.store.reading import by_index
from tallystick.work.background import Background
from tallystick.work.pauses import Pauses
from tallystick.work.stop_signal import TimeSlice

IDLE_SECONDS = 60.0  # the matcher wakes it
TURN_SECONDS = 0.5  # of one reading; further messages of it are made in the next ones
REST_SHARE = 1.0  # of the time of a step
PAUSE_SECONDS = 2
MOST_EVENTS = 200  # of one reading
WIDEST = 64_000  # indexes of one reading in which little matches


class LiveReplay(Background):
    """Moves the channels that are behind the journal on, one reading of one organization after another's.

    A channel that has reached the journal is handed back: `reached` is called after that.
    """

    def __init__(self, database: Database, store: EventStore, channels: Channels, reached: Callable[[], None]) -> None:
        super().__init__("live_replay", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._store = store
        self._channels = channels
        self._catalogues = ActionCatalogues(database)
        self._reached = reached
        self._pauses = Pauses[UUID]("live_replay", seconds=PAUSE_SECONDS)
        self._last_turn: dict[UUID, int] = {}  # number of the step that last read for an organization
        self._steps = 0

    def breath(self, taken: float) -> float:
        return REST_SHARE * taken

    def step(self) -> bool:
        """Read once for the organization whose last turn is longest ago; False if no channel is behind."""
        now, org_ids = clock.now_us(), self._channels.organizations()
        behind = {org_id: channels for org_id in org_ids if (channels := self._channels.of(org_id, replayed=True))}
        self._last_turn = {org_id: self._last_turn.get(org_id, 0) for org_id in behind}
        ready = [org_id for org_id in behind if not self._pauses.is_paused(org_id, now)]
        if not ready:
            self.stopping.wait(PAUSE_SECONDS / 2 if behind else 0)
            return bool(behind)
        self._steps += 1
        org_id = min(ready, key=self._last_turn.__getitem__)
        self._last_turn[org_id] = self._steps
        channel = min(behind[org_id], key=lambda one: one.position)
        self._pauses.attempt(org_id, now, lambda: self._read(channel))
        return True

    def _read(self, channel: Channel) -> None:
        org_id, position = channel.org_id, channel.position
        with self._database.read() as connection:
            size = int(connection.execute(select(logs.c.size).where(logs.c.org_id == org_id)).scalar() or 0)
            first = batches.first_index(connection, org_id, position + 1)
            aside = set_aside.of_organization(connection, org_id)
        # The journal was read first: an event leaves it only once the store has it, so that none is missed.
        waiting = size if first is None else first
        if waiting <= position + 1:
            channel.is_replayed = False
            self._reached()
            return
        through = min(waiting - 1, position + channel.width)
        catalogue = self._catalogues.of(org_id)
        query = catalogue.expand_query(channel.query)
        rows = by_index(self._store, channel.scope, query, after=position, through=through, limit=MOST_EVENTS)
        channel.width = min(2 * channel.width, WIDEST) if len(rows.events) < MOST_EVENTS // 4 else NEAR
        through = min(through, rows.reached)
        found = {row.index: row for row in rows.events}
        matches = compile_match(with_mandatory_filter(channel.scope, query)) if aside else None
        for index, record in aside:
            if position < index <= through and index not in found and matches is not None and matches(record):
                found[index] = as_stored_event(index, record)
        events = with_catalogue((found[index] for index in sorted(found)), catalogue)
        self._channels.publish(channel, list(map(LiveEvent, events)), through, TimeSlice(TURN_SECONDS))
