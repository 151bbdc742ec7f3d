"""The right edges of logs: what their ends are checked by, read for many logs with a few statements."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select

from tallystick.errors import NotFound
from tallystick.ledger.log import Log, rows_of
from tallystick.ledger.nodes import Nodes
from tallystick.ledger.tables import checkpoints, logs, tiles
from tallystick.merkle.tiles import TILE_HEIGHT

AT_ONCE = 200  # logs: two tiles of each level are 16 KB


_tile, _checkpoint = tiles.alias(), checkpoints.alias()
_ORGS = logs.c.org_id.in_(bindparam("orgs", expanding=True))
_LAST_POSITION = (
    select(func.max(_tile.c.position))
    .where(_tile.c.org_id == logs.c.org_id, _tile.c.level == bindparam("tile_level"))
    .correlate(logs)
    .scalar_subquery()
)
_LAST_SIZE = (
    select(func.max(_checkpoint.c.size)).where(_checkpoint.c.org_id == logs.c.org_id).correlate(logs).scalar_subquery()
)
_LAST_TILES = (
    select(tiles.c.org_id, tiles.c.position, tiles.c.hashes)
    .join(logs, logs.c.org_id == tiles.c.org_id)
    .where(_ORGS, tiles.c.level == bindparam("tile_level"), tiles.c.position >= _LAST_POSITION - 1)
    .order_by(tiles.c.org_id, tiles.c.position)
)
_LAST_CHECKPOINTS = (
    select(checkpoints.c.org_id, checkpoints.c.size, checkpoints.c.root, checkpoints.c.note.is_not(None))
    .join(logs, logs.c.org_id == checkpoints.c.org_id)
    .where(_ORGS, checkpoints.c.size == _LAST_SIZE)
)


class EdgeCheckpoint(NamedTuple):
    """The checkpoint of the largest size of a log; it may be an unsigned one."""

    size: int
    root: bytes
    is_signed: bool


class EdgeNodes(Nodes):
    """A node reader that knows the last tiles of each level already; reads any other as `Nodes` does."""

    def __init__(self, connection: Connection, org_id: UUID) -> None:
        super().__init__(connection, org_id)
        self.known: dict[tuple[int, int], bytes] = {}

    def _stored(self, level: int, position: int) -> bytes:
        return self.known.get((level, position)) or super()._stored(level, position)


class LogEdge:
    """A log with its node reader, the position of the last tile of each level, and its last checkpoint."""

    def __init__(self, connection: Connection, log: Log) -> None:
        self.log = log
        self.nodes = EdgeNodes(connection, log.org_id)
        self.last_tiles: dict[int, int] = {}
        self.checkpoint: EdgeCheckpoint | None = None

    @property
    def levels(self) -> range:
        """The levels of tiles that the log has, and one beyond the last, which must be empty."""
        return range(-(-self.log.size.bit_length() // TILE_HEIGHT) + 1)


def read_edges(connection: Connection, org_ids: Sequence[UUID]) -> Iterator[LogEdge]:
    """The edges of these logs, in some order. Call it in a consistent view (`Database.read`)."""
    for start in range(0, len(org_ids), AT_ONCE):
        orgs = list(org_ids[start : start + AT_ONCE])
        edges = {log.org_id: LogEdge(connection, log) for log in rows_of(connection, orgs)}
        for level in range(max((len(edge.levels) for edge in edges.values()), default=0)):
            for org_id, position, hashes in connection.execute(_LAST_TILES, {"orgs": orgs, "tile_level": level}):
                edges[org_id].last_tiles[level] = position
                edges[org_id].nodes.known[level, position] = hashes
        for org_id, *checkpoint in connection.execute(_LAST_CHECKPOINTS, {"orgs": orgs}):
            edges[org_id].checkpoint = EdgeCheckpoint(*checkpoint)
        yield from edges.values()


def read_edge(connection: Connection, org_id: UUID) -> LogEdge:
    """The edge of one log; NotFound when the organization has none."""
    for edge in read_edges(connection, [org_id]):
        return edge
    raise NotFound("This organization has no log.", code="log_not_found")
