"""The C2SP tlog-tiles layout: the tile that holds a node, the width of a tile, its path.

A tile at level L holds up to 256 nodes of tree level 8 L. A partial tile is a prefix of every wider one at its
position, so storing the widest is enough. Entry bundles are laid out like tiles of level 0.
"""

import re
from typing import Literal, NamedTuple

from tallystick.merkle.tree import HASH_BYTES, perfect_root

TILE_HEIGHT = 8
TILE_WIDTH = 256
MAX_LEVEL = 63
MAX_POSITION = 2**63 - 1

Level = int | Literal["entries"]

_PATH = re.compile(r"tile/(0|[1-9][0-9]?|entries)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class Tile(NamedTuple):
    """A tile as served: level 0 to 63 or `entries`, position at that level, width 1 to 256."""

    level: Level
    position: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The path of tlog-tiles, such as `tile/0/x001/x234/067.p/8`; a full tile has no `.p`."""
        groups = f"{self.position:,}".split(",")
        number = "/".join([f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"])
        return f"tile/{self.level}/{number}" + ("" if self.width == TILE_WIDTH else f".p/{self.width}")

    @classmethod
    def parse(cls, path: str) -> "Tile":
        """The tile of a path; ValueError unless the path is in the one form that tlog-tiles allows."""
        found = _PATH.fullmatch(path)
        if found is None:
            raise ValueError("not the path of a tile")
        level, number, width = found.groups()
        tile = cls(
            "entries" if level == "entries" else int(level),
            int(number.replace("/", "").replace("x", "")),
            TILE_WIDTH if width is None else int(width),
        )
        if tile.path != path or tile.position > MAX_POSITION or (tile.level != "entries" and tile.level > MAX_LEVEL):
            raise ValueError("not the path of a tile")
        return tile


class NodeLocation(NamedTuple):
    """The location of a node: level and position of its tile, height above the tile's hashes, offset at that height."""

    level: int
    position: int
    height: int
    offset: int


def locate_node(level: int, index: int) -> NodeLocation:
    """The tile that determines the node at this tree level and index."""
    tile_level, height = divmod(level, TILE_HEIGHT)
    position, offset = divmod(index, TILE_WIDTH >> height)
    return NodeLocation(tile_level, position, height, offset)


def width_of(level: int, position: int, size: int) -> int:
    """The number of hashes of this tile in a log of `size` entries: 0 (does not exist yet) to 256 (full)."""
    nodes = size >> TILE_HEIGHT * level
    return min(TILE_WIDTH, max(0, nodes - position * TILE_WIDTH))


def node_in(hashes: bytes, height: int, offset: int) -> bytes:
    """The node at this height and offset above a tile's hashes (32 bytes each); IndexError when the tile is too narrow.

    Costs 2^height - 1 hashes, at most 127: a node of height 8 is a hash of the next level's tile.
    """
    start, end = (offset << height) * HASH_BYTES, (offset + 1 << height) * HASH_BYTES
    if end > len(hashes):
        raise IndexError(f"a tile of {len(hashes) // HASH_BYTES} hashes has no node {offset} at height {height}")
    return perfect_root([hashes[at : at + HASH_BYTES] for at in range(start, end, HASH_BYTES)])
