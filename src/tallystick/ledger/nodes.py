"""Readers of a log's tree nodes from its stored tiles."""

from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from tallystick.database.engine import Database
from tallystick.ledger.log import LedgerDamaged
from tallystick.ledger.tables import tiles
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_WIDTH, locate_node, node_in
from tallystick.merkle.tree import leaf_hashes, root_of

MAX_CACHED_TILES = 256  # of one log: 2 MiB

_TILE = select(tiles.c.hashes).where(
    tiles.c.org_id == bindparam("org"),
    tiles.c.level == bindparam("tile_level"),
    tiles.c.position == bindparam("tile_position"),
)


def split(hashes: bytes) -> list[bytes]:
    """Divide concatenated hashes or entries into pieces of 32 bytes."""
    return [hashes[at : at + ENTRY_BYTES] for at in range(0, len(hashes), ENTRY_BYTES)]


def tile_hashes(level: int, stored: bytes) -> bytes:
    """The concatenated hashes of a tile, from its stored bytes: at level 0 those are entries, which are hashed."""
    return stored if level else b"".join(leaf_hashes(split(stored)))


class EntriesExpired(LedgerDamaged):
    """The entries of a level-0 tile were deleted by age: only their root is left, in the tile above."""


class Nodes:
    """A node reader over the stored tiles of one log, with a cache, for one proof or one check.

    Reads any node of the tree at any size up to the current one. Raises LedgerDamaged for a node that is not stored,
    EntriesExpired for one whose entries were deleted by age.
    """

    def __init__(self, connection: Connection, org_id: UUID) -> None:
        self._connection = connection
        self._org_id = org_id
        self._tiles: dict[tuple[int, int], bytes] = {}
        self._roots: dict[int, bytes] = {}

    def root(self, size: int) -> bytes:
        """The root over the first `size` entries, cached by size."""
        if size not in self._roots:
            self._roots[size] = root_of(size, self)
        return self._roots[size]

    def __call__(self, level: int, index: int) -> bytes:
        place = locate_node(level, index)
        try:
            return node_in(self.tile(place.level, place.position), place.height, place.offset)
        except IndexError as narrow:
            if place.level == 0 and not self.entries(place.position) and self._has_hash_above(place.position):
                first = place.position * TILE_WIDTH
                raise EntriesExpired(
                    f"Tile {place.position} of level 0 is gone: the entries from {first} to {first + TILE_WIDTH - 1} "
                    "are past their retention."
                ) from None
            raise LedgerDamaged(f"Tile {place.position} of level {place.level} is too narrow: {narrow}.") from narrow

    def tile(self, level: int, position: int) -> bytes:
        """All stored hashes of a tile, 32 bytes each; empty when the tile does not exist."""
        key = (level, position)
        if key not in self._tiles:
            if len(self._tiles) >= MAX_CACHED_TILES:
                self._tiles.clear()
            self._tiles[key] = tile_hashes(level, self._stored(level, position))
        return self._tiles[key]

    def entries(self, position: int) -> bytes:
        """The entries below a tile of level 0, 32 bytes each; empty when none are stored."""
        return self._stored(0, position)

    def _has_hash_above(self, position: int) -> bool:
        above, place = divmod(position, TILE_WIDTH)
        return len(self.tile(1, above)) > place * ENTRY_BYTES

    def _stored(self, level: int, position: int) -> bytes:
        of_tile = {"org": self._org_id, "tile_level": level, "tile_position": position}
        return self._connection.execute(_TILE, of_tile).scalar_one_or_none() or b""


class DetachedNodes(Nodes):
    """A node reader for long work: reads each tile in a transaction of its own, so that none stays open meanwhile.

    Correct for every size up to the one committed when it was created, since tiles only grow.
    """

    def __init__(self, database: Database, org_id: UUID) -> None:
        self._database = database
        self._org_id = org_id
        self._tiles = {}
        self._roots = {}

    def _stored(self, level: int, position: int) -> bytes:
        with self._database.read() as connection:
            return Nodes(connection, self._org_id)._stored(level, position)
