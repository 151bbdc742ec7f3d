"""`tallystick import`: real logs from files, each event once, nothing lost beside a bad one."""

import gzip
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import pytest

from tallystick.clock import now_us, rfc3339
from tallystick.events.importers import cloudtrail
from tests.cli.running import Member
from tests.cli.wire import Wire

NOW = rfc3339(now_us())
NONE_OLDER = {"older": 0, "expires_soon": 0}
SAMPLES = os.environ.get("TALLYSTICK_SAMPLE_DATA", "")


def lines(*events: dict[str, Any]) -> str:
    return "".join(json.dumps(event) + "\n" for event in events)


def numbered(count: int, **more: Any) -> list[dict[str, Any]]:
    viewed = {"action": "project.viewed", "timestamp": NOW}
    return [viewed | {"external_id": f"view-{number}"} | more for number in range(count)]


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


@pytest.mark.parametrize("earlier_form", cloudtrail.EARLIER_FORMS)
def test_a_record_that_an_earlier_version_imported_is_known_and_no_conflict(
    member: Member, trail: Path, earlier_form: Any
) -> None:
    with gzip.open(trail) as file:
        records = json.load(file)["Records"]
    earlier = [earlier_form(cloudtrail.event_of_record(record)) for record in records]
    counts(member, "--format", "tallystick", "-", input_text=lines(*earlier))
    again = counts(member, "--format", "cloudtrail", str(trail))
    assert (again["new"], again["known"], again["conflicts"]) == (0, 30, 0)


def test_a_record_that_was_changed_since_is_a_conflict(member: Member, trail: Path, tmp_path: Path) -> None:
    counts(member, "--format", "cloudtrail", str(trail))
    changed = tmp_path / "changed.json"
    changed.write_text(json.dumps({"Records": [trail_record(0, eventName="DeleteBucket")]}))
    again = counts(member, "--format", "cloudtrail", str(changed))
    assert (again["new"], again["known"], again["conflicts"]) == (0, 1, 1)


def test_lines_from_standard_input_are_recorded(member: Member) -> None:
    counted = counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(3)))
    assert counted == {"new": 3, "known": 0, "conflicts": 0, "refused": 0, "imported": 0, "dropped": 0} | NONE_OLDER


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
    bad = {"action": "a.b", "timestamp": NOW, "status": "pending", "external_id": "bad"}
    events = [*numbered(2), bad, *numbered(5)[2:]]
    done = member.run("import", "--format", "tallystick", "-", input_text=lines(*events))
    assert done.returncode == 1
    assert done.stdout == "5 new, 0 known already, 1 refused\n"
    assert "standard input:3: refused: status" in done.stderr


def test_a_line_that_is_no_json_is_refused_with_its_number(member: Member) -> None:
    text = lines(*numbered(2)) + "\n{oops\n[1]\n" + lines({"action": "a.b", "timestamp": NOW})
    done = member.run("import", "--format", "tallystick", "-", input_text=text)
    assert done.returncode == 1
    assert done.stdout == "3 new, 0 known already, 2 refused\n"
    assert "standard input:4: refused" in done.stderr
    assert "standard input, event 4: refused" in done.stderr


def test_other_content_under_a_known_id_counts_as_known_and_is_said(member: Member) -> None:
    counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(2)))
    changed = lines(*numbered(2, description="changed"))
    counted = counts(member, "--format", "tallystick", "-", input_text=changed)
    assert counted == {"new": 0, "known": 2, "conflicts": 2, "refused": 0, "imported": 0, "dropped": 0} | NONE_OLDER
    assert "different content" in member.run("import", "--format", "tallystick", "-", input_text=changed).stdout


def test_a_broken_file_is_named_and_the_others_are_read(member: Member, tmp_path: Path, trail: Path) -> None:
    broken, text, missing = tmp_path / "broken.gz", tmp_path / "notes.txt", tmp_path / "missing.json"
    broken.write_bytes(trail.read_bytes()[:30])
    text.write_text("these are no records")
    done = member.run("import", "--format", "cloudtrail", str(broken), str(text), str(missing), str(trail))
    assert done.returncode == 1
    assert done.stdout == "30 new, 0 known already, 3 refused\n"
    assert [name for name in (broken.name, text.name, missing.name) if name not in done.stderr] == []
    assert "Traceback" not in done.stderr


def test_the_whole_records_of_a_cut_file_are_recorded(member: Member, tmp_path: Path) -> None:
    records = [trail_record(number, requestParameters={"bucketName": os.urandom(200).hex()}) for number in range(50)]
    path = tmp_path / "cut.json.gz"
    packed = gzip.compress(json.dumps({"Records": records}).encode())
    path.write_bytes(packed[: len(packed) // 2])
    done = member.run("import", "--format", "cloudtrail", str(path))
    assert done.returncode == 1
    assert 20 <= int(done.stdout.split()[0]) <= 26
    assert "broken gzip (it ends too early); what came before it was read" in done.stderr


def test_all_that_lies_in_a_bucket_is_read_and_what_is_of_another_kind_is_counted(
    member: Member, tmp_path: Path
) -> None:
    day, digests = tmp_path / "AWSLogs/1/CloudTrail/eu-west-1/2024/05/06", tmp_path / "AWSLogs/1/CloudTrail-Digest"
    for folder in (day, digests, tmp_path / "AWSLogs/1/elasticloadbalancing"):
        folder.mkdir(parents=True)
    pages = [[trail_record(number) for number in range(start, start + 5)] for start in (0, 5, 10)]
    first, second, third = (json.dumps({"Records": page}).encode() for page in pages)
    (day / "a.json.gz").write_bytes(gzip.compress(first) + gzip.compress(second))
    (day / "b.json").write_bytes(b"\xef\xbb\xbf" + third)
    (day / "empty").write_bytes(b"")
    (digests / "d.json.gz").write_bytes(gzip.compress(b'{"digestStartTime":"2024-05-06T07:00:00Z","logFiles":[]}'))
    (tmp_path / "AWSLogs/1/elasticloadbalancing/x.log").write_text('https 2024-05-06T07:08:00Z app/web/1 "GET /"\n')
    (tmp_path / "AWSLogs/1/ConfigWritabilityCheckFile").write_text("x")
    done = member.run("import", "--format", "cloudtrail", str(tmp_path))
    assert (done.returncode, done.stdout) == (0, "15 new, 0 known already, 0 refused\n")
    assert "3 files of other kinds were left out" in done.stderr


SENT = [
    {
        "action": "deployment.failed", "description": "terraform apply", "timestamp": "2024-01-15T14:30:45.120Z",
        "status": "failed", "category": "deployments",
        "actor": {"type": "user", "id": "usr_1", "email": "sarah@acme.com", "name": "Sarah\u202eLin",
                  "on_behalf_of": {"type": "user", "id": "usr_2", "name": "יעל"}},
        "resource": {"type": "project", "id": "prj_1", "name": 'api\ninfra, } ] " ['},
        "context": {"ip_address": "192.0.2.1", "user_agent": "curl/8", "request_id": "r", "session_id": "s",
                    "trace_id": "t", "source": "ci"},
        "changes": {"error": "=1+1", "deep": [{"a": [1, 2.5, None, True]}]}, "request": {"token": "secret"},
        "response": {"status": 422}, "metadata": {"team": "プラットフォーム"}, "external_id": "ci-4711",
    },
    {"action": "widget.frobbed", "timestamp": "2024-01-16T00:00:00Z", "actor": {"type": "system", "id": "cron"}},
    *({"action": "project.viewed", "timestamp": f"2024-02-01T00:00:{n:02}Z", "metadata": {"n": n}} for n in range(30)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("form", "packed"), [("json", False), ("json", True), ("ndjson", False), ("ndjson", True), ("bundle", False)]
)
def test_our_own_export_imported_elsewhere_gives_the_same_events(
    member: Member, another_member: Member, tmp_path: Path, form: str, packed: bool
) -> None:
    member.record(*SENT)
    exporting = {"TALLYSTICK_API_KEY": member.new_key("exports", "events:read")}
    path = tmp_path / "export"
    only = ("--action", "deployment.*", "--action", "widget.*", "--action", "project.*")
    assert member.run("export", "--format", form, *only, "-o", str(path), **exporting).returncode == 0
    path.write_bytes(gzip.compress(path.read_bytes()) if packed else path.read_bytes())
    expected = {"new": len(SENT), "known": 0, "conflicts": 0, "refused": 0, "imported": 0, "dropped": 0} | NONE_OLDER
    assert counts(another_member, "--format", "tallystick", str(path)) == expected
    assert counts(another_member, "--format", "tallystick", str(path)) == expected | {"new": 0, "known": len(SENT)}
    assert another_member.total(action="project.viewed") == 30
    there, here = ({one["timestamp"]: one for one in events_of(each)} for each in (another_member, member))
    assert len(there) == len(SENT)
    for at, event in here.items():
        assert there[at].pop("external_id") == event.pop("external_id", event["id"])
        for name in ("id", "index", "received_at", "recorded_by"):
            assert there[at].pop(name) != event.pop(name, None) or name == "index"
        # An event without an actor was recorded with the key as its actor, and keeps it.
        assert there[at] == event


@pytest.mark.parametrize("form", ["json", "ndjson", "bundle"])
def test_our_own_export_imported_where_it_comes_from_is_known_without_conflicts(
    member: Member, tmp_path: Path, form: str
) -> None:
    sparse = {"action": "project.viewed", "timestamp": NOW, "external_id": "sparse", "request": {"token": "secret"}}
    member.record(*SENT, sparse, sparse | {"external_id": "more", "resources": [{"type": "a", "id": 1}]})
    exporting = {"TALLYSTICK_API_KEY": member.new_key("exports", "events:read")}
    path = tmp_path / "export"
    assert member.run("export", "--format", form, "-o", str(path), **exporting).returncode == 0
    again = counts(member, "--format", "tallystick", str(path))
    assert (again["new"], again["conflicts"], again["refused"], again["imported"]) == (0, 0, 0, 0)
    assert again["known"] >= len(SENT) + 2


@pytest.mark.parametrize("form", ["csv", "parquet", "pdf"])
def test_an_export_that_cannot_be_imported_is_refused_in_words(member: Member, tmp_path: Path, form: str) -> None:
    member.record(*SENT)
    exporting = {"TALLYSTICK_API_KEY": member.new_key("exports", "events:read")}
    path = tmp_path / f"export.{form}"
    assert member.run("export", "--format", form, "-o", str(path), **exporting).returncode == 0
    done = member.run("import", "--format", "tallystick", str(path))
    assert (done.returncode, done.stdout) == (1, "0 new, 0 known already, 1 refused\n")
    assert "export cannot be imported: export as json, ndjson or bundle instead" in done.stderr.replace("\n", " ")


def events_of(member: Member) -> list[dict[str, Any]]:
    with member.server.client(member.key) as client:
        answer = client.get("/v1/audit-logs", params={"action": ["deployment.*", "widget.*", "project.*"]},
                            headers={"Accept": "application/x-ndjson"})  # fmt: skip
    return [json.loads(line) for line in answer.text.splitlines()]


def test_a_broken_array_is_said_and_the_events_before_it_are_recorded(member: Member, tmp_path: Path) -> None:
    path = tmp_path / "export.json"
    path.write_text(json.dumps(numbered(3))[:-5])
    done = member.run("import", "--format", "tallystick", str(path))
    assert done.returncode == 1
    assert done.stdout == "2 new, 0 known already, 1 refused\n"
    assert "event 3: refused: the file ends within it (byte " in done.stderr
    assert "; what came before it was read" in done.stderr


def test_an_event_whose_actor_was_erased_is_refused_instead_of_recorded_with_another(member: Member) -> None:
    erased = {"id": "evt_1", "action": "project.viewed", "actor": {}, "erased": ["who"]}
    done = member.run("import", "--format", "tallystick", "-", input_text=json.dumps([erased, *numbered(1)]))
    assert done.stdout == "1 new, 0 known already, 1 refused\n"
    assert "parts of this event were erased (who)" in done.stderr


def test_a_busy_server_is_asked_again(member: Member) -> None:
    member.url = Wire(member.server.port, busy=2).url
    assert counts(member, "--format", "tallystick", "-", input_text=lines(*numbered(5)))["new"] == 5


def test_events_whose_answer_was_lost_are_not_recorded_twice(member: Member) -> None:
    member.url = Wire(member.server.port, deaf=2).url
    nameless = [{"action": "project.viewed", "timestamp": NOW, "description": f"view {number}"} for number in range(5)]
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


def test_a_record_over_the_size_limit_is_recorded_shortened_and_keeps_its_hash(member: Member, tmp_path: Path) -> None:
    policy = {"roleName": "ci", "policyName": "all", "policyDocument": "x" * 1_000_000}
    large = trail_record(1, eventSource="iam.amazonaws.com", eventName="PutRolePolicy", requestParameters=policy)
    path = tmp_path / "large.json"
    path.write_text(json.dumps({"Records": [trail_record(0), large, trail_record(2)]}))
    assert counts(member, "--format", "cloudtrail", str(path))["new"] == 3
    assert member.total(resource="ci") == 1
    with member.server.client(member.key) as client:
        [event] = client.get("/v1/audit-logs", params={"resource": "ci"}).json()["data"]
    whole = json.dumps(large, separators=(",", ":")).encode()
    assert event["metadata"]["shortened"] == {
        "sha256": hashlib.sha256(whole).hexdigest(), "bytes": len(whole), "values": ["request.policyDocument"],
    }  # fmt: skip


def test_failed_sign_ins_of_a_trail_are_what_detections_look_for(member: Member, tmp_path: Path) -> None:
    fields = {"eventSource": "signin.amazonaws.com", "eventName": "ConsoleLogin", "eventType": "AwsConsoleSignIn",
              "responseElements": {"ConsoleLogin": "Failure"}, "requestParameters": None}  # fmt: skip
    path = tmp_path / "sign-ins.ndjson"
    path.write_text("".join(json.dumps(trail_record(number, **fields)) + "\n" for number in range(5)))
    assert counts(member, "--format", "cloudtrail", str(path))["new"] == 5
    assert member.total(action="user.login_failed", status="failed", user="alice") == 5
    assert member.total(q="original:signin:ConsoleLogin") == 5


def test_a_record_without_its_time_is_refused_instead_of_dated_now(member: Member, tmp_path: Path) -> None:
    path = tmp_path / "trail.json"
    path.write_text(json.dumps([trail_record(0), trail_record(1, eventTime=None)]))
    done = member.run("import", "--format", "cloudtrail", str(path))
    assert done.stdout == "1 new, 0 known already, 1 refused\n"
    assert "record 2: refused: the record has no eventTime" in done.stderr
