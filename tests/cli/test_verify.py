"""`tallystick verify`, against a running server and on files."""

import json
from pathlib import Path

import pytest

from tests.cli.running import Member, run_here


@pytest.fixture
def evidence(member: Member, tmp_path: Path) -> Path:
    """A directory with the key, the checkpoint and the proof of an event."""
    member.record({"action": "thing.done", "description": "one"}, {"action": "thing.done"})
    with member.server.client(member.key) as client:
        event = client.get("/v1/audit-logs", params={"action": "thing.done"}).json()["data"][0]
        path = f"/v1/audit-logs/{event['id']}/proof"
        (tmp_path / "log.vkey").write_text(client.get("/v1/ledger/key").text)
        (tmp_path / "last").write_text(client.get("/v1/ledger/checkpoint").text)
        (tmp_path / "proof.txt").write_text(client.get(path).text)
        proof = client.get(path, headers={"Accept": "application/json"}).json()
    (tmp_path / "proof.json").write_text(json.dumps(proof))
    (tmp_path / "event.json").write_text(json.dumps(proof["event"]))
    (tmp_path / "id").write_text(event["id"])
    return tmp_path


def verify(directory: Path, *arguments: str, **environ: str):
    places = [str(directory / one) if (directory / one).exists() else one for one in arguments]
    return run_here("verify", *places, environ=environ)


@pytest.mark.parametrize("files", [["proof.json"], ["proof.txt", "event.json"], ["proof.txt"], ["last"]])
def test_evidence_holds(evidence, files):
    done = verify(evidence, *files, "--key", "log.vkey")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "holds" in done.stdout


def test_it_prints_json(evidence):
    done = verify(evidence, "proof.json", "--key", "log.vkey", "--json")
    report = json.loads(done.stdout)
    assert report["holds"] is True
    assert report["reports"][0]["verified"] == 1


@pytest.mark.parametrize("name", ["proof.json", "event.json"])
def test_an_event_that_was_changed_does_not_hold(evidence, name):
    path = evidence / name
    path.write_text(path.read_text().replace("success", "failure"))
    files = ["proof.json"] if name == "proof.json" else ["proof.txt", "event.json"]
    done = verify(evidence, *files, "--key", "log.vkey")
    assert done.returncode == 1
    assert "DOES NOT HOLD" in done.stdout


def test_a_key_of_another_log_does_not_do(evidence, server, tmp_path):
    other = Member(server, "another-log")
    other.record({"action": "thing.done"})
    with server.client(other.key) as client:
        (evidence / "other.vkey").write_text(client.get("/v1/ledger/key").text)
    done = verify(evidence, "proof.json", "--key", "other.vkey")
    assert done.returncode == 1
    assert "none of the given keys" in done.stdout
    done = verify(evidence, "--url", server.url, "--key", "log.vkey", TALLYSTICK_API_KEY=other.key)
    assert done.returncode == 1, "the server answers for another log"


def test_a_server_is_checked_from_outside_and_its_checkpoint_kept(evidence, member):
    with member.server.client(member.key) as client:
        later = client.post("/v1/audit-logs", json={"action": "thing.done"}).json()["events"][0]["id"]
        assert client.get(f"/v1/audit-logs/{later}/proof").status_code == 200  # signs a checkpoint above it
    arguments = ["--url", member.url, "--key", "log.vkey", "--checkpoint", "last", "--save", "last"]
    event_id = (evidence / "id").read_text()
    before = (evidence / "last").read_text()
    done = verify(evidence, *arguments, "--event", event_id, TALLYSTICK_API_KEY=member.key)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all entries give the signed root" in done.stdout
    assert "begins with" in done.stdout
    assert (evidence / "last").read_text() != before


@pytest.mark.parametrize(
    "arguments",
    [[], ["proof.json"], ["proof.json", "--key", "nonsense+1+2"], ["proof.json", "--key", "log.vkey", "--save", "x"]],
)
def test_wrong_use_ends_with_2_and_advice(evidence, arguments):
    done = verify(evidence, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error:")


def test_a_file_that_is_not_there_and_a_server_that_is_away_end_with_1(evidence):
    assert verify(evidence, "nothing.zip", "--key", "log.vkey").returncode == 1
    away = verify(evidence, "--url", "http://127.0.0.1:9", "--key", "log.vkey")
    assert away.returncode == 1
    assert "does not answer" in away.stderr


def test_the_operator_changes_the_signing_key_and_the_old_one_still_proves(evidence, member):
    with member.server.client(member.key) as client:
        before = client.get("/v1/ledger/key").text
        made = member.server.command("org", "rotate-signing-key", member.slug).stdout
        member.record({"action": "thing.done"})
        assert client.get("/v1/ledger/key").text == made + before
        (evidence / "new.vkey").write_text(made)
    for key in ("log.vkey", "new.vkey"):
        event = ["--event", (evidence / "id").read_text()]  # so that a checkpoint is signed anew
        done = verify(evidence, "--url", member.url, "--key", key, *event, TALLYSTICK_API_KEY=member.key)
        assert done.returncode == 0, done.stdout
