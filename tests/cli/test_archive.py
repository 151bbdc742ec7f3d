"""`tallystick archive restore`: archived events found again, in an organization of their own."""

import io
import json
from pathlib import Path

import pytest

from tallystick import clock
from tallystick.cli.archive import event_from_line
from tallystick.destinations.local_directory import Directory
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.retention.archive import Archive, ArchivedStep
from tallystick.secret_keys import SecretKeys
from tests.cli.running import Member
from tests.fixtures.s3_server import ACCESS_KEY, SECRET_KEY, S3Server
from tests.fixtures.spine import Spine
from tests.retention.test_purge import event
from tests.verify.evidence import SECRET


class Kept:
    """An archived step of thirty events, and the key line to check it by."""

    def __init__(self, spine: Spine, folder: Path) -> None:
        self.spine = spine
        signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), folder)
        signer.open()
        prover = Prover(spine.database, signer)
        scope = spine.organization(days=30)
        sent = spine.record(scope, *[event(40, description=f"piece {n}.", metadata={"n": n}) for n in range(30)]).events
        spine.ship()
        archive = Archive(Directory(folder / "archive"), folder, spine.database, spine.store, prover)
        self.step: ArchivedStep = archive.write(scope, [one.index for one in sent], before=clock.now_us())
        self.bundle = str(folder / "archive" / self.step.step.key("zip"))
        [self.key] = prover.vkeys(scope)


@pytest.fixture
def kept(sqlite_spine: Spine, tmp_path: Path) -> Kept:
    return Kept(sqlite_spine, tmp_path)


def test_archived_events_are_found_again_once_however_often_they_are_restored(member: Member, kept: Kept) -> None:
    first = json.loads(member.run("archive", "restore", kept.bundle, "--key", kept.key, "--json").stdout)
    assert (first["new"], first["known"], first["refused"]) == (30, 0, 0)
    again = json.loads(member.run("archive", "restore", kept.bundle, "--key", kept.key, "--json").stdout)
    assert (again["new"], again["known"], again["refused"]) == (0, 30, 0)
    assert member.total(q="action:project.updated") == 30
    assert member.total(q="action:archive.restored") == 2
    assert member.total(q='"piece 17."') == 1


def test_bundles_are_fetched_from_a_bucket(member: Member, kept: Kept, s3_server: S3Server) -> None:
    bucket = s3_server.bucket("audit")
    step = kept.step.step
    for key in (step.key("zip"), step.key("parquet"), "elsewhere/other.zip"):
        bucket.put(key, io.BytesIO(Path(kept.bundle).read_bytes()))
    organization = step.key("zip").partition("/")[0]
    environ = {
        "TALLYSTICK_S3_ENDPOINT": f"http://127.0.0.1:{s3_server.port}",
        "TALLYSTICK_S3_ACCESS_KEY": ACCESS_KEY,
        "TALLYSTICK_S3_SECRET_KEY": SECRET_KEY,
        "TALLYSTICK_ALLOWED_TARGETS": "127.0.0.1",
    }
    for place in (organization, step.key("zip")):  # all below it, and one
        done = member.run("archive", "restore", bucket.where + place, "--key", kept.key, "--json", **environ)
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["new"] + found["known"] == 30
    assert member.total(q="action:project.updated") == 30


@pytest.mark.parametrize(
    ("place", "environ", "said"),
    [
        ("nothing", {}, "There are no bundles below s3://"),
        ("nothing.zip", {}, "nothing.zip"),
        ("nothing", {"TALLYSTICK_S3_SECRET_KEY": ""}, "A bucket needs TALLYSTICK_S3_ACCESS_KEY and"),
        ("nothing", {"TALLYSTICK_S3_SECRET_KEY": "another"}, "rejected the access key"),
        ("nothing", {"TALLYSTICK_ALLOWED_TARGETS": ""}, "TALLYSTICK_ALLOWED_TARGETS"),
    ],
)
def test_a_bucket_that_gives_nothing_is_told(
    member: Member, kept: Kept, s3_server: S3Server, place: str, environ: dict[str, str], said: str
) -> None:
    usual = {
        "TALLYSTICK_S3_ENDPOINT": f"http://127.0.0.1:{s3_server.port}",
        "TALLYSTICK_S3_ACCESS_KEY": ACCESS_KEY,
        "TALLYSTICK_S3_SECRET_KEY": SECRET_KEY,
        "TALLYSTICK_ALLOWED_TARGETS": "127.0.0.1",
    }
    where = s3_server.bucket("audit").where + place
    done = member.run("archive", "restore", where, "--key", kept.key, **usual | environ)
    assert done.returncode == 1
    assert said in done.stderr
    assert member.total(q="action:archive.restored") == 0


def test_a_bundle_that_was_changed_is_not_restored(member: Member, kept: Kept) -> None:
    content = Path(kept.bundle).read_bytes()
    at = content.index(b"entries.bin") + 60  # stored, not packed
    Path(kept.bundle).write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
    done = member.run("archive", "restore", kept.bundle, "--key", kept.key)
    assert done.returncode == 1
    assert member.total(q="action:archive.restored") == 0


def test_events_do_not_go_back_into_the_trail_they_come_from(
    member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    member.record({"action": "project.created"})
    with member.server.client(member.key) as client:
        vkey = client.get("/v1/ledger/key").text.strip()
    recording, member.key = member.key, member.new_key("exports")
    assert member.run("export", "--format", "bundle", "-o", "own.zip").returncode == 0
    member.key = recording
    done = member.run("archive", "restore", "own.zip", "--key", vkey)
    assert done.returncode == 1
    assert "this very organization" in done.stderr
    assert member.total(q="action:project.created") == 1


def test_what_the_log_said_of_an_event_goes_along() -> None:
    what = {"action": "a.b", "timestamp": "2024-01-15T10:00:00Z", "recorded_by": {"type": "api_key", "id": "key_1"},
            "external_id": "ci-1"}  # fmt: skip
    line = {"index": 7, "id": "evt_1", "received_at": 0, "what": json.dumps(what), "target": "{}", "who": None,
            "details": '{"metadata": {"n": 1}}'}  # fmt: skip
    assert event_from_line(line) == {
        "action": "a.b",
        "timestamp": "2024-01-15T10:00:00Z",
        "external_id": "evt_1",
        "actor": {"type": "user", "name": "erased"},
        "metadata": {
            "n": 1,
            "archived": {
                "id": "evt_1", "index": 7, "received_at": "1970-01-01T00:00:00.000000Z",
                "recorded_by": {"type": "api_key", "id": "key_1"}, "external_id": "ci-1", "erased": ["who"],
            },
        },
    }  # fmt: skip
