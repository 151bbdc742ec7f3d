"""What goes from a log with time: full tiles of entries that nobody needs, and most of the old checkpoints.

The tiles above stay for ever, so that proofs of every event that is kept hold, as do those between sizes whose
last tile is kept. The caller decides which entries are needed no more.
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

WHOLE_US = DAY_US
HOUR_US = 3600 * SECOND_US


def full_entry_tiles(connection: Connection, org_id: UUID, positions: Sequence[int]) -> list[int]:
    """Those of these tiles whose entries are there, and may go as far as the tree is concerned.

    The last two of the log stay, and everything from the last signed size on: whoever signs next looks there.
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
    """Delete the entries of these tiles, which `full_entry_tiles` named; their hash stands in the tile above."""
    connection.execute(
        delete(tiles).where(tiles.c.org_id == org_id, tiles.c.level == 0, tiles.c.position.in_(positions))
    )


def thin_checkpoints(connection: Connection, org_id: UUID, *, now: int, most: int) -> int:
    """Of those older than a day keep the largest of each hour; how many went, at most `most`.

    The last checkpoint stays, signed or only seen, whatever its age.
    """
    mine = checkpoints.c.org_id == org_id
    kept = select(func.max(checkpoints.c.size)).where(mine).group_by(checkpoints.c.made_at // HOUR_US)
    signed = select(func.max(checkpoints.c.size)).where(mine, checkpoints.c.note.is_not(None))
    going = connection.execute(
        select(checkpoints.c.size)
        .where(mine, checkpoints.c.made_at < now - WHOLE_US)
        .where(checkpoints.c.size.not_in(kept), checkpoints.c.size != signed.scalar_subquery())
        .order_by(checkpoints.c.size)
        .limit(most)
    )
    sizes = list(going.scalars())
    for start in range(0, len(sizes), 400):
        connection.execute(delete(checkpoints).where(mine, checkpoints.c.size.in_(sizes[start : start + 400])))
    return len(sizes)
