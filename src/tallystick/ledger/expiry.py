"""Expiry of old ledger data: full tiles of entries that no stored event needs, and most old checkpoints.

Tiles of level 1 and above are never deleted. So inclusion proofs keep working for every event that is stored, and
consistency proofs between all sizes whose last entry tile is stored. The caller decides which entries are unneeded.
"""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import Connection, delete, func, select

from tallystick.clock import DAY_US, SECOND_US
from tallystick.ledger import log as ledger_log
from tallystick.ledger.log import TILE_BYTES
from tallystick.ledger.signer import last_checkpoint
from tallystick.ledger.tables import checkpoints, tiles
from tallystick.merkle.tiles import TILE_WIDTH

KEEP_ALL_US = DAY_US
HOUR_US = 3600 * SECOND_US


def full_entry_tiles(connection: Connection, org_id: UUID, positions: Sequence[int]) -> list[int]:
    """The positions, of those given, of full entry tiles that the tree itself no longer needs.

    The last two tiles are never returned, nor any from the last signed size on: the next signing reads them.
    """
    size = ledger_log.read(connection, org_id).size
    signed = last_checkpoint(connection, org_id)
    least = size if signed is None else min(size, signed.size)
    wanted = [position for position in positions if position < least // TILE_WIDTH - 1]
    found = connection.execute(
        select(tiles.c.position)
        .where(tiles.c.org_id == org_id, tiles.c.level == 0, tiles.c.position.in_(wanted))
        .where(func.length(tiles.c.hashes) == TILE_BYTES)
        .order_by(tiles.c.position)
    )
    return list(found.scalars())


def expire_entries(connection: Connection, org_id: UUID, positions: Sequence[int]) -> None:
    """Delete the entries of tiles that `full_entry_tiles` returned; their root stays as a hash in the tile above."""
    connection.execute(
        delete(tiles).where(tiles.c.org_id == org_id, tiles.c.level == 0, tiles.c.position.in_(positions))
    )


def thin_checkpoints(connection: Connection, org_id: UUID, *, now: int, most: int) -> int:
    """Delete checkpoints older than a day, except the largest of each hour; returns how many, at most `most`.

    The last checkpoint is never deleted, signed or unsigned, whatever its age.
    """
    mine = checkpoints.c.org_id == org_id
    kept = select(func.max(checkpoints.c.size)).where(mine).group_by(checkpoints.c.made_at // HOUR_US)
    signed = select(func.max(checkpoints.c.size)).where(mine, checkpoints.c.note.is_not(None))
    going = connection.execute(
        select(checkpoints.c.size)
        .where(mine, checkpoints.c.made_at < now - KEEP_ALL_US)
        .where(checkpoints.c.size.not_in(kept), checkpoints.c.size != signed.scalar_subquery())
        .order_by(checkpoints.c.size)
        .limit(most)
    )
    sizes = list(going.scalars())
    for start in range(0, len(sizes), 400):
        connection.execute(delete(checkpoints).where(mine, checkpoints.c.size.in_(sizes[start : start + 400])))
    return len(sizes)
