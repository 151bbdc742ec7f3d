"""Entries go when their tail is over, behind a clean round, and everything that is left still holds."""

from sqlalchemy import select

from tallystick import clock
from tallystick.clock import DAY_US
from tallystick.integrity.prune_tree import TAIL_DAYS
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.ledger.tables import tiles
from tallystick.retention.purge import Purger
from tallystick.secret_keys import SecretKeys
from tests.fixtures.spine import Spine

OLD = 900


def entry_tiles(spine: Spine, org_id) -> list[int]:
    with spine.database.read() as connection:
        mine = (tiles.c.org_id == org_id) & (tiles.c.level == 0)
        return list(connection.execute(select(tiles.c.position).where(mine).order_by(tiles.c.position)).scalars())


def test_entries_whose_events_all_went_follow_after_the_tail(sqlite_spine: Spine, tmp_path, start_round) -> None:
    spine = sqlite_spine
    scope = spine.organization(days=30)
    old = {"action": "a.b", "timestamp": "2020-01-01T00:00:00Z"}
    spine.record(scope, *[old] * OLD)
    spine.record(scope, *[{"action": "a.c"}] * 700)
    spine.ship()
    purger = Purger(spine.database, spine.store)
    while purger.step():
        spine.sequencer.tick([])
        spine.ship()
    signer = Signer(spine.database, Keyring(SecretKeys("s" * 64), "audit.example.com"), tmp_path)
    signer.open()
    signer.checkpoint(scope.org_id)
    now = clock.now_us()
    assert start_round(spine, scope, now).found == 0
    assert entry_tiles(spine, scope.org_id) == [0, 1, 2, 3, 4, 5, 6], "the tail is not over"
    assert start_round(spine, scope, now + (TAIL_DAYS + 1) * DAY_US).found == 0
    # The organization's own first action stays, so the first tile does; then two tiles of what went.
    assert entry_tiles(spine, scope.org_id) == [0, 3, 4, 5, 6]
    again = start_round(spine, scope, now + (TAIL_DAYS + 2) * DAY_US)
    assert (again.found, again.expired) == (0, OLD)
    assert Prover(spine.database, signer).inclusion(scope, 0).hashes
