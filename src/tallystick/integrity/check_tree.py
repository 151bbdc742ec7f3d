"""The check of the tree: entries are hashed again, each tile compared with the one above it, in the end the root.

Incremental: the edge of the entries so far (at most 64 hashes) is stored between slices, so a check of n entries costs
O(n) hashes in total, however many slices it takes.
"""

from uuid import UUID

from tallystick.database.engine import Database
from tallystick.integrity.rounds import Problem
from tallystick.ledger.log import LedgerDamaged
from tallystick.ledger.nodes import Nodes, split
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import MAX_LEVEL, TILE_HEIGHT, TILE_WIDTH
from tallystick.merkle.tree import Edge, Growth, extend, leaf_hashes, perfect_root
from tallystick.retention.index_set import IndexSet


class TreeCheck:
    """The check of the tiles of one slice.

    `edge` becomes None once it can no longer be computed, because entries are missing; that is a problem already.
    """

    def __init__(self, nodes: Nodes, edge: Edge | None, purged: IndexSet) -> None:
        self._nodes = nodes
        self._purged = purged
        self.edge = edge
        self.problems: list[Problem] = []

    def check_until(self, end: int) -> None:
        """Check the entries from the edge's size to `end` (exclusive)."""
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
        # Expired entries: the stored hash of the tile stands in for them, since all their events were purged.
        if not entries and width == TILE_WIDTH and self._purged.contains_range(first, first + width - 1):
            self._grow(extend(edge, [self._hash_above(1, position)], TILE_HEIGHT), TILE_HEIGHT, first)
            return
        if len(entries) < width * ENTRY_BYTES:
            raise LedgerDamaged(f"the entries of the log from {first} on are missing, and no record explains it")
        leaves = leaf_hashes(split(entries)[:width])
        if width == TILE_WIDTH and perfect_root(leaves) != (above := self._hash_above(1, position)):
            words = f"the entries from {first} to {first + width - 1} do not give the hash above them in the tree"
            self.problems.append(Problem(first, words))
            # Go on with the stored hash: one altered tile is one problem, and the rest is still checked.
            self._grow(extend(edge, [above], TILE_HEIGHT), TILE_HEIGHT, first)
            return
        self._grow(extend(edge, leaves), 0, first)

    def _grow(self, grown: Growth, lowest: int, first: int) -> None:
        """Replace the edge; compare each subtree that was completed with its hash in the tile above.

        `lowest` is the tree level where `grown.completed` begins.
        """
        for level in range(2, MAX_LEVEL):
            height = level * TILE_HEIGHT
            if len(grown.completed) <= height - lowest:
                break
            index = (grown.edge.size >> height) - 1
            if grown.completed[height - lowest][-1] != self._hash_above(level, index):
                words = f"tile {index} of level {level - 1} does not give the hash above it in the tree"
                self.problems.append(Problem(first, words))
        self.edge = grown.edge

    def _hash_above(self, level: int, index: int) -> bytes:
        return self._nodes(level * TILE_HEIGHT, index)


def check_tree(database: Database, org_id: UUID, edge: Edge | None, end: int, purged: IndexSet) -> TreeCheck:
    """Check the tree from the edge to `end` (exclusive) in one snapshot of the control database."""
    with database.read() as connection:
        made = TreeCheck(Nodes(connection, org_id), edge, purged)
        made.check_until(end)
    return made
