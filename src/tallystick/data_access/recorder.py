"""Records who read the trail: views of people, streams, and the numbers of requests of API keys."""

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from tallystick import clock
from tallystick.access.audit import Caller, record_own
from tallystick.clock import SECOND_US
from tallystick.data_access.counts import (
    EVENT_VIEWED,
    EXPORTED,
    VIEWED,
    Kind,
    add_count,
    record_ended_periods,
)
from tallystick.data_access.open_views import Filter, OpenViews, View, normalized, recorded_filter
from tallystick.data_access.setting import ViewRecording, read_view_recording
from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.query.own_records import is_own_record
from tallystick.query.scope import Principal, Scope
from tallystick.work.background import Background

IDLE_SECONDS = 1.0
FLUSH_US = 10 * SECOND_US
ENDED_US = 60 * SECOND_US  # how often periods that are over are looked for
AGAIN_US = 600 * SECOND_US
MOST_AT_ONCE = 120  # events of one reader, of each kind; then one more each ONE_MORE_US, whatever it reads
ONE_MORE_US = 30 * SECOND_US
MOST_WAITING = 10_000  # views in memory; further ones are only counted
_READS = frozenset({VIEWED, EVENT_VIEWED, EXPORTED})

Reader = tuple[UUID, str]


class DataAccessRecorder(Background):
    """Notes reads in memory, and writes them to the outbox in the background; only `record_stream` writes at once.

    One per process: what several processes note of one reader is limited in each of them. `wake_recorder` is called
    after a write to the outbox.
    """

    def __init__(self, database: Database, wake_recorder: Callable[[], None]) -> None:
        super().__init__("data_access", idle_seconds=IDLE_SECONDS)
        self._database = database
        self._wake_recorder = wake_recorder
        self._lock = threading.Lock()
        self._open = OpenViews()
        self._rested: list[View] = []
        self._counted: Counter[tuple[Kind, UUID, Principal, str]] = Counter()
        self._recorded_at: dict[tuple[UUID, str, bytes], int] = {}
        self._allowances: dict[tuple[Kind, Reader], tuple[float, int]] = {}  # how many events, at what time
        self._flushed_at = self._looked_at = 0

    def note_list(
        self, scope: Scope, caller: Caller, given: Filter, *, found: str = "", is_supplement: bool = False
    ) -> None:
        """Somebody looks at the events that a filter finds, or at a page made of events. Never blocks."""
        now = clock.now_us()
        shown = normalized(given)
        view = View(scope.org_id, scope.principal, caller, now, now, shown, found=found, is_supplement=is_supplement)
        with self._lock:
            if len(self._open) < MOST_WAITING:
                self._add(self._open.put(view))
            else:
                self._add(view)

    def note_event(self, scope: Scope, caller: Caller, event_id: str, *, is_supplement: bool = False) -> None:
        """Somebody opened an event. Never blocks."""
        now = clock.now_us()
        view = View(scope.org_id, scope.principal, caller, now, now, event_id=event_id, is_supplement=is_supplement)
        with self._lock:
            self._add(view)

    def note_request(self, scope: Scope, address: str) -> None:
        """An API key read events. Never blocks."""
        with self._lock:
            self._counted["requests", scope.org_id, scope.principal, address] += 1

    def record_stream(self, scope: Scope, caller: Caller, given: Filter, media: str) -> None:
        """Record that a stream of events begins; call it before the first byte. Blocks."""
        now = clock.now_us()
        with self._lock:
            is_within = self._take("streams", scope.org_id, scope.principal, now)
        with self._database.write() as connection:
            if is_within:
                metadata = {"format": media, "streamed": True, "filter": recorded_filter(given)}
                record_own(
                    connection, scope.org_id, EXPORTED,
                    by=scope.principal, caller=caller, on={}, now=now, metadata=metadata,
                )  # fmt: skip
            else:
                add_count(connection, scope.org_id, scope.principal, "streams", 1, address=caller.address, now=now)
        self._wake_recorder()

    def step(self, now: int | None = None) -> bool:
        """Write what has rested and what was counted; False, since further work comes with time."""
        now = clock.now_us() if now is None else now
        self._write(now)
        return False

    def close(self) -> None:
        """Write what is still open, as if it had rested."""
        self._write(clock.now_us(), all_of_them=True)
        super().close()

    def _add(self, view: View | None) -> None:
        """Let a view be written, if there is one; beyond MOST_WAITING it is counted. Call it under the lock."""
        if view is None:
            return
        if len(self._rested) < MOST_WAITING:
            self._rested.append(view)
        else:
            self._counted["views", view.org_id, view.reader, view.caller.address] += 1

    def _write(self, now: int, *, all_of_them: bool = False) -> None:
        with self._lock:
            views = self._rested + self._open.take_rested(now, all_of_them=all_of_them)
            self._rested = []
            is_due = all_of_them or now - self._flushed_at >= FLUSH_US
            counted, self._counted = (self._counted, Counter()) if is_due else (Counter(), self._counted)
        self._forget_past(now)
        look = now - self._looked_at >= ENDED_US
        if not views and not counted and not look:
            return
        try:
            with self._database.write() as connection:
                number = self._write_views(connection, views, now)
                for (kind, org_id, reader, address), more in counted.items():
                    add_count(connection, org_id, reader, kind, more, address=address, now=now)
                number += record_ended_periods(connection, now) if look else 0
        except Exception:
            with self._lock:
                self._rested = (views + self._rested)[:MOST_WAITING]
                self._counted += counted
                for view in views:
                    self._recorded_at.pop((view.org_id, view.reader.id, view.digest), None)
            raise
        self._flushed_at = now if is_due else self._flushed_at
        self._looked_at = now if look else self._looked_at
        if number:
            self._wake_recorder()

    def _forget_past(self, now: int) -> None:
        """Forget what limits nothing any more. Once for all views of a step, since it goes through all that is kept."""
        if len(self._recorded_at) >= MOST_WAITING:
            self._recorded_at = {key: at for key, at in self._recorded_at.items() if now - at < AGAIN_US}
        with self._lock:
            if len(self._allowances) >= MOST_WAITING:
                self._allowances = {
                    key: known
                    for key, known in self._allowances.items()
                    if _current_allowance(known, now) < MOST_AT_ONCE
                }

    def _write_views(self, connection: Connection, views: Sequence[View], now: int) -> int:
        """Write those that the organization's setting wants and that are not repeated too soon; returns how many."""
        settings: dict[UUID, ViewRecording] = {}
        further: Counter[tuple[UUID, Principal, str]] = Counter()
        number = 0
        for view in views:
            if view.org_id not in settings:
                settings[view.org_id] = read_view_recording(connection, view.org_id)
            if not self._is_wanted(view, settings[view.org_id], now):
                continue
            with self._lock:
                is_within = self._take("views", view.org_id, view.reader, now)
            if is_within:
                number += 1
                _record_view(connection, view)
            else:
                further[view.org_id, view.reader, view.caller.address] += 1
        for (org_id, reader, address), more in further.items():
            add_count(connection, org_id, reader, "views", more, address=address, now=now)
        return number

    def _is_wanted(self, view: View, setting: ViewRecording, now: int) -> bool:
        if setting == "off":
            return False
        key = (view.org_id, view.reader.id, view.digest)
        last = self._recorded_at.get(key, -AGAIN_US)
        # One that replaced others is recorded, since nothing else says that there were others.
        if now - last < AGAIN_US and (setting == "usual" or view.is_supplement) and not view.passed:
            return False
        if len(self._recorded_at) < 10 * MOST_WAITING:
            self._recorded_at[key] = now
        return True

    def _take(self, kind: Kind, org_id: UUID, reader: Principal, now: int) -> bool:
        """Whether the reader may have one more event now. Call it under the lock."""
        key = (kind, (org_id, reader.id))
        number = _current_allowance(self._allowances.get(key, (MOST_AT_ONCE, now)), now)
        self._allowances[key] = (number - 1 if number >= 1 else number, now)
        return number >= 1


def _current_allowance(known: tuple[float, int], now: int) -> float:
    number, at = known
    return min(MOST_AT_ONCE, number + max(0, now - at) / ONE_MORE_US)


def _record_view(connection: Connection, view: View) -> None:
    on = {"type": "event", "id": view.event_id} if view.event_id else {}
    action = EVENT_VIEWED if view.event_id else VIEWED
    record_own(
        connection, view.org_id, action,
        by=view.reader, caller=view.caller, on=on, now=view.at, metadata=view.metadata(),
    )  # fmt: skip


def is_read_of(reader: Principal, event: StoredEvent) -> bool:
    """Whether the event is Tallystick's record that this reader read something."""
    if not is_own_record(event.what):
        return False
    action = msgspec.json.decode(event.what, type=_What).action
    who: Mapping[str, Mapping[str, object]] = msgspec.json.decode(event.who) if event.who else {}
    return action in _READS and who.get("actor", {}).get("id") == reader.id


class _What(msgspec.Struct):
    action: str
