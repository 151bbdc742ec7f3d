"""Bad events and bodies: a clear answer each, nothing recorded of that request, the server unharmed."""

import gzip
import json
import random
import zlib
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.api.api_client import PATH, ApiClient, event, problem
from tests.fixtures.waiting import wait_until

MEGABYTE = 1 << 20
GOOD = event("bad_input.never")


@pytest.fixture(scope="module")
def sound(lasting: ApiClient) -> ApiClient:
    """An organization whose own first events are recorded, so that its size changes by what tests send alone."""
    wait_until(lambda: lasting.size() == 2)
    return lasting


@pytest.fixture(autouse=True)
def nothing_is_recorded_and_the_server_is_unharmed(sound):
    """Holds for every test of this file."""
    yield
    assert sound.http.get("/healthz").json() == {"status": "ok"}
    assert sound.actions(action="bad_input.*") == []
    assert sound.size() == 2


def refused(sound: ApiClient, sent: Any, code: str, field: str, index: int = 0, **headers: str) -> None:
    """Sent between two good events, it is named by its index and field."""
    members = problem(sound.post(sent, headers=headers), 422, "invalid_event")
    assert (index, field, code) in [(one["index"], one["field"], one["code"]) for one in members["errors"]]
    assert all(one["detail"] for one in members["errors"])


EVENTS = [
    pytest.param({"description": "no action"}, "missing_field", "action", id="no action"),
    pytest.param(event(""), "bad_action", "action", id="an empty action"),
    pytest.param(event("Deployed"), "bad_action", "action", id="an action that is none"),
    pytest.param(event("a." + "b" * 99), "too_long", "action", id="an endless action"),
    pytest.param(GOOD | {"colour": "red"}, "unknown_field", "colour", id="an unknown field"),
    pytest.param(GOOD | {"actor": {"mail": "x"}}, "unknown_field", "actor.mail", id="an unknown field inside"),
    pytest.param(GOOD | {"actor": "john"}, "wrong_type", "actor", id="a text for an object"),
    pytest.param(GOOD | {"changes": []}, "wrong_type", "changes", id="a list for an object"),
    pytest.param(GOOD | {"description": 5}, "wrong_type", "description", id="a number for a text"),
    pytest.param(GOOD | {"status": "maybe"}, "unknown_value", "status", id="an unknown status"),
    pytest.param(GOOD | {"category": "things"}, "unknown_value", "category", id="an unknown category"),
    pytest.param(GOOD | {"actor": {"type": "robot"}}, "unknown_value", "actor.type", id="an unknown actor"),
    pytest.param(GOOD | {"resource": {"id": "1"}}, "missing_field", "resource.type", id="a resource without type"),
    pytest.param(GOOD | {"resource": {"type": "t"}}, "missing_field", "resource.id", id="a resource without id"),
    pytest.param(GOOD | {"context": {"ip_address": "here"}}, "bad_ip", "context.ip_address", id="no address"),
    pytest.param(GOOD | {"timestamp": "1970-01-01T00:00:00Z"}, "timestamp_too_old", "timestamp", id="year 1970"),
    pytest.param(GOOD | {"timestamp": "2999-01-01T00:00:00Z"}, "timestamp_in_future", "timestamp", id="year 2999"),
    pytest.param(GOOD | {"timestamp": "2024-01-15T14:30:45"}, "bad_timestamp", "timestamp", id="a time without zone"),
    pytest.param(GOOD | {"timestamp": "yesterday"}, "bad_timestamp", "timestamp", id="no time at all"),
    pytest.param(GOOD | {"timestamp": 1705329045}, "wrong_type", "timestamp", id="a number for a time"),
    pytest.param(GOOD | {"description": "a\0b"}, "nul_character", "description", id="NUL"),
    pytest.param(GOOD | {"changes": {"a": {"b\0": 1}}}, "nul_character", "changes.a.b\\u0000", id="NUL in a key"),
    pytest.param(GOOD | {"metadata": {"x": "\ud800"}}, "lone_surrogate", "metadata.x", id="half a surrogate pair"),
    pytest.param(GOOD | {"description": "d" * MEGABYTE}, "too_long", "description", id="1 MB for a description"),
    pytest.param(GOOD | {"changes": {"x": "d" * MEGABYTE}}, "event_too_large", "", id="1 MB in the details"),
    pytest.param(GOOD | {"external_id": "e" * 129}, "too_long", "external_id", id="an endless external id"),
]


@pytest.mark.parametrize(("bad", "code", "field"), EVENTS)
def test_a_bad_event_is_named_and_those_beside_it_are_not_recorded(sound, bad, code, field):
    refused(sound, {"events": [GOOD, bad, GOOD]}, code, field, 1)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 5000])
def test_a_number_that_nothing_could_keep_is_refused(sound, number):
    body = json.dumps(GOOD)[:-1] + f', "request": {{"n": {number}}}}}'
    refused(sound, body.encode(), "number_out_of_range", "request.n")


@pytest.mark.parametrize("depth", [20, 40, 10_000])
def test_deep_nesting_is_refused(sound, depth):
    body = json.dumps(GOOD)[:-1] + ', "changes": ' + '{"k":' * depth + "1" + "}" * depth + "}"
    answer = sound.post(body.encode())
    if answer.status_code == 400:
        problem(answer, 400, "too_deep")
    else:
        assert "too_deep" in [one["code"] for one in problem(answer, 422, "invalid_event")["errors"]]


def test_every_problem_is_named_in_order_of_index(sound):
    members = problem(sound.post({"events": [GOOD | {"x": 1}, GOOD, {"y": 1}, 7]}), 422, "invalid_event")
    assert [one["index"] for one in members["errors"]] == [0, 2, 2, 3]


BODIES = [
    pytest.param(b"", "bad_json", id="nothing"),
    pytest.param(b"   ", "bad_json", id="blanks"),
    pytest.param(b"{", "bad_json", id="half of JSON"),
    pytest.param(b'{"action":"bad_input.never"} trailing', "bad_json", id="something behind the JSON"),
    pytest.param(b'{"action":"bad_input.never"}\n{"action":"bad_input.never"}', "bad_json", id="lines said to be JSON"),
    pytest.param(b'{"action":"bad_input.\xff"}', "bad_json", id="no UTF-8"),
    pytest.param(b"[" * 100_000, "too_deep", id="a hundred thousand brackets"),
    pytest.param(b'"a text"', "bad_body", id="a text"),
    pytest.param(b"null", "bad_body", id="null"),
    pytest.param(b'{"events": 5}', "bad_body", id="events that are none"),
    pytest.param(b'{"events": [{"action":"bad_input.never"}], "more": 1}', "bad_body", id="more beside the events"),
    pytest.param(b'{"events": []}', "no_events", id="no events"),
]


@pytest.mark.parametrize(("body", "code"), BODIES)
def test_a_body_that_is_none_is_refused(sound, body, code):
    problem(sound.post(body), 400, code)


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "nonsense"]
)
def test_another_type_is_refused(sound, content_type):
    problem(sound.post(GOOD, headers={"Content-Type": content_type}), 415, "unsupported_media_type")


def test_more_than_a_thousand_events_are_refused(sound):
    problem(sound.post({"events": [GOOD] * 1001}), 413, "too_many_events")


class TestTooLarge:
    LARGE = json.dumps({"events": [GOOD | {"metadata": {"x": "x" * 60_000}}] * 200}).encode()

    def test_a_body_of_a_said_length(self, sound):
        assert len(self.LARGE) > 10 * MEGABYTE
        problem(sound.post(self.LARGE), 413, "too_large")

    def test_a_body_in_chunks_that_says_no_length(self, sound):
        def chunks():
            for place in range(0, len(self.LARGE), 50_000):
                yield self.LARGE[place : place + 50_000]

        problem(sound.http.post(PATH, content=chunks(), headers={"Content-Type": "application/json"}), 413, "too_large")

    @pytest.mark.parametrize(("encoding", "pack"), [("gzip", gzip.compress), ("zstd", zstandard.compress)])
    def test_a_body_that_is_small_while_packed(self, sound, encoding, pack):
        problem(sound.post(pack(self.LARGE), headers={"Content-Encoding": encoding}), 413, "too_large")

    def test_a_packed_body_that_is_large_itself(self, sound):
        noise = random.Random(1).randbytes(11 * MEGABYTE)
        problem(sound.post(gzip.compress(noise, 0), headers={"Content-Encoding": "gzip"}), 413, "too_large")

    @pytest.mark.parametrize("encoding", ["gzip", "zstd"])
    def test_a_bomb_is_given_up_at_the_limit(self, sound, running, encoding):
        before = memory_of(running)
        problem(sound.post(bomb(encoding), headers={"Content-Encoding": encoding}), 413, "too_large")
        assert memory_of(running) - before < 100 * MEGABYTE

    @pytest.mark.parametrize(
        ("encoding", "member"), [("gzip", gzip.compress(b"")), ("zstd", zstandard.compress(b""))], ids=["gzip", "zstd"]
    )
    def test_many_empty_members_are_given_up_at_a_thousand(self, sound, encoding, member):
        packed = member * 200_000
        problem(sound.post(packed, headers={"Content-Encoding": encoding}), 400, "bad_encoding")

    def test_a_form_of_more_than_64_kb_is_refused(self, sound):
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
        assert sound.http.post("/sign-in", content=b"a=&" * 3_000_000, headers=headers).status_code == 413
        assert sound.http.post("/sign-in", content=b"a=&" * 2_000, headers=headers).status_code == 413


def bomb(encoding: str) -> bytes:
    """Two hundred megabytes of zeros."""
    if encoding == "zstd":
        packing = zstandard.ZstdCompressor(level=3).compressobj()
        return b"".join([packing.compress(bytes(MEGABYTE)) for _ in range(200)]) + packing.flush()
    member = zlib.compressobj(6, wbits=31)
    return b"".join([member.compress(bytes(MEGABYTE)) for _ in range(200)]) + member.flush()


def memory_of(running: Any) -> int:
    """Resident bytes of the server."""
    with open(f"/proc/{running.process.pid}/statm", encoding="ascii") as statm:  # noqa: PTH123
        return int(statm.read().split()[1]) * 4096


PACKED = gzip.compress(json.dumps(GOOD).encode())
FRAME = zstandard.compress(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        pytest.param("gzip", b"", id="gzip: nothing"),
        pytest.param("gzip", b"{}", id="gzip: not packed at all"),
        pytest.param("gzip", PACKED[:-1], id="gzip: cut off"),
        pytest.param("gzip", PACKED[:20], id="gzip: cut off in the middle"),
        pytest.param("gzip", PACKED[:30] + b"\xff\xff" + PACKED[32:], id="gzip: damaged"),
        pytest.param("gzip", PACKED[:-8] + b"\0" * 8, id="gzip: a wrong checksum"),
        pytest.param("gzip", PACKED + b"more", id="gzip: something behind it"),
        pytest.param("gzip", PACKED + b"\0\0", id="gzip: zeros behind it"),
        pytest.param("gzip", PACKED + PACKED[:15], id="gzip: half a member behind it"),
        pytest.param("gzip", zlib.compress(json.dumps(GOOD).encode()), id="gzip: zlib instead"),
        pytest.param("zstd", b"", id="zstd: nothing"),
        pytest.param("zstd", b"{}", id="zstd: not packed at all"),
        pytest.param("zstd", FRAME[:-1], id="zstd: cut off"),
        pytest.param("zstd", FRAME + b"more", id="zstd: something behind it"),
        pytest.param("zstd", FRAME + FRAME[:9], id="zstd: half a frame behind it"),
        pytest.param("zstd", PACKED, id="zstd: gzip instead"),
        pytest.param(
            "zstd",
            zstandard.ZstdCompressor(
                compression_params=zstandard.ZstdCompressionParameters(window_log=27, strategy=1)
            ).compressobj().compress(b"x" * 300) + b"",
            id="zstd: an endless window",
        ),
    ],
)  # fmt: skip
def test_a_broken_packing_is_refused(sound, encoding, body):
    problem(sound.post(body, headers={"Content-Encoding": encoding}), 400, "bad_encoding")


def test_a_client_that_goes_away_in_the_middle_leaves_nothing(sound, running):
    def half():
        yield b'{"action": "bad_input.never"'
        raise ConnectionAbortedError

    with pytest.raises(ConnectionAbortedError):
        sound.http.post(PATH, content=half(), headers={"Content-Type": "application/json"})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
FIELDS = st.sampled_from(["action", "actor", "resource", "context", "timestamp", "changes", "metadata", "events", "x"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sent=st.one_of(JSON, st.dictionaries(FIELDS, JSON, min_size=1)))
def test_whatever_json_is_sent_the_answer_is_a_clear_no(sound, sent):
    answer = sound.post(json.dumps(sent).encode())
    assert answer.status_code in (400, 422), answer.text
    assert problem(answer, answer.status_code, answer.json()["code"])


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=st.binary(max_size=200), encoding=st.sampled_from(["gzip", "zstd", "identity"]))
def test_whatever_bytes_are_sent_the_answer_is_a_clear_no(sound, body, encoding):
    answer = sound.post(body, headers={"Content-Encoding": encoding})
    assert answer.status_code in (400, 422), answer.text
    assert problem(answer, answer.status_code, answer.json()["code"])
