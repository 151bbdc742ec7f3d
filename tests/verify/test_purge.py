"""After a purge: what is left verifies, what is gone is explained, what was proven stays proven."""

import io
import json
from pathlib import Path

import pytest

from tallystick import clock
from tallystick.access import organizations
from tallystick.clock import DAY_US
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover, evidence, proof_text
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.search.scan import explanatory_records, in_order_of_index
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event, purge
from tests.verify.evidence import SECRET

COUNT = 60


class Trail:
    """Sixty events, every second of them older than the retention, and the keys that an auditor noted down."""

    def __init__(self, spine: Spine, folder: Path, days: int = 30) -> None:
        self.spine = spine
        self.scope: Scope = spine.organization(days=days)
        sent = spine.record(self.scope, *[event(400 if n % 2 else 0, description=f"n{n}") for n in range(COUNT)])
        spine.ship()
        self.old = [one.index for one in sent.events[1::2]]
        self.young = [one.index for one in sent.events[0::2]]
        self.signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), folder)
        self.signer.open()
        self.prover = Prover(spine.database, self.signer)
        self.signer.checkpoint(self.scope.org_id, covering=COUNT)
        self.keys = [Key.read(line) for line in self.prover.vkeys(self.scope)]

    def proof(self, index: int) -> tuple[str, str]:
        """A proof as it is exported, and its event."""
        blocks = in_order_of_index(self.spine.database, self.spine.store, self.scope, Query(), index, index + 1)
        held = next(iter(blocks))[0]
        return proof_text(self.prover.inclusion(self.scope, index), held), json.dumps(evidence(held))

    def holds(self, proof: tuple[str, str]) -> bool:
        report = Report("proof")
        check_proof(proof[0], self.keys, report, event=json.loads(proof[1]))
        return report.holds

    def bundle(self) -> Report:
        """What the verifier says of everything that there is now."""
        end = self.spine.size(self.scope.org_id)
        self.signer.checkpoint(self.scope.org_id, covering=end)
        target, report = io.BytesIO(), Report("bundle")
        events = in_order_of_index(self.spine.database, self.spine.store, self.scope, Query(), 0, end)
        explaining = explanatory_records(self.spine.database, self.spine.store, self.scope, end)
        BundleWriter(self.spine.database, self.prover).write(target, self.scope, Selection(0, end), events, explaining)
        check_bundle(target, self.keys, report)
        return report


@pytest.fixture
def trail(sqlite_spine: Spine, tmp_path: Path) -> Trail:
    return Trail(sqlite_spine, tmp_path)


def indexes(report: Report, category: str) -> set[int]:
    return {index for first, last in report.found[category] for index in range(first, last + 1)}


def test_what_is_left_verifies_and_what_is_gone_is_explained(trail: Trail) -> None:
    purge(trail.spine)
    report = trail.bundle()
    assert report.holds, report.lines()
    assert indexes(report, "expired") == set(trail.old)
    assert indexes(report, "verified") >= set(trail.young)


def test_on_the_free_plan_it_is_still_explained(trail: Trail) -> None:
    purge(trail.spine)
    with trail.spine.database.write() as connection:
        organizations.set_retention(connection, trail.scope, 7, now=clock.now_us())
    trail.spine.sequencer.tick([])
    trail.spine.ship()
    purge(trail.spine)
    report = trail.bundle()
    assert report.holds, report.lines()
    assert indexes(report, "expired") == set(trail.old)


def test_proofs_from_before_hold_for_what_is_kept_and_for_what_is_gone(trail: Trail) -> None:
    exported = [trail.proof(trail.old[0]), trail.proof(trail.young[0])]
    purge(trail.spine)
    assert all(map(trail.holds, exported))


def test_new_proofs_of_what_is_kept_hold(trail: Trail) -> None:
    purge(trail.spine)
    assert trail.holds(trail.proof(trail.young[-1]))


def test_an_event_that_went_beside_the_purge_is_unexplained(trail: Trail) -> None:
    purge(trail.spine)
    with trail.spine.store._writers.borrow() as client:
        client.command(
            "DELETE FROM events WHERE org_id = {org:UUID} AND seq = {seq:UInt64}",
            parameters={"org": str(trail.scope.org_id), "seq": trail.young[3]},
        )
    report = trail.bundle()
    assert not report.holds
    assert indexes(report, "unexplained") == {trail.young[3]}


def test_a_purge_that_ran_ahead_of_the_retention_is_found(sqlite_spine: Spine, tmp_path: Path) -> None:
    trail = Trail(sqlite_spine, tmp_path, days=365)
    purge(sqlite_spine, later=400 * DAY_US)  # the clock was wrong, or somebody set it
    report = trail.bundle()
    assert not report.holds
    assert indexes(report, "unexplained") >= set(trail.young)


def test_what_is_kept_differs_in_nothing_after_a_purge(trail: Trail) -> None:
    purge(trail.spine)
    end = trail.spine.size(trail.scope.org_id)
    assert list(differences(trail.spine.database, trail.spine.store, trail.scope, 0, end)) == []
