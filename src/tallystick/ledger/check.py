"""Consistency checks of one log's tables: the right edge at every start, the whole log on demand.

Both read one consistent snapshot and change nothing; the caller freezes the log when a check fails.
"""

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection, select

from tallystick.ledger.edges import LogEdge
from tallystick.ledger.log import TILE_BYTES, LedgerDamaged
from tallystick.ledger.nodes import Nodes, split
from tallystick.ledger.tables import tiles
from tallystick.merkle.tiles import TILE_HEIGHT, TILE_WIDTH, width_of
from tallystick.merkle.tree import EMPTY, HASH_BYTES, Edge, extend, leaf_hashes, perfect_root, root_of

ROWS_AT_ONCE = 64


def check_edge(end: LogEdge) -> str | None:
    """A description of what is wrong with the end of the log, or None.

    Compares the last tile of each level, the edge and root in the log's row, and the last checkpoint: a few rows,
    whatever the size of the log. Alterations further back are found only by `recompute`.
    """
    log, nodes = end.log, end.nodes
    try:
        for level in end.levels:
            _check_last_tile(end, level)
        edge = Edge.of(log.size, nodes)
        if edge.pack() != log.edge:
            raise LedgerDamaged(f"The tiles give another edge at size {log.size} than the log's row has.")
        if edge.root() != log.root:
            raise LedgerDamaged(f"The tiles give another root at size {log.size} than the log's row has.")
        _check_last_checkpoint(end)  # the row's root is right by now
    except LedgerDamaged as damage:
        return damage.detail
    return None


def recompute(connection: Connection, org_id: UUID) -> tuple[int, bytes]:
    """Hash all stored entries again; returns the size and the root (32 bytes) that they give.

    Compares every tile above them on the way; LedgerDamaged names the first that is missing or differs.
    Memory is bounded; a million entries take about 1.5 s.
    """
    edge = EMPTY
    above: dict[int, bytes] = {}  # tile level → the hashes of its rightmost tile, so far

    def compare(level: int) -> None:
        position = (edge.size >> TILE_HEIGHT * level) - 1 >> TILE_HEIGHT
        if Nodes(connection, org_id).tile(level, position) != above.pop(level):
            raise LedgerDamaged(f"Tile {position} of level {level} does not hold the hashes of the entries below it.")

    for position, entries in _entry_tiles(connection, org_id):
        if position * TILE_WIDTH != edge.size:
            raise LedgerDamaged(f"The entries from index {edge.size} to {position * TILE_WIDTH - 1} are missing.")
        edge, completed = extend(edge, leaf_hashes(split(entries)))
        for level, nodes in enumerate(completed[TILE_HEIGHT::TILE_HEIGHT], start=1):
            above[level] = above.get(level, b"") + b"".join(nodes)
            if len(above[level]) == TILE_BYTES:
                compare(level)
    for level in list(above):
        compare(level)
    return edge.size, edge.root()


def _entry_tiles(connection: Connection, org_id: UUID) -> Iterator[tuple[int, bytes]]:
    query = select(tiles.c.position, tiles.c.hashes).where(tiles.c.org_id == org_id, tiles.c.level == 0)
    for row in connection.execute(query.order_by(tiles.c.position), execution_options={"yield_per": ROWS_AT_ONCE}):
        yield row.position, row.hashes


def _check_last_tile(end: LogEdge, level: int) -> None:
    """Compare position and width of the level's last tile with the size, and its last full tile with its parent."""
    log, nodes, last = end.log, end.nodes, end.last_tiles.get(level)
    count = log.size >> TILE_HEIGHT * level
    expected = (count - 1) // TILE_WIDTH if count else None
    if last != expected:
        raise LedgerDamaged(f"The last tile of level {level} is {last}; {log.size} entries demand {expected}.")
    if expected is None:
        return
    width = width_of(level, expected, log.size)
    if len(nodes.tile(level, expected)) != width * HASH_BYTES:
        raise LedgerDamaged(f"Tile {expected} of level {level} does not hold {width} hashes.")
    full = count // TILE_WIDTH - 1
    if full >= 0 and perfect_root(split(nodes.tile(level, full))) != nodes(TILE_HEIGHT * (level + 1), full):
        raise LedgerDamaged(f"Tile {full} of level {level} is not the one whose root level {level + 1} holds.")


def _check_last_checkpoint(end: LogEdge) -> None:
    log, kept = end.log, end.checkpoint
    if kept is None:
        return
    if kept.size > log.size:
        raise LedgerDamaged(f"The log has {log.size} entries, yet a checkpoint was made at {kept.size}.")
    if (log.root if kept.size == log.size else root_of(kept.size, end.nodes)) != kept.root:
        raise LedgerDamaged(f"The tiles give another root at size {kept.size} than the checkpoint made there.")
