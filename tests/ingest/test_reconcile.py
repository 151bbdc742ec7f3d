"""The check at the start: as many statements for many organizations as for a few, and none of its findings is lost."""

from sqlalchemy import delete, event, update

from tallystick import clock
from tallystick.ingest.reconcile import reconcile
from tallystick.journal.tables import journal
from tallystick.ledger.keys import Keyring
from tallystick.ledger.signer import Signer
from tallystick.ledger.tables import checkpoints, logs, tiles
from tallystick.secret_keys import SecretKeys
from tests.fixtures.spine import Spine


def statements(spine: Spine, work) -> int:
    """How many statements the control database gets meanwhile."""
    counted: list[str] = []
    engine = spine.database.engine

    def count(_connection, _cursor, statement, *_rest):
        counted.append(statement)

    event.listen(engine, "before_cursor_execute", count)
    try:
        work()
    finally:
        event.remove(engine, "before_cursor_execute", count)
    return len(counted)


def signer(spine: Spine, tmp_path) -> Signer:
    return Signer(spine.database, Keyring(SecretKeys("a" * 64), "audit.example.com"), tmp_path)


def test_a_start_takes_no_more_statements_for_more_organizations(sqlite_spine, tmp_path):
    spine = sqlite_spine

    def grow(*slugs: str) -> None:
        for slug in slugs:
            spine.record(spine.organization(slug), {"action": "user.login"})
        signing = signer(spine, tmp_path)
        signing.open()
        signing.close()  # signs what grew, and gives the lease back

    def start() -> None:
        assert reconcile(spine.database, spine.store) == []
        signer(spine, tmp_path).open()

    grow("one", "two")
    few = statements(spine, start)
    grow("three", "four", "five", "six", "seven")
    assert statements(spine, start) == few


def test_what_is_signed_and_marked_is_not_signed_again_at_the_start(spine, tmp_path):
    acme, before = spine.organization(), signer(spine, tmp_path)
    spine.record(acme, {"action": "user.login"})
    before.open()
    before.close()
    after = signer(spine, tmp_path)
    after.open()
    assert not after.step()
    spine.record(acme, {"action": "user.login"})
    assert after.step()


def test_a_log_whose_mark_was_lost_is_signed_at_the_start(sqlite_spine, tmp_path):
    acme, before = sqlite_spine.organization(), signer(sqlite_spine, tmp_path)
    before.open()
    before.close()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    after = signer(sqlite_spine, elsewhere)
    after.open()
    assert after.step()
    assert sqlite_spine.size(acme.org_id) > 0


def test_each_log_that_contradicts_itself_is_found_among_the_others(spine):
    scopes = [spine.organization(slug) for slug in ("whole", "tile", "journal", "order", "checkpoint")]
    for scope in scopes:
        spine.record(scope, {"action": "user.login"})
        spine.record(scope, {"action": "user.login"})
    _whole, tile, gap, order, checkpoint = (scope.org_id for scope in scopes)
    with spine.database.write() as connection:
        connection.execute(update(tiles).where(tiles.c.org_id == tile).values(hashes=b"\0" * 96))
        connection.execute(delete(journal).where(journal.c.org_id == gap, journal.c.first_index == 1))
        connection.execute(update(logs).where(logs.c.org_id == order).values(stored_end=2))
        signed = {"org_id": checkpoint, "size": 9, "root": b"\0" * 32, "made_at": clock.now_us()}
        connection.execute(checkpoints.insert().values(signed))
    found = {one.org_id: one.problem for one in reconcile(spine.database, spine.store)}
    assert set(found) == {tile, gap, order, checkpoint}
    assert found[gap] == "the journal has no event 1"
    assert "positions out of order" in found[order]
    assert {one.org_id for one in reconcile(spine.database, spine.store)} == set(found)
