"""The stored tiles give every node of the tree, at its size now and at every size before."""

from collections.abc import Iterator
from hashlib import sha256
from itertools import pairwise
from uuid import uuid4

import pytest
from sqlalchemy import Connection, delete, update

from tallystick.database.engine import Database
from tallystick.ledger import log as ledger
from tallystick.ledger.nodes import Nodes
from tallystick.ledger.tables import tiles
from tallystick.merkle.tiles import width_of
from tallystick.merkle.tree import (
    HASH_BYTES,
    NodeReader,
    consistency_proof,
    inclusion_proof,
    leaf_hashes,
    perfect_root,
    root_of,
)

ORG = uuid4()
SIZE = 2_000
ENTRIES = [sha256(number.to_bytes(4, "big")).digest() for number in range(SIZE)]
LEAVES = leaf_hashes(ENTRIES)
SIZES = [1, 2, 255, 256, 257, 511, 512, 513, 1_024, 1_791, 1_792, 1_999, 2_000]


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.write() as writing:
        log = ledger.create(writing, ORG, now=1)
        for start in range(0, SIZE, 130):
            log = ledger.append(writing, log, ENTRIES[start : start + 130])
        yield writing


@pytest.fixture
def expected() -> NodeReader:
    return lambda level, index: perfect_root(LEAVES[index << level : index + 1 << level])


def test_roots_of_all_earlier_sizes_are_still_there(connection: Connection, expected: NodeReader) -> None:
    nodes = Nodes(connection, ORG)
    assert [root_of(size, nodes) for size in SIZES] == [root_of(size, expected) for size in SIZES]


def test_inclusion_proofs_come_from_the_tiles(connection: Connection, expected: NodeReader) -> None:
    nodes = Nodes(connection, ORG)
    for size in SIZES:
        for index in {0, size // 2, size - 1}:
            assert inclusion_proof(index, size, nodes) == inclusion_proof(index, size, expected)


def test_consistency_proofs_come_from_the_tiles(connection: Connection, expected: NodeReader) -> None:
    nodes = Nodes(connection, ORG)
    for first, second in pairwise(SIZES):
        assert consistency_proof(first, second, nodes) == consistency_proof(first, second, expected)


def test_a_tile_of_an_earlier_size_is_the_beginning_of_the_one_kept(
    connection: Connection, expected: NodeReader
) -> None:
    nodes = Nodes(connection, ORG)
    for size in SIZES:
        for level in (0, 1):
            position = max(0, (size >> 8 * level) - 1) // 256
            width = width_of(level, position, size)
            wanted = b"".join(expected(8 * level, position * 256 + at) for at in range(width))
            assert nodes.tile(level, position)[: width * HASH_BYTES] == wanted


def test_a_missing_tile_is_damage(connection: Connection) -> None:
    connection.execute(delete(tiles).where(tiles.c.level == 0, tiles.c.position == 2))
    with pytest.raises(ledger.LedgerDamaged, match="Tile 2 of level 0"):
        Nodes(connection, ORG)(0, 600)


def test_a_tile_cut_short_is_damage(connection: Connection) -> None:
    first = (tiles.c.level == 0) & (tiles.c.position == 0)
    connection.execute(update(tiles).where(first).values(hashes=b"".join(ENTRIES[:100])))
    with pytest.raises(ledger.LedgerDamaged, match="Tile 0 of level 0"):
        inclusion_proof(3, SIZE, Nodes(connection, ORG))


def test_a_log_of_another_organization_gives_no_node(connection: Connection) -> None:
    with pytest.raises(ledger.LedgerDamaged):
        Nodes(connection, uuid4())(0, 0)
