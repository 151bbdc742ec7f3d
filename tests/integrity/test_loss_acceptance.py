"""`store accept-loss`: what no copy has is named in the trail for good, and nothing waits for it any more."""

import io
import json
from pathlib import Path
from typing import Any

import pytest

from tallystick import clock
from tallystick.api.find_events import _page
from tallystick.api.parameters import Parameters
from tallystick.backup.create import expected_events
from tallystick.clock import DAY_US, SECOND_US
from tallystick.errors import Conflict, NotFound
from tallystick.integrity.loss_acceptance import accept_loss
from tallystick.integrity.missing_events import MissingEvents, find_and_save
from tallystick.journal.lost_events import count_lost, lost_within
from tallystick.journal.missing_ranges import count_missing, read_missing
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search import scan
from tallystick.secret_keys import SecretKeys
from tallystick.verify.command import FAILS
from tallystick.verify.command import main as verify
from tests.fixtures.spine import Spine
from tests.integrity.lost_events import COUNT, organization, purge

pytestmark = pytest.mark.one_engine
LOST = [(3, 5), (9, 9)]


@pytest.fixture
def acme(spine: Spine) -> Scope:
    """An organization that has lost LOST, which is accepted and recorded."""
    scope = organization(spine)
    spine.lose(scope, [3, 4, 5, 9])
    accept_loss(spine.database, spine.store, "acme", (0, COUNT))
    spine.sequencer.tick([])
    spine.ship()
    return scope


def missing(spine: Spine, scope: Scope) -> list[tuple[int, int]]:
    with spine.database.read() as connection:
        return [(one.first, one.last) for one in read_missing(connection, scope.org_id)]


def recorded(spine: Spine, scope: Scope) -> list[dict[str, Any]]:
    page = spine.finder.page(scope, Query(), limit=100, order="recorded")
    details = [json.loads(one.details) for one in page.data if b"audit_log.events_lost" in one.what]
    return [one["metadata"] for one in details]


def test_the_trail_names_exactly_what_is_lost(spine: Spine, acme: Scope) -> None:
    assert recorded(spine, acme) == [{"indexes": "3-5,9", "events": 4}]
    assert missing(spine, acme) == []
    with spine.database.read() as connection:
        assert lost_within(connection, acme) == LOST
        assert count_lost(connection) == {acme.org_id: 4}


def test_a_search_for_missing_events_takes_lost_ones_as_explained(spine: Spine, acme: Scope) -> None:
    checks = MissingEvents(spine.database, spine.store)
    checks.open()
    checks.step()
    assert find_and_save(spine.database, spine.store, acme.org_id, by="test") == []
    with spine.database.read() as connection:
        assert count_missing(connection) == {}
        assert expected_events(connection)[acme.org_id] == len(spine.indexes(acme.org_id))


def test_what_is_lost_later_is_missing_beside_it(spine: Spine, acme: Scope) -> None:
    spine.lose(acme, [10])
    MissingEvents(spine.database, spine.store).step()
    assert missing(spine, acme) == [(10, 10)]


def test_only_what_is_missing_now_and_within_the_range_becomes_lost(spine: Spine) -> None:
    scope = organization(spine)
    spine.lose(scope, [3, 9])
    done = accept_loss(spine.database, spine.store, "acme", (2, 5))
    assert (done.lost, done.still_missing) == (1, 1)
    assert missing(spine, scope) == [(9, 9)]
    for slug, pair, error in (("acme", (2, 5), Conflict), ("nobody", (0, 9), NotFound)):
        with pytest.raises(error):
            accept_loss(spine.database, spine.store, slug, pair)


def test_many_scattered_losses_are_divided_into_records_that_can_be_recorded(
    spine: Spine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tallystick.integrity.loss_acceptance.MAX_RECORD_TEXT", 5)
    scope = organization(spine)
    spine.lose(scope, range(1, COUNT, 2))
    assert accept_loss(spine.database, spine.store, "acme", (0, COUNT)).lost == COUNT // 2
    spine.sequencer.tick([])
    spine.ship()
    texts = [one["indexes"] for one in recorded(spine, scope)]
    assert ",".join(texts) == ",".join(map(str, range(1, COUNT, 2)))
    assert len(texts) > 2


def test_pages_in_order_of_recording_go_on_and_name_what_is_lost(spine: Spine, acme: Scope) -> None:
    page = json.loads(_page(spine.finder, acme, Parameters({"order": ["recorded"], "limit": ["100"]})))
    assert (page["partial"], page["lost"]) == (False, [list(pair) for pair in LOST])
    assert "missing" not in page
    later = json.loads(_page(spine.finder, acme, Parameters({"order": ["recorded"], "after": ["9"]})))
    assert "lost" not in later


def test_the_integrity_check_finds_nothing_wrong_with_what_is_lost(spine: Spine, acme: Scope, start_round: Any) -> None:
    found = start_round(spine, acme, clock.now_us())
    assert (found.found, found.expired) == (0, 0)


def test_differences_are_looked_at_again_once_the_loss_is_accepted(spine: Spine, start_round: Any) -> None:
    scope, now = organization(spine), clock.now_us()
    spine.lose(scope, [3, 4])
    assert start_round(spine, scope, now).found == 2
    accept_loss(spine.database, spine.store, "acme", (0, COUNT))
    spine.sequencer.tick([])
    spine.ship()
    again = start_round(spine, scope, now + 3600 * SECOND_US)
    assert (again.found, again.repaired) == (0, 2)


def test_the_integrity_check_reports_a_loss_that_only_the_control_database_claims(
    spine: Spine, acme: Scope, start_round: Any
) -> None:
    record = spine.indexes(acme.org_id)[-1]
    spine.lose(acme, [record])
    assert start_round(spine, acme, clock.now_us()).found == 5
    # The failure waits in the outbox now, with the number that the record of the loss had there.
    assert start_round(spine, acme, clock.now_us() + 2 * DAY_US).found == 5


def test_the_record_of_a_loss_never_expires(spine: Spine, acme: Scope) -> None:
    record = spine.indexes(acme.org_id)[-1]
    with spine.database.write() as connection:
        connection.exec_driver_sql("UPDATE organizations SET retention_days = 1")
    later = clock.now_us() + 40 * DAY_US
    purge(spine, later)
    left = spine.indexes(acme.org_id)
    assert record in left
    assert 20 not in left


def test_a_verifier_says_lost_and_the_bundle_does_not_hold(
    spine: Spine, acme: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keyring = Keyring(SecretKeys("K" * 40), "log.example")
    prover = Prover(spine.database, Signer(spine.database, keyring, tmp_path))
    with spine.database.write() as connection:
        keyring.prepare(connection, acme.org_id, now=clock.now_us())
    end, target = spine.size(acme.org_id), io.BytesIO()
    BundleWriter(spine.database, prover).write(
        target, acme, Selection(0, end, holes=lambda: {"lost": LOST}),
        scan.in_order_of_index(spine.database, spine.store, acme, Query(), 0, end),
        scan.explanatory_records(spine.database, spine.store, acme, end),
    )  # fmt: skip
    (tmp_path / "one.zip").write_bytes(target.getvalue())
    status = verify([str(tmp_path / "one.zip"), "--key", prover.vkeys(acme)[0], "--json"])
    (report,) = json.loads(capsys.readouterr().out)["reports"]
    assert (status, report["indexes"]["lost"], report["unexplained"]) == (FAILS, [[3, 5], [9, 9]], 0)
    assert "made without events that the server says were lost for good, at 3-5,9" in report["facts"]
