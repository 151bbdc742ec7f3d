"""After an erasure: what is left verifies, what is gone is explained, and what went otherwise is not."""

import io
import json
from pathlib import Path

import pytest

from tallystick.erasure import redact_events
from tallystick.erasure.subject import Subject
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover, evidence, proof_text
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.search.scan import explanatory_records, in_order_of_index
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tests.erasure.erasure_driver import by_sarah, erase, eraser, event, events
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event as aged
from tests.retention.test_purge import purge
from tests.verify.evidence import SECRET


class Trail:
    """An organization with people in it, and the keys that an auditor noted down."""

    def __init__(self, spine: Spine, folder: Path) -> None:
        self.spine = spine
        self.scope = spine.organization(days=30)
        sent = spine.record(
            self.scope,
            by_sarah(resource={"type": "user", "name": "ines@acme.com"}),
            by_sarah(),
            event(),
            aged(400, actor={"email": "sarah@acme.com"}),
        ).events
        spine.ship()
        self.first = sent[0].index
        self.work = eraser(spine, folder)
        signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), folder)
        signer.open()
        self.prover = Prover(spine.database, signer)
        self.keys = [Key.read(line) for line in self.prover.vkeys(self.scope)]

    def bundle(self) -> Report:
        """What the verifier says of everything that there is now."""
        end = self.spine.size(self.scope.org_id)
        target, report = io.BytesIO(), Report("bundle")
        blocks = in_order_of_index(self.spine.database, self.spine.store, self.scope, Query(), 0, end)
        said = explanatory_records(self.spine.database, self.spine.store, self.scope, end)
        BundleWriter(self.spine.database, self.prover).write(target, self.scope, Selection(0, end), blocks, said)
        check_bundle(target, self.keys, report)
        return report

    def found(self, report: Report, category: str) -> set[int]:
        pairs = report.found[category]
        return {index - self.first for first, last in pairs for index in range(first, last + 1)}


@pytest.fixture
def trail(sqlite_spine: Spine, tmp_path: Path) -> Trail:
    return Trail(sqlite_spine, tmp_path)


def test_what_was_erased_is_explained_and_the_rest_verifies(trail: Trail) -> None:
    erase(trail.spine, trail.scope, trail.work)
    report = trail.bundle()
    assert report.holds, report.lines()
    assert trail.found(report, "erased") == {0, 1, 3}
    assert 2 in trail.found(report, "verified")


def test_two_erasures_together_explain_an_event_that_lost_two_parts(trail: Trail) -> None:
    erase(trail.spine, trail.scope, trail.work)
    erase(trail.spine, trail.scope, trail.work, Subject("ines@acme.com"))
    report = trail.bundle()
    assert report.holds, report.lines()
    assert trail.found(report, "erased") == {0, 1, 3}


def test_what_is_purged_after_it_was_erased_is_expired(trail: Trail) -> None:
    erase(trail.spine, trail.scope, trail.work)
    purge(trail.spine)
    report = trail.bundle()
    assert report.holds, report.lines()
    assert (trail.found(report, "erased"), trail.found(report, "expired")) == ({0, 1}, {3})


def test_an_erasure_beside_the_log_is_unexplained(trail: Trail) -> None:
    redact_events.redact_events(trail.spine.database, trail.spine.store, trail.scope.org_id, {4: [trail.first + 2]})
    report = trail.bundle()
    assert not report.holds
    assert trail.found(report, "unexplained") == {2}


def test_a_part_more_than_the_record_names_is_unexplained(trail: Trail) -> None:
    erase(trail.spine, trail.scope, trail.work)
    redact_events.redact_events(trail.spine.database, trail.spine.store, trail.scope.org_id, {8: [trail.first + 1]})
    report = trail.bundle()
    assert trail.found(report, "unexplained") == {1}


def test_a_record_whose_own_resource_was_erased_explains_as_before(trail: Trail) -> None:
    purge(trail.spine)
    erase(trail.spine, trail.scope, trail.work, Subject("x@acme.com", also=("Acme", "organization")))
    assert events(trail.spine, trail.scope, 0, 1)[0].target == b""
    report = trail.bundle()
    assert report.holds, report.lines()
    assert 3 in trail.found(report, "expired")


def test_a_proof_from_before_and_one_from_after_hold(trail: Trail) -> None:
    index = trail.first + 1

    def exported() -> tuple[str, str]:
        held = events(trail.spine, trail.scope, index, index + 1)[index]
        return proof_text(trail.prover.inclusion(trail.scope, index), held), json.dumps(evidence(held))

    before = exported()
    erase(trail.spine, trail.scope, trail.work)
    for proof, held in (before, exported()):
        report = Report("proof")
        check_proof(proof, trail.keys, report, event=json.loads(held))
        assert report.holds, report.lines()
