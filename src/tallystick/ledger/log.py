"""The log of one organization: create, lock, append, freeze.

All functions work in the caller's transaction and leave the commit to it. A `Log` holds the values of the locked
row; `append` writes only if the row still has the same size and root, so that neither another node, nor a
transaction that was rolled back, nor a stale `Log` can put an entry at a wrong index.
"""

import secrets
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import Connection, LargeBinary, bindparam, cast, func, insert, select, update

from tallystick.errors import NotFound, Unavailable
from tallystick.ledger.tables import checkpoints, logs, tiles
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_HEIGHT, TILE_WIDTH
from tallystick.merkle.tree import EMPTY, HASH_BYTES, Edge, extend, leaf_hashes

TILE_BYTES = TILE_WIDTH * HASH_BYTES


class LedgerDamaged(Unavailable):
    """The stored data of a log contradicts itself; nothing may be appended to it or proved from it."""

    code, title = "log_damaged", "The log is damaged"


class Log(msgspec.Struct, frozen=True):
    """A log's row: its number of entries, their root, and the edge (the packed peaks) from which it grows.

    Indexes below `fixed_end` are in fixed shipments, those below `stored_end` are stored or set aside.
    """

    org_id: UUID
    origin_id: str
    size: int
    root: bytes
    edge: bytes
    fixed_end: int
    stored_end: int
    frozen_reason: str | None = None


_ROW = (
    logs.c.org_id,
    logs.c.origin_id,
    logs.c.size,
    logs.c.root,
    logs.c.edge,
    logs.c.fixed_end,
    logs.c.stored_end,
    logs.c.frozen_reason,
)
_READ = select(*_ROW).where(logs.c.org_id == bindparam("org"))
_READ_SEVERAL = select(*_ROW).where(logs.c.org_id.in_(bindparam("orgs", expanding=True)))
_LOCK = _READ.with_for_update()
_ADVANCE = (
    update(logs)
    .where(
        logs.c.org_id == bindparam("org"),
        logs.c.size == bindparam("old_size"),
        logs.c.root == bindparam("old_root"),
        logs.c.frozen_reason.is_(None),
    )
    .values(size=bindparam("new_size"), root=bindparam("new_root"), edge=bindparam("new_edge"))
)
# SQLite joins bytes as if they were text, unchanged, and calls the result text: hence the cast.
_WIDEN = (
    update(tiles)
    .where(
        tiles.c.org_id == bindparam("org"),
        tiles.c.level == bindparam("tile_level"),
        tiles.c.position == bindparam("tile_position"),
        func.length(tiles.c.hashes) == bindparam("old_length"),
    )
    .values(hashes=cast(tiles.c.hashes.op("||")(bindparam("more", type_=LargeBinary)), LargeBinary))
)
# RETURNING makes the rows of one call one statement, which PostgreSQL takes in two thirds of the time.
_BEGIN = insert(tiles).returning(tiles.c.position)


def create(connection: Connection, org_id: UUID, *, now: int) -> Log:
    """Create the empty log of a new organization, under a random origin. `now` in µs since 1970."""
    root, origin_id = EMPTY.root(), secrets.token_hex(16)
    log = Log(org_id, origin_id, 0, root, b"", fixed_end=0, stored_end=0)
    connection.execute(insert(logs).values(**msgspec.structs.asdict(log), created_at=now))
    return log


def read(connection: Connection, org_id: UUID) -> Log:
    """The log as it is now, frozen or not; NotFound when the organization has none."""
    return _log_of(connection.execute(_READ, {"org": org_id}).one_or_none())


def rows_of(connection: Connection, org_ids: Sequence[UUID]) -> list[Log]:
    """The logs of those of these organizations that have one."""
    return [Log(*row) for row in connection.execute(_READ_SEVERAL, {"orgs": list(org_ids)})]


def lock(connection: Connection, org_id: UUID) -> Log:
    """The log, locked against other writers until the transaction ends; the next writer sees this one's result.

    Raises Unavailable (`log_frozen`) while the log is frozen, NotFound when the organization has none.
    """
    log = _log_of(connection.execute(_LOCK, {"org": org_id}).one_or_none())
    refuse_frozen(log)
    return log


def refuse_frozen(log: Log) -> None:
    """Raise Unavailable (`log_frozen`) when the log is frozen: nothing may be recorded in it or signed."""
    if log.frozen_reason is not None:
        raise Unavailable(
            "Recording is stopped because the ledger contradicts itself. The operator must restore it "
            "or start a new log. Reading still works.",
            code="log_frozen",
            retry_after=60,
            reason=log.frozen_reason,
        )


def root(connection: Connection, org_id: UUID) -> tuple[int, bytes]:
    """The size and the root (32 bytes) in the log's row."""
    log = read(connection, org_id)
    return log.size, log.root


def append(connection: Connection, log: Log, entries: Sequence[bytes]) -> Log:
    """Append entries (32 bytes each) at the indexes from `log.size` on, and write their tiles; returns the new log.

    `log` comes from `lock` or `append` in this transaction; after a rollback it is void. Writes the log's row,
    one row for each new tile and one for each widened tile: two rows for a few entries, one more for every 256.
    Raises Unavailable (`log_moved`) when the row no longer equals `log`, and LedgerDamaged when size, root, edge
    and tiles contradict each other; nothing may be committed after either.
    """
    if not entries:
        return log
    if set(map(len, entries)) != {ENTRY_BYTES}:
        raise ValueError("an entry has 32 bytes")
    grown, completed = extend(_edge_of(log), leaf_hashes(entries))
    after = msgspec.structs.replace(log, size=grown.size, root=grown.root(), edge=grown.pack())
    _advance(connection, log, after)
    begun: list[dict[str, Any]] = []
    for level, new in enumerate([entries, *completed[TILE_HEIGHT::TILE_HEIGHT]]):
        begun += _lay(connection, log, level, b"".join(new))
    if begun:
        connection.execute(_BEGIN, begun).close()
    return after


def freeze(connection: Connection, org_id: UUID, reason: str) -> None:
    """Stop recording into the log until an operator decides; a frozen log keeps its first reason."""
    connection.execute(
        update(logs).where(logs.c.org_id == org_id, logs.c.frozen_reason.is_(None)).values(frozen_reason=reason)
    )


def mark(connection: Connection, log: Log, *, now: int) -> None:
    """Store the locked log's size and root as an unsigned checkpoint, for later checks. `now` in µs since 1970."""
    known = select(checkpoints.c.size).where(checkpoints.c.org_id == log.org_id, checkpoints.c.size == log.size)
    if connection.execute(known).one_or_none() is None:
        row = {"org_id": log.org_id, "size": log.size, "root": log.root, "made_at": now}
        connection.execute(insert(checkpoints).values(row))


def _log_of(row: Any) -> Log:
    if row is None:
        raise NotFound("This organization has no log. A log is created with the organization.", code="log_not_found")
    return Log(*row)


def _edge_of(log: Log) -> Edge:
    try:
        edge = Edge.unpack(log.size, log.edge)
    except ValueError as mismatch:
        raise LedgerDamaged(f"The log's row contradicts itself: {mismatch}.") from mismatch
    if edge.root() != log.root:
        raise LedgerDamaged(f"The log's row contradicts itself: its edge has not the root it says at {log.size}.")
    return edge


def _advance(connection: Connection, before: Log, after: Log) -> None:
    moved = connection.execute(
        _ADVANCE,
        {
            "org": before.org_id,
            "old_size": before.size,
            "old_root": before.root,
            "new_size": after.size,
            "new_root": after.root,
            "new_edge": after.edge,
        },
    )
    if moved.rowcount != 1:
        raise Unavailable("The log changed in the meantime. Try again.", code="log_moved")


def _lay(connection: Connection, log: Log, level: int, new: bytes) -> list[dict[str, Any]]:
    """Widen the unfinished tile of this level; returns the rows of the tiles after it, for the caller to insert."""
    position, width = divmod(log.size >> TILE_HEIGHT * level, TILE_WIDTH)
    taken = 0
    if width:
        taken = TILE_BYTES - width * HASH_BYTES
        tile = {"org": log.org_id, "tile_level": level, "tile_position": position, "old_length": width * HASH_BYTES}
        if connection.execute(_WIDEN, tile | {"more": new[:taken]}).rowcount != 1:
            raise LedgerDamaged(
                f"Tile {position} of level {level} does not hold the {width} hashes that a log of {log.size} "
                "entries has there; restore the control database from a backup."
            )
        position += 1
    return [
        {"org_id": log.org_id, "level": level, "position": position + count, "hashes": new[at : at + TILE_BYTES]}
        for count, at in enumerate(range(taken, len(new), TILE_BYTES))
    ]
