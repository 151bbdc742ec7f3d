"""`tallystick import`: real logs from files, each event once, nothing lost beside a bad one."""

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Member
from tests.cli.wire import Wire

SAMPLES = os.environ.get("TALLYSTICK_SAMPLE_DATA", "")


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"action": "project.viewed", "external_id": f"view-{number}"} | more for number in range(count)]


def counts(member: Member, *arguments: str, input_text: str = "") -> dict[str, int]:
    done = member.run("import", "--json", *arguments, input_text=input_text)
    counted: dict[str, int] = json.loads(done.stdout)
    return counted


def trail_record(number: int, **more: Any) -> dict[str, Any]:
    return {
        "eventVersion": "1.08",
        "eventTime": f"2024-05-06T07:08:{number % 60:02}Z",
        "eventSource": "s3.amazonaws.com",
        "eventName": "GetBucketPolicy",
        "awsRegion": "eu-west-1",
        "sourceIPAddress": "198.51.100.7",
        "userAgent": "aws-cli/2.15",
        "userIdentity": {"type": "IAMUser", "userName": "alice", "arn": "arn:aws:iam::111122223333:user/alice"},
        "requestParameters": {"bucketName": "ledger"},
        "responseElements": None,
        "eventID": f"00000000-0000-4000-8000-{number:012}",
        "recipientAccountId": "111122223333",
    } | more


@pytest.fixture
def trail(tmp_path: Path) -> Path:
    """A packed CloudTrail file of thirty records, three of them denied."""
    denied = {"errorCode": "AccessDenied", "errorMessage": "no"}
    records = [trail_record(number, **(denied if number % 10 == 0 else {})) for number in range(30)]
    path = tmp_path / "trail.json.gz"
    path.write_bytes(gzip.compress(json.dumps({"Records": records}).encode()))
    return path


def test_as_a_process_of_its_own_it_writes_the_counts_alone_to_standard_output(member: Member, trail: Path) -> None:
    done = member.server.command("import", "--format", "cloudtrail", str(trail), TALLYSTICK_API_KEY=member.key)
    assert (done.stdout, done.stderr) == ("30 new, 0 known already, 0 refused\n", "")


def test_a_cloudtrail_file_is_recorded_once_however_often_it_is_sent(member: Member, trail: Path) -> None:
    first = counts(member, "--format", "cloudtrail", str(trail))
    again = counts(member, "--format", "cloudtrail", str(trail))
    assert (first["new"], first["known"], first["refused"]) == (30, 0, 0)
    assert (again["new"], again["known"], again["refused"]) == (0, 30, 0)
    assert member.total(q="AccessDenied") == 3
    assert member.total(user="alice", status="failed") == 3


def test_lines_from_standard_input_are_recorded(member: Member) -> None:
    counted = counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(3)))
    assert counted == {"new": 3, "known": 0, "conflicts": 0, "refused": 0}


def test_packed_lines_are_unpacked_whatever_the_file_is_called(member: Member, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_bytes(gzip.compress(lines(*numbered(5)).encode()))
    assert counts(member, "--format", "tallystick", str(path))["new"] == 5


def test_more_than_a_batch_arrives_whole(member: Member, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(lines(*numbered(2345)))
    assert counts(member, "--format", "tallystick", str(path))["new"] == 2345
    assert member.total(action="project.viewed") == 2345


def test_large_events_are_split_into_requests_that_the_server_takes(member: Member, tmp_path: Path) -> None:
    path = tmp_path / "events.ndjson"
    path.write_text(lines(*numbered(400, changes={"text": "x" * 40_000})))
    assert counts(member, "--format", "tallystick", str(path))["new"] == 400


def test_a_refused_event_does_not_lose_its_neighbours(member: Member) -> None:
    bad = {"action": "Not An Action", "external_id": "bad"}
    events = [*numbered(2), bad, *numbered(5)[2:]]
    done = member.run("import", "--format", "tallystick", "-", input_text=lines(*events))
    assert done.returncode == 1
    assert done.stdout == "5 new, 0 known already, 1 refused\n"
    assert "standard input:3: refused: action" in done.stderr


def test_a_line_that_is_no_json_is_refused_with_its_number(member: Member) -> None:
    text = lines(*numbered(2)) + "\n{oops\n[1]\n" + lines({"action": "a.b"})
    done = member.run("import", "--format", "tallystick", "-", input_text=text)
    assert done.returncode == 1
    assert done.stdout == "3 new, 0 known already, 2 refused\n"
    assert "standard input:4: refused" in done.stderr
    assert "standard input:5: refused" in done.stderr


def test_other_content_under_a_known_id_counts_as_known_and_is_said(member: Member) -> None:
    counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(2)))
    changed = lines(*numbered(2, description="changed"))
    counted = counts(member, "--format", "tallystick", "-", input_text=changed)
    assert counted == {"new": 0, "known": 2, "conflicts": 2, "refused": 0}
    assert "different content" in member.run("import", "--format", "tallystick", "-", input_text=changed).stdout


def test_a_broken_file_is_named_and_the_others_are_read(member: Member, tmp_path: Path, trail: Path) -> None:
    broken, text, missing = tmp_path / "broken.gz", tmp_path / "notes.txt", tmp_path / "missing.json"
    broken.write_bytes(trail.read_bytes()[:100])
    text.write_text("these are no records")
    done = member.run("import", "--format", "cloudtrail", str(broken), str(text), str(missing), str(trail))
    assert done.returncode == 1
    assert done.stdout == "30 new, 0 known already, 3 refused\n"
    assert [name for name in (broken.name, text.name, missing.name) if name not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_a_busy_server_is_asked_again(member: Member) -> None:
    member.url = Wire(member.server.port, busy=2).url
    assert counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(5)))["new"] == 5


def test_events_whose_answer_was_lost_are_not_recorded_twice(member: Member) -> None:
    member.url = Wire(member.server.port, deaf=2).url
    nameless = [{"action": "project.viewed", "description": f"view {number}"} for number in range(5)]
    assert counts(member, "--format", "tallystick", "-", input_text=lines(*nameless))["new"] == 5
    assert member.total(action="project.viewed") == 5


def test_a_key_that_may_not_write_is_told_so(member: Member) -> None:
    member.key = member.new_key("events:read")
    done = member.run("import", "--format", "tallystick", "-", input_text=lines(*numbered(1)))
    assert done.returncode == 1
    assert "events:write" in done.stderr


@pytest.mark.skipif(not SAMPLES, reason="TALLYSTICK_SAMPLE_DATA names no folder of real CloudTrail files")
def test_real_logs_are_recorded_once_in_whatever_order(member: Member) -> None:
    files = sorted(map(str, Path(SAMPLES).rglob("*.json.gz")))
    first = counts(member, "--format", "cloudtrail", *files)
    again = counts(member, "--format", "cloudtrail", *files[::-1])
    assert (first["new"], first["refused"]) == (2900, 0)
    assert (again["new"], again["known"]) == (0, 2900)
    found = [member.total(**by) for by in ({"status": "failed"}, {"q": "AccessDenied"}, {"user": "bert-jan"})]
    assert found == [300, 16, 2642]
