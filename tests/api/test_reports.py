"""Reports and reviews over HTTP; nobody gets another's, and a key needs its scope."""

import hashlib
import json

import pytest

from tests.api.api_client import ApiClient, event, plain_client, problem
from tests.fixtures.waiting import wait_until

REPORTS, REVIEWS, REMINDER = "/v1/reports", "/v1/reviews", "/v1/review-reminder"
PERIOD = {"start": "2024-01-01", "end": "2024-01-31"}
AT = "2024-01-15T10:00:00Z"


@pytest.fixture(scope="module")
def alice(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "exports", "events:read", "events:write", "admin")
    made.record(*[event("user.login", timestamp=AT, metadata={"number": n}) for n in range(12)])
    made.record(event("deployment.failed", timestamp=AT))
    return made


@pytest.fixture(scope="module")
def charlie(organization, operator) -> ApiClient:
    made: ApiClient = operator.key(organization().org_id, "exports", "events:read", "events:write", "admin")
    return made


def post(asking: ApiClient, path: str, **content):
    return asking.http.post(path, content=json.dumps(content).encode())


def finished(asking: ApiClient, framework: str = "soc2"):
    answer = post(asking, REPORTS, framework=framework, **PERIOD)
    assert answer.status_code == 202, answer.text
    path = f"{REPORTS}/{answer.json()['id']}"
    wait_until(lambda: asking.get(path).json()["status"] not in ("queued", "running"))
    one = asking.get(path).json()
    assert one["status"] == "completed", one
    return one


@pytest.fixture(scope="module")
def report(alice):
    return finished(alice)


def test_a_report_counts_what_the_api_counts(alice, report):
    answer = alice.get(f"{REPORTS}/{report['id']}/content")
    assert hashlib.sha256(answer.content).hexdigest() == report["sha256"]
    said = answer.json()
    assert (said["format"], said["framework"], said["events"]) == ("tallystick-report/v1", "soc2", 13)
    for control in said["controls"]:
        for one in control["answers"]:
            page = alice.page(q=one["query"], **PERIOD, count="exact")
            assert (page["total"], page["total_relation"]) == (one["count"], "exact"), one["asks"]


def test_the_pdf_is_one_and_the_evidence_is_an_export(alice, report):
    assert alice.get(f"{REPORTS}/{report['id']}/pdf").content.startswith(b"%PDF")
    asked = alice.http.post(f"{REPORTS}/{report['id']}/evidence")
    assert asked.status_code == 202
    assert asked.json()["format"] == "evidence"
    path = f"/v1/exports/{asked.json()['id']}"
    wait_until(lambda: alice.get(path).json()["status"] not in ("queued", "running"))
    one = alice.get(path).json()
    assert (one["status"], one["rows"] >= 13) == ("completed", True)


def test_the_list_and_the_frameworks_are_there(alice, report):
    assert report["id"] in {one["id"] for one in alice.get(REPORTS).json()["data"]}
    known = alice.get("/v1/frameworks").json()
    assert [one["id"] for one in known["data"]] == ["soc2", "gdpr"]
    assert known["problems"] == []


def test_a_report_of_another_is_nobodys(alice, charlie, report):
    for path in ("", "/content", "/pdf"):
        problem(charlie.get(f"{REPORTS}/{report['id']}{path}"), 404, "no_report")
    problem(charlie.http.post(f"{REPORTS}/{report['id']}/evidence"), 404, "no_report")
    assert charlie.get(REPORTS).json() == {"data": []}


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        ({"framework": "iso", **PERIOD}, 404, "no_framework"),
        ({"framework": "soc2", "start": "2024-01-01"}, 400, "bad_report"),
        ({"framework": "soc2", **PERIOD, "colour": "red"}, 400, "bad_report"),
        ({"framework": "soc2", "start": "2999-01-01", "end": "2999-02-01"}, 400, "bad_report"),
        ({"framework": "soc2", "start": "x", "end": "y"}, 400, "bad_parameter"),
        ({"framework": "soc2", **PERIOD, "tz": "Mars"}, 400, "bad_parameter"),
    ],
)
def test_a_bad_report_is_refused(charlie, content, status, code):
    problem(post(charlie, REPORTS, **content), status, code)


def test_a_key_signs_a_review_at_once_and_the_trail_says_so(alice):
    (wanted,) = alice.page(q="action:deployment.failed")["data"]
    answer = post(
        alice, REVIEWS, period=PERIOD, query="status:failed", about="soc2 CC8.1", conclusion="One, explained.",
        findings=[{"event": wanted["id"], "severity": "medium", "note": "S3"}],
    )  # fmt: skip
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["status"], made["events"], made["as_signed"]) == ("signed", 1, True)
    assert made["signed_by"]["type"] == "api_key"
    content = alice.get(f"{REVIEWS}/{made['id']}/content").content
    assert hashlib.sha256(content).hexdigest() == made["sha256"]
    told = wait_until(lambda: alice.page(q=f"action:audit_log.review_signed resource:{made['id']}")["data"])
    assert told[0]["metadata"]["sha256"] == made["sha256"]
    problem(post(alice, f"{REVIEWS}/{made['id']}/sign", conclusion="Again."), 409, "review_over")


def test_a_review_is_opened_noted_and_signed_in_steps(alice):
    wanted = alice.page(q="action:user.login")["data"][0]
    one = post(alice, REVIEWS, period=PERIOD).json()
    assert (one["status"], one["overdue"], one["findings"]) == ("open", False, [])
    problem(alice.get(f"{REVIEWS}/{one['id']}/content"), 409, "not_signed")
    marked = post(alice, f"{REVIEWS}/{one['id']}/findings", event=wanted["id"], note="?")
    assert [found["event"] for found in marked.json()["findings"]] == [wanted["id"]]
    path = f"{REVIEWS}/{one['id']}/findings/{wanted['id']}"
    assert alice.http.delete(path).json()["findings"] == []
    problem(alice.http.delete(path), 404, "no_finding")
    signed = post(alice, f"{REVIEWS}/{one['id']}/sign", conclusion="Nothing.").json()
    assert (signed["status"], signed["events"]) == ("signed", 13)
    assert one["id"] in {found["id"] for found in alice.get(REVIEWS, status="signed").json()["data"]}
    other = post(alice, REVIEWS, period=PERIOD, corrects=one["id"]).json()
    assert alice.http.post(f"{REVIEWS}/{other['id']}/withdraw").json()["status"] == "withdrawn"


def test_nothing_is_kept_of_a_review_with_a_bad_finding(alice):
    before = alice.get(REVIEWS).json()
    findings = [{"event": "evt_01hm6gkt3gfh2tjfe9bqbp34fr"}]
    problem(post(alice, REVIEWS, period=PERIOD, findings=findings, conclusion="Fine."), 400, "bad_finding")
    problem(post(alice, REVIEWS, period=PERIOD, query="statsu:failed"), 400, "bad_query")
    problem(post(alice, REVIEWS, period={"start": "", "end": "2024-01-01"}), 400, "bad_review")
    assert alice.get(REVIEWS).json() == before


def test_a_review_of_another_is_nobodys(alice, charlie):
    one = post(alice, REVIEWS, period=PERIOD).json()
    path = f"{REVIEWS}/{one['id']}"
    for answer in (
        charlie.get(path),
        charlie.get(f"{path}/content"),
        post(charlie, f"{path}/findings", event="evt_01hm6gkt3gfh2tjfe9bqbp34fr"),
        charlie.http.delete(f"{path}/findings/evt_01hm6gkt3gfh2tjfe9bqbp34fr"),
        post(charlie, f"{path}/sign", conclusion="Mine."),
        charlie.http.post(f"{path}/withdraw"),
        post(charlie, REVIEWS, period=PERIOD, corrects=one["id"]),
        charlie.get(REVIEWS, before="rev_nothing"),
    ):
        problem(answer, 404, "no_review")
    assert charlie.get(REVIEWS).json() == {"data": []}
    assert alice.get(path).json()["status"] == "open"


def test_a_reminder_goes_to_people_of_the_organization_alone(charlie):
    assert charlie.get(REMINDER).json()["reminder"] is None
    content = json.dumps({"weekday": 0, "at": "09:00", "recipients": ["nobody@example.com"]}).encode()
    problem(charlie.http.put(REMINDER, content=content), 400, "bad_reminder")
    assert charlie.http.delete(REMINDER).status_code == 200


def test_a_key_without_the_scope_does_nothing(alice, operator, report):
    reader = operator.key(alice.org_id, "events:read")
    for answer in (
        reader.get(REPORTS),
        reader.get(f"{REPORTS}/{report['id']}"),
        reader.get(f"{REPORTS}/{report['id']}/content"),
        reader.get(f"{REPORTS}/{report['id']}/pdf"),
        reader.http.post(f"{REPORTS}/{report['id']}/evidence"),
        post(reader, REPORTS, framework="soc2", **PERIOD),
        post(reader, REVIEWS, period=PERIOD),
        reader.http.put(REMINDER, content=b"{}"),
        reader.http.delete(REMINDER),
    ):
        problem(answer, 403, "missing_permission")
    assert reader.get(REVIEWS).status_code == 200


def test_a_stranger_without_a_key_gets_nothing(running):
    with plain_client(running.url) as http:
        for path in (REPORTS, REVIEWS, REMINDER, "/v1/frameworks"):
            problem(http.get(path), 401, "no_api_key")
