"""The tree, hashed again from its entries: each tile against the one above it, in the end the root."""

from uuid import UUID

from tallystick.database.engine import Database
from tallystick.integrity.deletion_records import Indexes
from tallystick.integrity.rounds import Problem
from tallystick.ledger.log import LedgerDamaged
from tallystick.ledger.nodes import Nodes, split
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import MAX_LEVEL, TILE_HEIGHT, TILE_WIDTH
from tallystick.merkle.tree import Edge, Growth, extend, leaf_hashes, perfect_root


class Climb:
    """Goes over the tiles of one slice; `edge` is None once it cannot be told any more, which is a problem found."""

    def __init__(self, nodes: Nodes, edge: Edge | None, purged: Indexes) -> None:
        self._nodes = nodes
        self._purged = purged
        self.edge = edge
        self.problems: list[Problem] = []

    def over(self, end: int) -> None:
        """From where the edge is to the entry before `end`."""
        while self.edge is not None and self.edge.size < end:
            first = self.edge.size
            width = min(TILE_WIDTH, end - first)
            try:
                self._tile(self.edge, first, width)
            except LedgerDamaged as damage:
                self.problems.append(Problem(first, damage.detail))
                self.edge = None

    def _tile(self, edge: Edge, first: int, width: int) -> None:
        position = first // TILE_WIDTH
        entries = self._nodes.entries(position)
        if not entries and width == TILE_WIDTH and self._purged.holds(first, first + width - 1):
            self._grow(extend(edge, [self._above(1, position)], TILE_HEIGHT), TILE_HEIGHT, first)
            return
        if len(entries) < width * ENTRY_BYTES:
            raise LedgerDamaged(f"the entries of the log from {first} on are missing, and no record says why")
        leaves = leaf_hashes(split(entries)[:width])
        if width == TILE_WIDTH and perfect_root(leaves) != (above := self._above(1, position)):
            words = f"the entries from {first} to {first + width - 1} do not give the hash above them in the tree"
            self.problems.append(Problem(first, words))
            self._grow(extend(edge, [above], TILE_HEIGHT), TILE_HEIGHT, first)
            return
        self._grow(extend(edge, leaves), 0, first)

    def _grow(self, grown: Growth, lowest: int, first: int) -> None:
        """Take the larger tree; compare each subtree that it completed with what the tiles above hold of it."""
        for level in range(2, MAX_LEVEL):
            height = level * TILE_HEIGHT
            if len(grown.completed) <= height - lowest:
                break
            index = (grown.edge.size >> height) - 1
            if grown.completed[height - lowest][-1] != self._above(level, index):
                words = f"tile {index} of level {level - 1} does not give the hash above it in the tree"
                self.problems.append(Problem(first, words))
        self.edge = grown.edge

    def _above(self, level: int, index: int) -> bytes:
        return self._nodes(level * TILE_HEIGHT, index)


def climb(database: Database, org_id: UUID, edge: Edge | None, end: int, purged: Indexes) -> Climb:
    """The climb from the edge on, by one view of the database."""
    with database.read() as connection:
        made = Climb(Nodes(connection, org_id), edge, purged)
        made.over(end)
    return made
