"""Shipments: which committed events go to the store together, fixed before they are sent."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from uuid import UUID, uuid4

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from tallystick import ids
from tallystick.clock import DAY_US, from_us
from tallystick.errors import Conflict
from tallystick.events.intake import MAX_EVENT
from tallystick.ingest.tables import shipment_ranges, shipments
from tallystick.journal import batches, tail
from tallystick.journal.batches import EncodedRecords
from tallystick.ledger.tables import logs
from tallystick.store.rows import Group

MOST_EVENTS = 20_000
MOST_BYTES = 32 << 20
# An insert may touch 100 partitions at most, and each has a file system sync of its own. Partitions are
# years; counting months keeps far below the bound, and keeps one insert from spreading over a decade.
MOST_MONTHS = 50
READ_AT_ONCE = 1000  # events of the journal
_FIX = (
    update(logs)
    .where(logs.c.org_id == bindparam("org"), logs.c.fixed_end == bindparam("first"))
    .values(fixed_end=bindparam("end"))
)
_STORE = update(logs).where(logs.c.org_id == bindparam("org")).values(stored_end=bindparam("end"))


class _Extent(msgspec.Struct, array_like=True, gc=False):
    """What a shipment has to know of a record: its first fields."""

    id: msgspec.Raw
    received_at: msgspec.Raw
    occurred_at: int
    seed: msgspec.Raw
    entry: msgspec.Raw
    what: bytes
    target: bytes
    who: bytes
    details: bytes

    @property
    def parts_size(self) -> int:
        return len(self.what) + len(self.target) + len(self.who) + len(self.details)


_extent = msgspec.msgpack.Decoder(_Extent).decode


@dataclass(frozen=True, slots=True)
class ShipmentRange:
    """The indexes first ≤ index < end of one organization."""

    org_id: UUID
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Shipment:
    """Index ranges that are sent under one deduplication token to the store `store_id`."""

    id: UUID
    token: str
    store_id: UUID
    attempts: int
    ranges: tuple[ShipmentRange, ...]

    @property
    def count(self) -> int:
        return sum(part.end - part.first for part in self.ranges)


class _Load:
    """What a shipment may carry (events, bytes, partitions), counted while it is filled."""

    def __init__(self) -> None:
        self.events = 0
        self.bytes = 0
        self.months: set[int] = set()
        self._most_events = MOST_EVENTS
        self._most_bytes = MOST_BYTES

    def share(self, organizations: int) -> None:
        """Let the next of so many organizations have an equal part of what is left."""
        self._most_events = self.events + -(-(MOST_EVENTS - self.events) // organizations)
        self._most_bytes = self.bytes + (MOST_BYTES - self.bytes) // organizations

    @property
    def is_full(self) -> bool:
        """Whether there is no room that an event always fits into."""
        return self.events >= MOST_EVENTS or bool(self.events and self.bytes + MAX_EVENT > MOST_BYTES)

    @property
    def events_left(self) -> int:
        """How many events the organization can still add."""
        return self._most_events - self.events

    def takes(self, frame: msgspec.Raw) -> bool:
        record = _extent(frame)
        month = _month(record.occurred_at // DAY_US)
        size = record.parts_size
        full = self.events >= self._most_events or self.bytes + size > self._most_bytes
        if self.events and (full or (month not in self.months and len(self.months) >= MOST_MONTHS)):
            return False
        self.events += 1
        self.bytes += size
        self.months.add(month)
        return True


def next_groups(connection: Connection) -> list[Group]:
    """What the next shipment carries: records of the journal beyond earlier shipments; empty if there are none.

    Organizations share it, those first that have the least waiting: so a backlog of one delays no other's events.
    Reading takes long, and needs no lock: a batch of the journal never changes, and only the shipper fixes shipments.
    """
    waiting = connection.execute(
        select(logs.c.org_id, logs.c.fixed_end, logs.c.size)
        .where(logs.c.size > logs.c.fixed_end)
        .order_by(logs.c.size - logs.c.fixed_end)
    ).all()
    load = _Load()
    groups: list[Group] = []
    for place, row in enumerate(waiting):
        if load.is_full:
            break
        load.share(len(waiting) - place)
        frames = _frames(connection, row.org_id, row.fixed_end, row.size, load)
        if frames:
            groups.append((row.org_id, row.fixed_end, EncodedRecords(frames)))
    return groups


def fix(connection: Connection, groups: Sequence[Group], *, store_id: UUID, now: int) -> Shipment:
    """Fix a shipment of what `next_groups` gave. Raises Conflict if another one has fixed any of it meanwhile."""
    ranges = tuple(ShipmentRange(org_id, first, first + len(records)) for org_id, first, records in groups)
    for part in sorted(ranges, key=attrgetter("org_id")):  # in the order in which the sequencer locks them
        fixed = connection.execute(_FIX, {"org": part.org_id, "first": part.first, "end": part.end})
        if fixed.rowcount != 1:
            raise Conflict(f"index {part.first} is in another shipment already", code="already_shipped")
    return _write(connection, ranges, store_id=store_id, now=now)


def _frames(connection: Connection, org_id: UUID, first: int, end: int, load: _Load) -> list[msgspec.Raw]:
    """Records from `first` on, as many as fit into the load."""
    taken: list[msgspec.Raw] = []
    at = first
    while at < end:
        found = batches.read_encoded(connection, org_id, at, end, most=min(READ_AT_ONCE, max(1, load.events_left)))
        if not found:
            return taken
        for batch in found:
            if batch.first > at:
                return taken  # start-up says so and freezes the log: shipping the rest would hide the hole
            for frame in batch.frames[at - batch.first :]:
                if not load.takes(frame):
                    return taken
                taken.append(frame)
            at = batch.end
    return taken


@lru_cache(maxsize=50_000)
def _month(day: int) -> int:
    moment = from_us(day * DAY_US)
    return moment.year * 12 + moment.month


def oldest_open(connection: Connection) -> Shipment | None:
    """The oldest shipment that is not known to be stored."""
    row = connection.execute(
        select(shipments).order_by(shipments.c.created_at, shipments.c.shipment_id).limit(1)
    ).first()
    if row is None:
        return None
    found = connection.execute(
        select(shipment_ranges)
        .where(shipment_ranges.c.shipment_id == row.shipment_id)
        .order_by(shipment_ranges.c.org_id, shipment_ranges.c.first_index)
    )
    ranges = tuple(ShipmentRange(one.org_id, one.first_index, one.end_index) for one in found)
    return Shipment(row.shipment_id, row.token, row.store_id, row.attempts, ranges)


def load(connection: Connection, shipment: Shipment) -> list[Group]:
    """The shipment's records, from the journal."""
    groups: list[Group] = []
    for part in shipment.ranges:
        frames: list[msgspec.Raw] = []
        for batch in batches.read_encoded(connection, part.org_id, part.first, part.end):
            frames += batch.frames[max(0, part.first - batch.first) : part.end - batch.first]
        groups.append((part.org_id, part.first, EncodedRecords(frames)))
    return groups


def settle(connection: Connection, shipment: Shipment, *, now: int) -> None:
    """Mark the shipment as stored (or set aside), and move it from the journal to its tail."""
    connection.execute(delete(shipment_ranges).where(shipment_ranges.c.shipment_id == shipment.id))
    connection.execute(delete(shipments).where(shipments.c.shipment_id == shipment.id))
    _advance(connection, {part.org_id for part in shipment.ranges}, now)


def _advance(connection: Connection, org_ids: Collection[UUID], now: int) -> None:
    """Whatever of these organizations no shipment holds any more is stored."""
    still_open = (
        select(shipment_ranges.c.org_id, func.min(shipment_ranges.c.first_index).label("first"))
        .where(shipment_ranges.c.org_id.in_(org_ids))
        .group_by(shipment_ranges.c.org_id)
        .subquery()
    )
    reached = (
        select(logs.c.org_id, func.coalesce(still_open.c.first, logs.c.fixed_end).label("end"))
        .join(still_open, still_open.c.org_id == logs.c.org_id, isouter=True)
        .where(logs.c.org_id.in_(org_ids))
        .order_by(logs.c.org_id)  # in which the sequencer locks them
    )
    ends = {row.org_id: row.end for row in connection.execute(reached)}
    if ends:
        connection.execute(_STORE, [{"org": org_id, "end": end} for org_id, end in ends.items()])
        tail.keep_stored(connection, ends, now=now)
        batches.remove_stored(connection, ends)


def replace_by(
    connection: Connection, shipment: Shipment, parts: Sequence[tuple[ShipmentRange, ...]], *, store_id: UUID, now: int
) -> None:
    """Fix these parts in place of the shipment, each under a new token; what no part holds counts as stored."""
    connection.execute(delete(shipment_ranges).where(shipment_ranges.c.shipment_id == shipment.id))
    connection.execute(delete(shipments).where(shipments.c.shipment_id == shipment.id))
    for part in parts:
        if part:
            _write(connection, part, store_id=store_id, now=now)
    _advance(connection, {part.org_id for part in shipment.ranges}, now)


def note_attempt(connection: Connection, shipment: Shipment, error: str | None) -> Shipment:
    """Store a failed attempt of the shipment."""
    connection.execute(
        update(shipments)
        .where(shipments.c.shipment_id == shipment.id)
        .values(attempts=shipment.attempts + 1, last_error=(error or "")[:2000])
    )
    return replace(shipment, attempts=shipment.attempts + 1)


def without(ranges: Sequence[ShipmentRange], left_out: Sequence[ShipmentRange]) -> tuple[ShipmentRange, ...]:
    """The ranges without those of `left_out`, each of which lies within one of them; both in ascending order."""
    kept: list[ShipmentRange] = []
    for part in ranges:
        at = part.first
        for cut in left_out:
            if cut.org_id == part.org_id and part.first <= cut.first < part.end:
                if cut.first > at:
                    kept.append(ShipmentRange(part.org_id, at, cut.first))
                at = cut.end
        if at < part.end:
            kept.append(ShipmentRange(part.org_id, at, part.end))
    return tuple(kept)


def halves(shipment: Shipment) -> list[tuple[ShipmentRange, ...]]:
    """The shipment's ranges in two parts of equal size, cutting through a range where needed."""
    left: list[ShipmentRange] = []
    right: list[ShipmentRange] = []
    room = shipment.count // 2
    for part in shipment.ranges:
        cut = min(part.end, part.first + room)
        if cut > part.first:
            left.append(ShipmentRange(part.org_id, part.first, cut))
        if part.end > cut:
            right.append(ShipmentRange(part.org_id, cut, part.end))
        room -= cut - part.first
    return [tuple(left), tuple(right)]


def _write(connection: Connection, ranges: tuple[ShipmentRange, ...], *, store_id: UUID, now: int) -> Shipment:
    shipment = Shipment(ids.new_uuid(now), uuid4().hex, store_id, 0, ranges)
    connection.execute(
        insert(shipments),
        {
            "shipment_id": shipment.id, "token": shipment.token, "store_id": store_id, "attempts": 0,
            "created_at": now,
        },
    )  # fmt: skip
    connection.execute(
        insert(shipment_ranges),
        [{"org_id": r.org_id, "first_index": r.first, "end_index": r.end, "shipment_id": shipment.id} for r in ranges],
    )
    return shipment
