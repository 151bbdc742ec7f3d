"""What is archived before it is purged: whole, proven, on disk; and no purge without it."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from tallystick import clock
from tallystick.clock import SECOND_US
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.local_directory import Directory
from tallystick.destinations.s3 import Bucket, S3Account
from tallystick.erasure.deletions import is_erasing
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.scope import Scope
from tallystick.retention import exported_ranges
from tallystick.retention.archive import MARKER_FILE, Archive, ArchivedStep, archive_state
from tallystick.retention.purge import PAUSE_SECONDS, Purger
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.report import Report
from tallystick.work import leases
from tallystick.work.disk_space import LEAST_FREE_BYTES, DiskSpace
from tests.fixtures.s3_server import ACCESS_KEY, HERE, Line, S3Server
from tests.fixtures.spine import Spine
from tests.retention.purge_driver import purge_with
from tests.retention.test_purge import event, records
from tests.verify.evidence import SECRET


class Keeper:
    """A purger with an archive, driven step by step."""

    def __init__(self, spine: Spine, folder: Path, objects: FileStorage | None = None) -> None:
        self.spine = spine
        self.home = folder / "archive"
        signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), folder)
        signer.open()
        self.prover = Prover(spine.database, signer)
        self.archive = Archive(objects or Directory(self.home), folder, spine.database, spine.store, self.prover)
        self.purger = Purger(spine.database, spine.store, archive=self.archive, is_erasing=is_erasing)

    def purge(self, *, later: int = 0) -> None:
        purge_with(self.spine, self.purger, later=later)

    def files(self, kind: str) -> list[Path]:
        return sorted(self.home.rglob(f"*.{kind}"))

    def state(self, scope: Scope):
        with self.spine.database.read() as connection:
            return archive_state(connection, scope)


@pytest.fixture
def keeper(spine: Spine, tmp_path: Path) -> Keeper:
    return Keeper(spine, tmp_path)


def test_what_goes_is_written_first_and_the_bundle_verifies(keeper: Keeper) -> None:
    spine = keeper.spine
    scope = spine.organization(days=30)
    sent = spine.record(scope, *[event(31 if n % 2 else 1, description=f"n{n}") for n in range(20)]).events
    spine.ship()
    keeper.purge()
    old = [one.index for one in sent[1::2]]
    assert set(spine.indexes(scope.org_id)) & set(old) == set()
    [bundle], [parquet], [manifest] = keeper.files("zip"), keeper.files("parquet"), keeper.files("json")
    report = Report("bundle")
    with bundle.open("rb") as opened:
        check_bundle(opened, [Key.read(line) for line in keeper.prover.vkeys(scope)], report)
    assert report.holds
    assert pq.read_table(parquet)["index"].to_pylist() == old
    assert pq.read_table(parquet)["description"].to_pylist() == [f"n{n}" for n in range(1, 20, 2)]
    said = json.loads(manifest.read_bytes())
    assert said["events"] == 10
    for file in (bundle, parquet):
        assert said["files"][file.name]["sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()
        assert file.stat().st_mode & 0o077 == 0
    assert list(keeper.home.rglob("*.part")) == []


def test_the_trail_says_what_was_archived_before_it_says_what_goes(keeper: Keeper) -> None:
    scope = keeper.spine.organization(days=30)
    keeper.spine.record(scope, event(31))
    keeper.spine.ship()
    keeper.purge()
    assert len(records(keeper.spine, scope)) == 1
    found = keeper.state(scope)
    assert (found.files, found.events, found.problem) == (1, 1, "")
    with keeper.spine.database.read() as connection:
        assert exported_ranges.read_ranges(connection, scope) == [(1, 1)]


def test_an_archive_that_cannot_be_written_lets_nothing_go_and_holds_up_no_other(keeper: Keeper) -> None:
    spine = keeper.spine
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    keeper.home.write_text("a file where the directory should be")
    keeper.purge()
    assert old in spine.indexes(scope.org_id)
    assert records(spine, scope) == []
    assert "cannot be written" in keeper.state(scope).problem
    keeper.home.unlink()
    keeper.purge(later=(PAUSE_SECONDS + 1) * SECOND_US)
    assert old not in spine.indexes(scope.org_id)
    assert keeper.state(scope).problem == ""


def test_a_nearly_full_disk_lets_nothing_go_and_the_page_says_why(keeper: Keeper, monkeypatch) -> None:
    spine = keeper.spine
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    free = [LEAST_FREE_BYTES - 1]
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: free[0])
    keeper.purge()
    assert old in spine.indexes(scope.org_id)
    assert keeper.files("zip") == []
    assert "Less than 1,024 MiB are free" in keeper.state(scope).problem
    free[0] = LEAST_FREE_BYTES
    keeper.purge(later=(PAUSE_SECONDS + 1) * SECOND_US)
    assert old not in spine.indexes(scope.org_id)


def test_each_organization_has_a_folder_of_its_own(keeper: Keeper) -> None:
    acme, charlie = keeper.spine.organization("acme", days=30), keeper.spine.organization("charlie", days=365)
    for scope in (acme, charlie):
        keeper.spine.record(scope, event(31))
    keeper.spine.ship()
    keeper.purge()
    assert [place.name for place in keeper.home.iterdir() if place.is_dir()] == [
        str(Path(json.loads(file.read_bytes())["organization"])) for file in keeper.files("json")
    ]
    assert keeper.state(charlie).files == 0


def test_a_place_that_is_not_the_archive_any_more_is_not_written_to(keeper: Keeper) -> None:
    """A disk that is not mounted looks like an empty directory."""
    spine = keeper.spine
    scope = spine.organization(days=30)
    spine.record(scope, event(31))
    spine.ship()
    keeper.purge()
    keeper.home.rename(keeper.home.with_name("elsewhere"))
    late = spine.record(scope, event(32)).events[0].index
    spine.ship()
    keeper.purge(later=25 * 3600 * SECOND_US)
    assert late in spine.indexes(scope.org_id)
    assert "not the archive that was used before" in keeper.state(scope).problem
    keeper.home.mkdir()
    (keeper.home / MARKER_FILE).touch()
    keeper.purge(later=26 * 3600 * SECOND_US)
    assert late not in spine.indexes(scope.org_id)


def test_a_bucket_that_is_cut_off_in_the_middle_lets_nothing_go(
    sqlite_spine: Spine, tmp_path: Path, s3_server: S3Server, line: Line
) -> None:
    spine = sqlite_spine
    scope = spine.organization(days=30)
    sent = spine.record(scope, *[event(31, description=f"n{n}" * 50) for n in range(200)]).events
    spine.ship()
    bucket = s3_server.bucket(via=line.port)
    keeper = Keeper(spine, tmp_path, bucket)
    keeper.archive.check_marker()
    line.budget = 8_000
    keeper.purge()
    assert {one.index for one in sent} <= set(spine.indexes(scope.org_id))
    assert records(spine, scope) == []
    assert (
        keeper.state(scope).problem == "The archive cannot be written: The S3 server cannot be reached: ProtocolError"
    )
    line.budget = None
    keeper.purge(later=(PAUSE_SECONDS + 1) * SECOND_US)
    assert not {one.index for one in sent} & set(spine.indexes(scope.org_id))
    assert [key.rpartition(".")[2] for key in bucket.keys("org_")] == ["json", "parquet", "zip"]


def test_wrong_credentials_let_nothing_go_and_are_said_without_a_secret(
    sqlite_spine: Spine, tmp_path: Path, s3_server: S3Server
) -> None:
    spine = sqlite_spine
    scope = spine.organization(days=30)
    old = spine.record(scope, event(31)).events[0].index
    spine.ship()
    account = S3Account(s3_server.account.endpoint, "us-east-1", ACCESS_KEY, "a-wrong-secret")
    keeper = Keeper(spine, tmp_path, Bucket(account, HERE, "begin"))
    keeper.purge()
    assert old in spine.indexes(scope.org_id)
    assert "rejected the access key (SignatureDoesNotMatch)" in keeper.state(scope).problem


def test_a_node_that_takes_too_long_to_archive_announces_nothing_that_another_did(keeper: Keeper) -> None:
    """Its lease runs out while the archive is slow; the events are archived and announced once."""
    spine = keeper.spine
    scope = spine.organization(days=30)
    spine.record(scope, event(31), event(32))
    spine.ship()
    other = Purger(spine.database, spine.store, archive=keeper.archive, is_erasing=is_erasing)
    real, seen = keeper.archive.write, []

    def slow(*args: Any, **more: Any) -> ArchivedStep:
        written = real(*args, **more)
        if not seen:
            seen.append(written)
            spine.shipper.close()  # it loses its lease too
            with spine.database.write() as connection:
                leases.forget_all(connection)
            assert other.step(clock.now_us())
        return written

    keeper.archive.write = slow  # type: ignore[method-assign]
    keeper.purger.step(clock.now_us())
    keeper.archive.write = real  # type: ignore[method-assign]
    other.stop()
    keeper.purge()
    assert len(records(spine, scope)) == 1
    assert keeper.state(scope).files == 1
    assert len(keeper.files("zip")) == 1
