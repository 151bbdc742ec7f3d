"""What someone with access to the control database may try, and which check finds it."""

import shutil
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick.database.engine import Database
from tallystick.ledger import log as ledger
from tallystick.ledger.check import check_edge, recompute
from tallystick.ledger.edges import read_edge
from tallystick.ledger.tables import checkpoints, logs, tiles
from tallystick.merkle.tree import EMPTY, extend, leaf_hashes

ORG = uuid4()
SIZE = 66_100  # level 0: 258 full and 52; level 1: full and 2; level 2: 1
ENTRIES = [sha256(number.to_bytes(4, "big")).digest() for number in range(SIZE)]
Attack = Callable[[Connection], object]


@pytest.fixture(scope="module")
def untouched(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log that was marked at 66,000 entries and has grown since."""
    path = tmp_path_factory.mktemp("untouched") / "tallystick.db"
    shutil.copyfile(sqlite_template, path)
    database = Database(f"sqlite:///{path}")
    with database.write() as writing:
        log = ledger.append(writing, ledger.create(writing, ORG, now=1), ENTRIES[:66_000])
        ledger.mark(writing, log, now=2)
        ledger.append(writing, log, ENTRIES[66_000:])
    database.close()
    return path


@pytest.fixture
def connection(untouched: Path, tmp_path: Path) -> Iterator[Connection]:
    """A copy of it, to be attacked."""
    shutil.copyfile(untouched, tmp_path / "tallystick.db")
    database = Database(f"sqlite:///{tmp_path / 'tallystick.db'}")
    with database.write() as writing:
        yield writing
    database.close()


def flip(connection: Connection, level: int, position: int, at: int) -> None:
    tile = (tiles.c.level == level) & (tiles.c.position == position)
    hashes = bytearray(connection.execute(select(tiles.c.hashes).where(tile)).scalar_one())
    hashes[at] ^= 1
    connection.execute(update(tiles).where(tile).values(hashes=bytes(hashes)))


def remove(connection: Connection, level: int, position: int) -> None:
    connection.execute(delete(tiles).where(tiles.c.level == level, tiles.c.position == position))


def add(connection: Connection, level: int, position: int) -> None:
    connection.execute(insert(tiles).values(org_id=ORG, level=level, position=position, hashes=bytes(32)))


def rewrite(connection: Connection, entries: list[bytes]) -> None:
    """Another history, in itself without fault."""
    connection.execute(delete(tiles))
    connection.execute(delete(logs))
    ledger.append(connection, ledger.create(connection, ORG, now=1), entries)


AT_THE_EDGE: dict[str, Attack] = {
    "the last entry is altered": lambda c: flip(c, 0, 258, 51 * 32),
    "an entry of the last full tile is altered": lambda c: flip(c, 0, 257, 0),
    "a hash of the last tile of level 1 is altered": lambda c: flip(c, 1, 1, 0),
    "a hash of the last full tile of level 1 is altered": lambda c: flip(c, 1, 0, 7),
    "the top is altered": lambda c: flip(c, 2, 0, 0),
    "the last tile is removed": lambda c: remove(c, 0, 258),
    "the top is removed": lambda c: remove(c, 2, 0),
    "a tile is added at the end": lambda c: add(c, 0, 259),
    "a level is added": lambda c: add(c, 3, 0),
    "the root is altered": lambda c: c.execute(update(logs).values(root=bytes(32))),
    "the edge is altered": lambda c: c.execute(update(logs).values(edge=logs.c.root)),
    "the size is altered": lambda c: c.execute(update(logs).values(size=SIZE - 1)),
    "the log is cut to before its mark": lambda c: rewrite(c, ENTRIES[:65_999]),
    "the log is written anew with one entry altered": lambda c: rewrite(c, [bytes(32), *ENTRIES[1:]]),
    "the mark is altered": lambda c: c.execute(update(checkpoints).values(root=bytes(32))),
}


def test_a_log_left_alone_is_right(connection: Connection) -> None:
    assert check_edge(read_edge(connection, ORG)) is None
    assert recompute(connection, ORG) == (SIZE, extend(EMPTY, leaf_hashes(ENTRIES)).edge.root())


@pytest.mark.parametrize("attack", AT_THE_EDGE.values(), ids=AT_THE_EDGE)
def test_the_check_at_the_start_finds_it_when(connection: Connection, attack: Attack) -> None:
    attack(connection)
    assert check_edge(read_edge(connection, ORG)) is not None


def test_recomputing_finds_an_old_entry_that_was_altered(connection: Connection) -> None:
    flip(connection, 0, 3, 100)
    with pytest.raises(ledger.LedgerDamaged, match="Tile 0 of level 1"):
        recompute(connection, ORG)


def test_recomputing_finds_an_old_entry_altered_together_with_the_tiles_above(connection: Connection) -> None:
    said = ledger.root(connection, ORG)
    rewrite(connection, [*ENTRIES[:800], bytes(32), *ENTRIES[801:]])
    connection.execute(update(logs).values(root=said[1]))
    assert recompute(connection, ORG) != ledger.root(connection, ORG)


def test_recomputing_finds_a_hash_above_that_was_altered(connection: Connection) -> None:
    flip(connection, 1, 0, 40 * 32)
    with pytest.raises(ledger.LedgerDamaged, match="Tile 0 of level 1"):
        recompute(connection, ORG)


def test_recomputing_names_the_entries_that_are_missing(connection: Connection) -> None:
    remove(connection, 0, 17)
    with pytest.raises(ledger.LedgerDamaged, match="from index 4352 to 4607 are missing"):
        recompute(connection, ORG)


def test_recomputing_counts_fewer_entries_when_the_last_are_missing(connection: Connection) -> None:
    remove(connection, 0, 258)
    assert recompute(connection, ORG)[0] == 258 * 256


def test_a_size_is_marked_once(connection: Connection) -> None:
    log = ledger.lock(connection, ORG)
    ledger.mark(connection, log, now=3)
    ledger.mark(connection, log, now=4)
    marked = select(checkpoints.c.size, checkpoints.c.made_at).order_by(checkpoints.c.size)
    assert [tuple(row) for row in connection.execute(marked)] == [(66_000, 2), (SIZE, 3)]


def test_one_size_cannot_have_two_roots(connection: Connection) -> None:
    second = insert(checkpoints).values(org_id=ORG, size=66_000, root=bytes(32), made_at=3)
    with pytest.raises(IntegrityError):
        connection.execute(second)
