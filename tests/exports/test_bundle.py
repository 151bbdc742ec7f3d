"""A bundle agrees with the records of what is gone, whenever events are deleted."""

import io
from functools import partial

import pytest

from tallystick import clock
from tallystick.erasure.deletions import deletion_state
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.retention.purge import Purger
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.report import Report
from tests.exports.export_driver import ask, exporter, show
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event, purge


def checked(spine: Spine, scope, tmp_path, content: bytes) -> Report:
    signer = Signer(spine.database, Keyring(SecretKeys("secret"), "test.example"), tmp_path)
    signer.open()
    keys = [Key.read(line) for line in Prover(spine.database, signer).vkeys(scope)]
    report = Report("bundle")
    check_bundle(io.BytesIO(content), keys, report)
    return report


@pytest.mark.both_stores
def test_what_went_between_asking_and_making_is_explained(sqlite_spine: Spine, tmp_path):
    spine, scope = sqlite_spine, sqlite_spine.organization(days=30)
    spine.record(scope, *[event(400 if n % 2 else 0) for n in range(20)])
    spine.ship()
    work = exporter(spine, tmp_path, deletions=partial(deletion_state, spine.database))
    public_id = ask(spine, scope, "bundle")
    purge(spine)
    assert work.step()
    one = show(spine, scope, public_id)
    assert one.state == "completed", one.error
    report = checked(spine, scope, tmp_path, work.path(one).read_bytes())
    assert report.holds, report


def test_a_bundle_waits_for_a_deletion_that_the_log_tells_of(sqlite_spine: Spine, tmp_path):
    spine, scope = sqlite_spine, sqlite_spine.organization(days=30)
    spine.record(scope, *[event(400 if n % 2 else 0) for n in range(20)])
    spine.ship()
    work = exporter(spine, tmp_path, deletions=partial(deletion_state, spine.database))
    purger = Purger(spine.database, spine.store)
    assert purger.step()  # announced
    spine.sequencer.tick([])  # in the log, and not carried out
    spine.ship()
    public_id = ask(spine, scope, "bundle")
    assert work.step()
    assert show(spine, scope, public_id).state == "queued"
    while purger.step():
        pass
    assert work.step(clock.now_us() + 60 * clock.SECOND_US)
    one = show(spine, scope, public_id)
    assert one.state == "completed", one.error
    assert checked(spine, scope, tmp_path, work.path(one).read_bytes()).holds
