"""`tallystick export`: asks, waits, takes and checks."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.cli.running import Member


@pytest.fixture
def exporting(member: Member, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Member:
    """A member whose key may export; commands run in an empty directory."""
    monkeypatch.chdir(tmp_path)
    member.record({"action": "deployment.failed"}, {"action": "project.created"})
    member.key = member.new_key("exports")
    return member


def test_what_is_found_is_in_the_file_and_its_hash_is_checked(exporting):
    done = exporting.run("export", "--format", "ndjson", "--action", "deployment.*", "-o", "found.ndjson", "--json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    content = Path("found.ndjson").read_bytes()
    assert [json.loads(line)["action"] for line in content.splitlines()] == ["deployment.failed"]
    assert hashlib.sha256(content).hexdigest() == said["sha256"]
    assert list(Path().iterdir()) == [Path("found.ndjson")]


def test_without_a_name_the_file_is_named_for_the_export(exporting):
    done = exporting.run("export", "--format", "bundle")
    assert done.returncode == 0, done.stderr
    (file,) = Path().iterdir()
    assert file.name.startswith("audit-log-")
    assert file.suffix == ".zip"
    checked = exporting.server.command("verify", str(file.resolve()), "--key", _vkey(exporting), check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_a_mistake_is_advice_and_leaves_nothing(exporting):
    done = exporting.run("export", "--format", "csv", "-q", "statsu:failed")
    assert done.returncode == 1
    assert "status" in done.stderr
    assert list(Path().iterdir()) == []


def test_a_key_without_the_scope_is_told(exporting):
    exporting.key = exporting.new_key("events:read")
    done = exporting.run("export", "--format", "csv")
    assert done.returncode == 1
    assert "exports" in done.stderr


def _vkey(member: Member) -> str:
    with member.server.client(member.new_key("events:read")) as client:
        return client.get("/v1/ledger/key").text.strip()
