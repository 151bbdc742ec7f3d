"""A bundle that was made again after an erasure proves what is left, and nobody makes one without the log."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.ledger import expiry
from tallystick.ledger.reduce_bundle import BundleAltered, BundleReducer, events_in
from tallystick.merkle.remains import mask_of
from tallystick.verify.notes import open_checkpoint
from tests.verify.evidence import Trail, found, read, rewrite, zipped

COUNT = 600


@pytest.fixture
def trail(sqlite_database: Database, tmp_path: Path) -> Trail:
    made = Trail(sqlite_database, tmp_path)
    made.fill(COUNT)
    return made


def reduced(trail: Trail, bundle: bytes, losses: Mapping[int, int], records: list[int]) -> bytes:
    target = io.BytesIO()
    reducer = BundleReducer(trail.database, trail.prover, trail.scope)
    reducer.reduce(io.BytesIO(bundle), target, lambda index: losses.get(index, 0), [trail.events[at] for at in records])
    return target.getvalue()


def held(bundle: bytes) -> dict[int, StoredEvent]:
    return {event.index: event for block in events_in(io.BytesIO(bundle)) for event in block}


def test_what_is_read_from_a_bundle_is_what_was_written_into_it(trail: Trail) -> None:
    bundle = trail.filtered(3, 5, 300)
    assert held(bundle) == {index: trail.events[index] for index in (3, 5, 300)}
    once = reduced(trail, bundle, {5: mask_of(["who", "details"])}, [])
    assert [len(one.remains) for one in held(once).values()] == [0, 129, 0]
    assert held(once)[300] == trail.events[300]


def test_what_is_left_verifies_and_what_went_is_explained(trail: Trail) -> None:
    bundle = trail.filtered(3, 5, 300)
    first, second = trail.erased("5", "who"), trail.erased("5,300", "details")
    losses = {5: mask_of(["who", "details"]), 300: mask_of(["details"])}
    after = reduced(trail, reduced(trail, bundle, {5: mask_of(["who"])}, [first]), losses, [first, second])
    report = trail.check(after)
    assert report.holds, report.lines()
    assert found(report) == {"verified": "3", "erased": "5,300"}
    for name in ("entries.bin", "proof.json", "checkpoint"):
        assert read(after, name) == read(bundle, name)


def test_it_is_made_again_also_when_the_entries_in_the_log_are_past_their_tail(trail: Trail) -> None:
    bundle = trail.filtered(3, 5, 250)
    trail.fill(COUNT)
    record = trail.erased("5", "who")
    trail.prover.checkpoint(trail.scope, covering=record + 1)
    with trail.database.write() as connection:
        expiry.expire_entries(connection, trail.scope.org_id, [0])
    report = trail.check(reduced(trail, bundle, {5: mask_of(["who"])}, [record]))
    assert report.holds, report.lines()
    assert found(report) == {"verified": "3,250", "erased": "5"}


def test_a_part_that_went_without_a_record_is_unexplained(trail: Trail) -> None:
    bundle = trail.filtered(3, 5)
    record = trail.erased("3", "who")
    report = trail.check(reduced(trail, bundle, {3: mask_of(["who"]), 5: mask_of(["who"])}, [record]))
    assert not report.holds
    assert found(report)["unexplained"] == "5"


def test_an_older_checkpoint_is_still_compared_with_the_bundles_own(trail: Trail) -> None:
    older = open_checkpoint(trail.prover.checkpoint(trail.scope, covering=COUNT).note, trail.keys)
    record = trail.erased("5", "who")
    bundle = reduced(trail, trail.bundle(), {5: mask_of(["who"])}, [record])
    assert trail.check(bundle, older).holds
    another = older._replace(root=bytes(32))
    assert not trail.check(bundle, another).holds


def other_log(trail: Trail, folder: Path) -> bytes:
    other = Trail(trail.database, folder, "other")
    other.fill(2 * COUNT)
    return other.prover.checkpoint(other.scope, covering=2 * COUNT).note.encode()


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(lambda _content: b"", id="empty"),
        pytest.param(lambda content: content.replace(b"\n70", b"\n71"), id="of another size"),
        pytest.param(lambda content: content[: content.index(b"\xe2\x80\x94")], id="without a signature"),
    ],
)
def test_a_later_checkpoint_that_nobody_signed_proves_nothing(trail: Trail, edit: Callable[[bytes], bytes]) -> None:
    bundle = trail.filtered(3, 5)
    trail.fill(100)
    record = trail.erased("5", "who")
    after = reduced(trail, bundle, {5: mask_of(["who"])}, [record])
    assert trail.check(after).holds
    assert not trail.check(rewrite(after, records_checkpoint=edit)).holds


def test_a_later_checkpoint_of_another_log_or_an_earlier_one_proves_nothing(trail: Trail, tmp_path: Path) -> None:
    early = trail.prover.checkpoint(trail.scope, covering=COUNT).note.encode()
    trail.fill(100)
    trail.prover.checkpoint(trail.scope, covering=COUNT + 100)
    bundle = trail.filtered(3, 5)
    record = trail.erased("5", "who")
    after = reduced(trail, bundle, {5: mask_of(["who"])}, [record])
    for note in (other_log(trail, tmp_path), early):
        assert not trail.check(rewrite(after, records_checkpoint=lambda _old, note=note: note)).holds


def test_a_bundle_that_was_changed_is_not_made_again(trail: Trail) -> None:
    bundle = trail.filtered(3, 5)
    changed = rewrite(bundle, events_ndjson=lambda content: content.replace(b"api-5", b"api-6"))
    with pytest.raises(BundleAltered, match="event 5"):
        reduced(trail, changed, {}, [])
    for broken in (bundle[:-300], b"no zip", zipped({"events.ndjson": b"{}\n", "entries.bin": b""})):
        with pytest.raises(BundleAltered):
            held(broken)
