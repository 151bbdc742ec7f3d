"""What holds for every path: keys, limits, errors, health, metrics."""

import http.client
import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tallystick.clock import now_us
from tests.api.api_client import PATH, Operator, event, problem
from tests.fixtures.waiting import wait_until

READING = [
    PATH,
    f"{PATH}/histogram",
    f"{PATH}/facets?field=user",
    f"{PATH}/live",
    "/v1/actions",
    f"{PATH}/evt_{'0' * 26}",
]
OPEN = ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/docs/docs.css"]


class TestKey:
    @pytest.mark.parametrize("path", READING)
    def test_none_is_refused(self, stranger, path):
        answer = stranger.get(path)
        problem(answer, 401, "no_api_key")
        assert answer.headers["www-authenticate"] == "Bearer"

    @pytest.mark.parametrize(
        ("header", "code"),
        [
            ("Bearer tsk_000000000000000000000000000000000000", "bad_api_key"),
            ("Bearer nonsense", "bad_api_key"),
            ("Bearer", "bad_authorization"),
            ("Basic dXNlcjpwYXNz", "bad_authorization"),
            ("tsk_000000000000000000000000000000000000", "bad_authorization"),
        ],
    )
    def test_a_wrong_one_is_refused(self, stranger, header, code):
        for answer in (
            stranger.get(PATH, headers={"Authorization": header}),
            stranger.post(PATH, headers={"Authorization": header}, json=event("never.done")),
        ):
            problem(answer, 401, code)
            assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'

    def test_several_are_refused(self, lasting, stranger):
        headers = [("Authorization", f"Bearer {lasting.key}")] * 2
        problem(stranger.get(PATH, headers=headers), 401, "bad_authorization")

    def test_the_scheme_is_known_in_any_case(self, lasting, stranger):
        answer = stranger.get(PATH, headers={"Authorization": f"bearer {lasting.key}"})
        assert answer.status_code == 200

    def test_one_that_only_records_cannot_read(self, lasting, operator: Operator):
        writer = operator.key(lasting.org_id, "events:write")
        assert writer.post(event("written.only")).status_code == 201
        for path in READING:
            assert problem(writer.http.get(path), 403, "missing_permission")["permission"] == "events:read"

    def test_one_that_only_reads_cannot_record(self, lasting, operator: Operator):
        reader = operator.key(lasting.org_id, "events:read")
        assert reader.get(limit=1).status_code == 200
        assert problem(reader.post(event("never.done")), 403, "missing_permission")["permission"] == "events:write"

    def test_one_that_has_expired_is_refused(self, lasting, operator: Operator):
        ended = operator.key(lasting.org_id, expires_at=now_us() + 400_000)
        wait_until(lambda: ended.get().status_code == 401)
        problem(ended.get(), 401, "key_expired")

    def test_one_for_a_network_works_from_there_alone_also_behind_a_trusted_proxy(self, lasting, operator: Operator):
        far = operator.key(lasting.org_id, allowed_networks=["203.0.113.0/24"])
        problem(far.get(), 401, "address_not_allowed")
        assert far.get(headers={"X-Forwarded-For": "203.0.113.9"}).status_code == 200
        problem(far.get(headers={"X-Forwarded-For": "203.0.113.9, 198.51.100.1"}), 401, "address_not_allowed")

    @pytest.mark.parametrize("path", OPEN)
    def test_none_is_needed_for_what_holds_no_events(self, stranger, path):
        assert stranger.get(path).status_code == 200


class TestPath:
    @pytest.mark.parametrize("path", ["/v1", "/v1/nothing", "/v2/audit-logs", f"{PATH}/a/b", "/v1/streams"])
    def test_that_there_is_none_of_is_a_problem(self, lasting, path):
        problem(lasting.http.get(path), 404, "no_such_path")

    @pytest.mark.parametrize(
        ("method", "path", "allowed"),
        [
            ("PUT", PATH, "GET, HEAD, OPTIONS, POST"),
            ("DELETE", f"{PATH}/evt_1", "GET, HEAD, OPTIONS"),
            ("PATCH", f"{PATH}/evt_1", "GET, HEAD, OPTIONS"),
            ("POST", "/healthz", "GET, HEAD, OPTIONS"),
            ("GET", "/v1/retention/preview", "OPTIONS, POST"),
            ("TRACE", PATH, "GET, HEAD, OPTIONS, POST"),
        ],
    )
    def test_with_another_method_names_those_it_takes(self, lasting, method, path, allowed):
        answer = lasting.http.request(method, path)
        problem(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed

    def test_with_another_method_of_a_page_names_those_it_takes(self, stranger):
        answer = stranger.delete("/sign-in", headers={"Accept": "text/html"})
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        assert stranger.options("/sign-in").headers["allow"] == "GET, HEAD, OPTIONS, POST"

    @pytest.mark.parametrize("path", [*OPEN, PATH, f"{PATH}/histogram", f"{PATH}/live", f"{PATH}/evt_1", "/sign-in"])
    def test_head_answers_as_get_does_without_a_body(self, lasting, path):
        with lasting.http.stream("GET", path) as got:
            headed = lasting.http.head(path)
            assert (headed.status_code, headed.content) == (got.status_code, b"")
            assert headed.headers["content-type"] == got.headers["content-type"]

    def test_head_is_refused_where_get_is(self, lasting):
        headed = lasting.http.head("/v1/retention/preview")
        assert (headed.status_code, headed.headers["allow"]) == (405, "OPTIONS, POST")

    def test_the_end_of_a_stream_that_head_began_leaves_the_connection_usable(self, lasting):
        headed = lasting.http.head(PATH, headers={"Accept": "application/jsonl"})
        assert headed.headers["content-type"].startswith("application/x-ndjson")
        assert lasting.http.get("/healthz").status_code == 200

    def test_no_method_changes_or_deletes_an_event(self, acme):
        kept = acme.record(event("kept.done"))[0]
        for method in ("PUT", "PATCH", "DELETE", "POST"):
            assert acme.http.request(method, f"{PATH}/{kept['id']}", json={}).status_code == 405
        assert acme.get(f"{PATH}/{kept['id']}").json()["action"] == "kept.done"


def raw(running: Any, request: bytes) -> bytes:
    """What the server says to bytes that no library would send."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65536):
            answer += chunk
        return answer


@pytest.mark.parametrize(
    "request_line",
    [
        b"GET /v1/audit-logs?user=%zz HTTP/1.1",
        b"GET /v1/audit-logs/%00 HTTP/1.1",
        b"GET /v1/audit-logs/%ff%fe HTTP/1.1",
        b"GET //v1//audit-logs// HTTP/1.1",
        b"GET /v1/audit-logs/../../etc/passwd HTTP/1.1",
        b"GET /docs/..%2f..%2fsettings.py HTTP/1.1",
        b"BREW /v1/audit-logs HTTP/1.1",
        b"GET /v1/audit-logs\xff HTTP/1.1",
        b"GET * HTTP/1.1",
        b"GET http://[::1/v1 HTTP/1.1",
        b"nonsense",
    ],
)
def test_a_request_that_is_none_harms_nobody(running, lasting, request_line, stranger):
    head = request_line + b"\r\nHost: x\r\nConnection: close\r\nAuthorization: Bearer " + lasting.key.encode()
    status = raw(running, head + b"\r\n\r\n").split(b" ")[1]
    assert status in (b"200", b"400", b"404", b"405")
    assert stranger.get("/healthz").status_code == 200


@pytest.mark.parametrize("host", ["", "a b", "x" * 5000, "evil.example/"])
def test_whatever_the_host_header_says_no_server_error_comes_of_it(running, host):
    connection = http.client.HTTPConnection("127.0.0.1", running.port)
    connection.request("GET", "/healthz", headers={"Host": host})
    assert connection.getresponse().status in (200, 400)
    connection.close()


class TestHealth:
    def test_alive_is_said_without_looking_at_anything(self, stranger):
        assert stranger.get("/healthz").json() == {"status": "ok"}

    def test_ready_names_what_was_looked_at(self, stranger):
        shown = stranger.get("/readyz").json()
        assert shown == {
            "status": "ready",
            "checks": dict.fromkeys(("database", "disk", "events", "events_complete"), True),
        }

    def test_ready_is_answered_to_many_at_once(self, stranger):
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda _: stranger.get("/readyz").status_code, range(32)))
        assert answers == [200] * 32


class TestMetrics:
    def test_requests_are_counted_by_route_and_not_by_path(self, lasting):
        lasting.get(f"{PATH}/evt_{'0' * 26}")
        lasting.http.get("/no/such/path/of/mine")
        text = lasting.http.get("/metrics").text
        assert 'route="/v1/audit-logs/{id}",status="404"' in text
        assert 'route="none",status="404"' in text
        assert "evt_0000" not in text
        assert "/no/such" not in text

    def test_they_come_as_prometheus_reads_them(self, stranger):
        answer = stranger.get("/metrics")
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        assert "tallystick_events_recorded_total" in answer.text


def test_no_answer_is_kept_or_guessed_at_on_the_way(lasting):
    for answer in (lasting.get(), lasting.get("/nothing"), lasting.post(event("kept.nowhere"))):
        assert answer.headers["cache-control"] == "no-store"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_the_key_stands_in_no_answer_and_no_log(lasting, running):
    answers = [lasting.get(user=lasting.key), lasting.get(key=lasting.key), lasting.get(f"/{lasting.key}")]
    assert [answer.status_code for answer in answers] == [200, 400, 404]
    assert lasting.key not in running.complete_log()


def test_http_pipelining_answers_in_order(running, lasting):
    one = f"GET {PATH}?limit=%d HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {lasting.key}\r\n%s\r\n"
    answer = raw(running, (one % (1, "") + one % (0, "Connection: close\r\n")).encode())
    first, _, second = answer.partition(b"HTTP/1.1 400")
    assert first.startswith(b"HTTP/1.1 200")
    assert json.loads(second.split(b"\r\n\r\n", 1)[1])["parameter"] == "limit"
