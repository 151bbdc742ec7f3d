"""What goes from a log with time takes no proof along that anybody can still ask for."""

from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from tallystick.access.scopes import operator_scope
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.errors import NotFound
from tallystick.ledger import expiry
from tallystick.ledger import log as ledger
from tallystick.ledger.check import check_edge
from tallystick.ledger.edges import read_edge
from tallystick.ledger.prover import Prover
from tallystick.ledger.tables import checkpoints
from tallystick.merkle.tiles import Tile
from tallystick.merkle.tree import extend, leaf_hashes
from tallystick.verify.tree import check_consistency, check_inclusion, leaf_hash
from tests.ledger.test_append import append, entries_of
from tests.ledger.test_signing import frozen_reason, new_organization, signer_on

SIZE = 1500  # five full tiles and a part of the sixth
NOW = 1_705_329_045_120_000
GONE = [1, 2]


class Aged:
    """A log of SIZE entries of which the tiles GONE have lost theirs."""

    def __init__(self, database: Database, data_dir: Path) -> None:
        self.database, self.data_dir = database, data_dir
        self.org_id = new_organization(database)
        self.entries = entries_of(SIZE)
        append(database, self.org_id, self.entries)
        self.signer = signer_on(database, data_dir)
        self.prover = Prover(database, self.signer)
        self.scope = operator_scope(self.org_id)
        self.root = self.signer.checkpoint(self.org_id, covering=SIZE).root
        with database.write() as connection:
            assert expiry.full_entry_tiles(connection, self.org_id, GONE) == GONE
            expiry.expire_entries(connection, self.org_id, GONE)

    def root_at(self, size: int) -> bytes:
        return extend(ledger.EMPTY, leaf_hashes(self.entries[:size])).edge.root()


@pytest.fixture
def aged(database: Database, tmp_path: Path) -> Aged:
    return Aged(database, tmp_path)


@pytest.mark.parametrize("index", [0, 255, 768, 1000, 1279, 1280, SIZE - 1])
def test_the_proof_of_an_event_that_is_kept_holds(aged: Aged, index: int) -> None:
    proof = aged.prover.inclusion(aged.scope, index)
    check_inclusion(index, SIZE, leaf_hash(aged.entries[index]), proof.hashes, aged.root)


@pytest.mark.parametrize(("first", "second"), [(1, SIZE), (200, 256), (256, 512), (512, 768), (700, 1024), (900, 1499)])
def test_consistency_holds_between_sizes_that_end_where_entries_are_kept(aged: Aged, first: int, second: int) -> None:
    if first == 700:
        with pytest.raises(NotFound) as refused:
            aged.prover.consistency(aged.scope, first, second)
        assert refused.value.code == "no_tile"
        return
    proof = aged.prover.consistency(aged.scope, first, second)
    check_consistency(first, second, aged.root_at(first), aged.root_at(second), proof)


def test_the_tiles_above_are_served_and_the_entries_are_not_found(aged: Aged) -> None:
    assert len(aged.prover.tile(aged.scope, Tile(1, 0, 5))) == 5 * 32
    for level in ("entries", 0):
        with pytest.raises(NotFound):
            aged.prover.tile(aged.scope, Tile(level, 1))


def test_the_log_grows_and_is_signed_on(aged: Aged) -> None:
    append(aged.database, aged.org_id, entries_of(1000, first=SIZE))
    assert aged.signer.checkpoint(aged.org_id, covering=SIZE + 1000).size == SIZE + 1000
    with aged.database.read() as connection:
        assert check_edge(read_edge(connection, aged.org_id)) is None


def test_a_mark_that_ends_among_entries_that_are_gone_freezes_nothing(aged: Aged) -> None:
    """Another node's, which has not signed since."""
    with aged.database.read() as connection:
        origin_id = ledger.read(connection, aged.org_id).origin_id
    other = aged.data_dir / "other"
    other.mkdir()
    (other / "ledger.marks").write_text(f"{origin_id} 300 {'A' * 43}=\n")
    signer_on(aged.database, other)
    assert frozen_reason(aged.database, aged.org_id) == ""


def test_the_last_tiles_and_what_is_not_signed_yet_stay(aged: Aged) -> None:
    append(aged.database, aged.org_id, entries_of(3000, first=SIZE))
    with aged.database.read() as connection:
        assert expiry.full_entry_tiles(connection, aged.org_id, range(20)) == [0, 3]


def test_of_old_checkpoints_the_last_of_each_hour_stays(aged: Aged) -> None:
    hour = 3600 * SECOND_US
    began = NOW - 3 * DAY_US - NOW % hour
    rows = [(number, began + number * 10 * 60 * SECOND_US) for number in range(1, 40)]  # every ten minutes
    young = [(number + 100, NOW - number * SECOND_US) for number in range(9, 0, -1)]
    with aged.database.write() as connection:
        connection.execute(update(checkpoints).values(made_at=NOW))
        for size, made_at in rows + young:
            connection.execute(
                insert(checkpoints).values(org_id=aged.org_id, size=size, root=b"x" * 32, made_at=made_at, note="n")
            )
    while True:
        with aged.database.write() as connection:
            if not expiry.thin_checkpoints(connection, aged.org_id, now=NOW, most=7):
                break
    with aged.database.read() as connection:
        left = list(connection.execute(select(checkpoints.c.size).order_by(checkpoints.c.size)).scalars())
    assert left == [5, 11, 17, 23, 29, 35, 39, *range(101, 110), SIZE]


def test_the_last_checkpoint_stays_however_old(aged: Aged) -> None:
    with aged.database.write() as connection:
        connection.execute(update(checkpoints).values(made_at=1))
        assert expiry.thin_checkpoints(connection, aged.org_id, now=NOW, most=100) == 0
