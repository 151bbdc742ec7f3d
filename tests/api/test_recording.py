"""POST /v1/audit-logs: what is recorded, and what is answered."""

import gzip
import json
import uuid
import zlib
from concurrent.futures import ThreadPoolExecutor

import pytest
import zstandard

from tallystick.api.query_parameters import WAITS
from tests.api.api_client import PATH, ApiClient, event, plain_client, problem
from tests.fixtures.waiting import wait_until

STORY = {
    "action": "deployment.failed",
    "description": "terraform apply",
    "timestamp": "2024-01-15T14:30:45.120Z",
    "actor": {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"},
    "resource": {"type": "project", "id": "prj_88", "name": "api-infrastructure"},
    "context": {"ip_address": "192.168.1.50", "user_agent": "Chrome/120.0", "request_id": "req_1", "source": "api"},
    "changes": {"error": "Policy violation: S3 encryption required", "resources_planned": 5, "resources_applied": 2},
    "request": {"deployment_id": "dep_789", "trigger": "manual"},
    "response": {"status": 422},
    "metadata": {"team": "platform"},
    "external_id": "ci-4711",
}


def test_an_event_comes_back_as_it_was_sent_with_what_the_server_knows_added(acme):
    recorded = acme.post(STORY)
    assert recorded.status_code == 201
    (answered,) = recorded.json()["events"]
    shown = acme.get(f"{PATH}/{answered['id']}").json()
    assert {name: shown[name] for name in STORY if name != "timestamp"} == {
        name: value for name, value in STORY.items() if name != "timestamp"
    }
    assert shown["timestamp"] == answered["timestamp"] == "2024-01-15T14:30:45.120000Z"
    assert (shown["status"], shown["category"], shown["known"]) == ("failed", "deployments", True)
    assert (shown["id"], shown["index"]) == (answered["id"], answered["index"])
    assert shown["summary"] == "Sarah Lin failed to deploy api-infrastructure"
    assert shown["recorded_by"]["type"] == "api_key"


def test_the_answer_names_each_event_in_the_order_of_the_request(acme):
    answer = acme.post({"events": [event("first.done"), event("second.done"), event("third.done")]})
    events = answer.json()["events"]
    first = events[0]["index"]
    assert [one["index"] for one in events] == [first, first + 1, first + 2]
    assert [acme.get(f"{PATH}/{one['id']}").json()["action"] for one in events] == [
        "first.done",
        "second.done",
        "third.done",
    ]
    assert answer.json()["duplicate"] is False
    assert set(events[0]) == {"id", "index", "timestamp", "duplicate"}


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"action":"one.done"}', "application/json", id="one event"),
        pytest.param(b'[{"action":"one.done"}]', "application/json; charset=utf-8", id="a list"),
        pytest.param(b'{"events":[{"action":"one.done"}]}', "application/json", id="a list in an object"),
        pytest.param(b'\n{"action":"one.done"}\r\n\n', "application/x-ndjson", id="lines, blank ones among them"),
    ],
)
def test_every_form_of_a_body_is_taken(lasting, body, content_type):
    answer = lasting.post(body, headers={"Content-Type": content_type})
    assert (answer.status_code, len(answer.json()["events"])) == (201, 1), answer.text


def test_events_that_a_client_waits_for_are_found_at_once(acme):
    answer = acme.post(event("waited.for"), params={"wait": "searchable"})
    assert answer.status_code == 201
    page = acme.page(action="waited.for")
    assert [one["id"] for one in page["data"]] == [answer.json()["events"][0]["id"]]
    assert page["searchable_through"] >= answer.json()["events"][0]["index"]


class TestIdempotencyKey:
    def test_a_retry_gets_the_first_answer_and_records_nothing(self, acme):
        headers = {"Idempotency-Key": uuid.uuid4().hex}
        first = acme.post(event("once.done"), headers=headers)
        again = acme.post(event("once.done"), headers=headers)
        assert (first.status_code, again.status_code) == (201, 201)
        assert again.json() == {"events": first.json()["events"], "duplicate": True}
        acme.record(event("marker.done"))
        assert len(acme.actions(action="once.done")) == 1

    def test_the_same_body_packed_otherwise_is_the_same_body(self, acme):
        body, headers = json.dumps(event("packed.done")).encode(), {"Idempotency-Key": "packed"}
        acme.post(body, headers=headers)
        again = acme.post(gzip.compress(body), headers=headers | {"Content-Encoding": "gzip"})
        assert again.json()["duplicate"] is True

    def test_another_body_is_a_conflict(self, acme):
        headers = {"Idempotency-Key": "taken"}
        acme.post(event("once.done"), headers=headers)
        problem(acme.post(event("twice.done"), headers=headers), 409, "idempotency_conflict")

    def test_what_was_refused_is_not_remembered(self, acme):
        headers = {"Idempotency-Key": "retried"}
        problem(acme.post(event("Not An Action"), headers=headers), 422, "invalid_event")
        assert acme.post(event("better.now"), headers=headers).json()["duplicate"] is False

    def test_of_many_at_the_same_time_one_records(self, acme):
        headers = {"Idempotency-Key": "raced"}
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: acme.post(event("raced.done"), headers=headers), range(8)))
        assert {answer.status_code for answer in answers} == {201}
        assert sorted(answer.json()["duplicate"] for answer in answers) == [False] + [True] * 7
        assert len({answer.json()["events"][0]["id"] for answer in answers}) == 1

    @pytest.mark.parametrize("key", ["", "k" * 256])
    def test_an_empty_or_endless_one_is_refused(self, lasting, key):
        problem(lasting.post(event("never.done"), headers={"Idempotency-Key": key}), 400, "bad_idempotency_key")


def test_an_external_id_is_recorded_once(acme):
    one = event("import.done", external_id="row-1")
    first = acme.post({"events": [one, one]}).json()["events"]
    again = acme.post({"events": [one, one | {"description": "changed"}]}).json()["events"]
    assert [answer["duplicate"] for answer in first] == [False, True]
    assert [answer["duplicate"] for answer in again] == [True, True]
    assert again[1]["conflict"] is True
    assert "conflict" not in again[0]
    assert len({answer["id"] for answer in first + again}) == 1


class TestPackedBody:
    BODY = json.dumps({"events": [event("packed.done", description=f"line {n}") for n in range(100)]}).encode()

    @pytest.mark.parametrize(
        ("encoding", "packed"),
        [
            pytest.param("gzip", gzip.compress(BODY), id="gzip"),
            pytest.param("GZip", gzip.compress(BODY), id="in any case"),
            pytest.param("zstd", zstandard.compress(BODY), id="zstd"),
            pytest.param("identity", BODY, id="not at all"),
            pytest.param("gzip", gzip.compress(BODY[:700]) + gzip.compress(BODY[700:]), id="gzip in two members"),
            pytest.param(
                "zstd", zstandard.compress(BODY[:700]) + zstandard.compress(BODY[700:]), id="zstd in two frames"
            ),
        ],
    )
    def test_is_unpacked(self, lasting, encoding, packed):
        answer = lasting.post(packed, headers={"Content-Encoding": encoding})
        assert (answer.status_code, len(answer.json()["events"])) == (201, 100), answer.text

    def test_is_unpacked_however_it_arrives(self, lasting):
        packed = gzip.compress(self.BODY)
        chunks = (packed[place : place + 7] for place in range(0, len(packed), 7))
        headers = {"Content-Encoding": "gzip", "Content-Type": "application/json"}
        answer = lasting.http.post(PATH, content=chunks, headers=headers)
        assert (answer.status_code, len(answer.json()["events"])) == (201, 100), answer.text

    @pytest.mark.parametrize("encoding", ["br", "deflate", "gzip, zstd", "nonsense"])
    def test_in_another_way_is_refused_with_the_ways_there_are(self, lasting, encoding):
        answer = lasting.post(zlib.compress(self.BODY), headers={"Content-Encoding": encoding})
        problem(answer, 415, "unsupported_encoding")
        assert answer.headers["accept-encoding"] == "gzip, zstd, identity"


def test_many_clients_at_once_each_get_their_own_events(acme: ApiClient, running):
    def send(number: int) -> list[str]:
        with plain_client(running.url, Authorization=f"Bearer {acme.key}") as client:
            body = {"events": [event("crowd.done", external_id=f"{number}-{n}") for n in range(20)]}
            return [one["id"] for one in client.post(PATH, json=body).json()["events"]]

    with ThreadPoolExecutor(8) as pool:
        sent = list(pool.map(send, range(24)))
    everything = {one for ids in sent for one in ids}
    assert len(everything) == 24 * 20
    wait_until(lambda: acme.page(action="crowd.done", count="exact", limit=1)["total"] == 24 * 20)
    indexes = sorted(one["index"] for one in acme.page(limit=1000)["data"])
    assert indexes == list(range(len(indexes)))


def test_a_usual_request_has_the_answer_of_one_that_the_framework_handles(acme):
    """`wait=recorded` is the default, and a request with a query goes through the framework."""
    acme.post(event("first.done"))  # from now on the key is known without a question to the database
    for body, headers in (
        (event("a.done"), {}),
        (event("bad"), {}),
        (b"{", {}),
        (event("a.done"), {"Content-Type": "x/y"}),
    ):
        usual, other = (acme.post(body, headers=headers, params=given) for given in ({}, {"wait": WAITS[0]}))
        assert usual.status_code == other.status_code
        assert set(usual.headers.items()) - set(other.headers.items()) <= {
            ("x-request-id", usual.headers["x-request-id"])
        }
        assert usual.headers.keys() == other.headers.keys()
        assert usual.json().keys() == other.json().keys()
