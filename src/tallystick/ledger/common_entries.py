"""How far two logs have the same entries: one in this database, the other in copied tiles."""

from collections.abc import Mapping
from itertools import takewhile

from tallystick.ledger.nodes import Nodes, split
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_WIDTH


def common_tiles(nodes: Nodes, above: Mapping[int, bytes]) -> int:
    """How many full tiles of level 0, from the first on, have the same root in both logs, also where entries expired.

    `above`: the other log's tiles of level 1 by position.
    """
    whole = 0
    while root := _hash_of(above.get(whole // TILE_WIDTH, b""), whole):
        if root != _hash_of(nodes.tile(1, whole // TILE_WIDTH), whole):
            break
        whole += 1
    return whole


def common_end(nodes: Nodes, whole: int, entries: bytes) -> int:
    """How many entries are the same in both logs, which have `whole` common tiles; `entries`: of the other's next tile.

    Where the entries of that tile expired in one of them, none of it counts.
    """
    pairs = zip(split(entries), split(nodes.entries(whole)), strict=False)
    return whole * TILE_WIDTH + sum(1 for _pair in takewhile(lambda pair: pair[0] == pair[1], pairs))


def _hash_of(hashes: bytes, position: int) -> bytes:
    """The root of the level-0 tile at this position, in the tile above it; empty if that has none."""
    start = position % TILE_WIDTH * ENTRY_BYTES
    return hashes[start : start + ENTRY_BYTES]
