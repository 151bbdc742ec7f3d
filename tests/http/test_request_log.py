"""Each request has an id, in its answer and in the log; the log says at the start what runs, without secrets."""

import json

import httpx
import pytest

from tallystick import __version__
from tests.fixtures.servers import Server, Starter

PROXY = {"X-Request-Id": "proxy-7f3a2b1c", "X-Forwarded-For": "203.0.113.9"}


@pytest.fixture(scope="module")
def logging_server(start_server: Starter) -> Server:
    return start_server(
        TALLYSTICK_ACCESS_LOG="on", TALLYSTICK_TRUSTED_PROXIES="127.0.0.1/32",
        TALLYSTICK_SMTP_URL="smtp://mailer:hidden-password@127.0.0.1:1",
    )  # fmt: skip


@pytest.mark.parametrize("path", ["/healthz", "/v1/audit-logs", "/sign-in", "/audit-logs", "/no/such/place"])
def test_every_answer_has_an_id_of_its_own(logging_server, path):
    ids = {httpx.get(logging_server.url + path).headers["x-request-id"] for _ in range(2)}
    assert len(ids) == 2
    assert all(one.startswith("req_") for one in ids)


def test_the_access_log_has_the_id_and_neither_query_nor_token(logging_server):
    answer = httpx.get(f"{logging_server.url}/v1/audit-logs?q=jane%40example.com")
    line = logging_server.log_line("request_served", request_id=answer.headers["x-request-id"])
    assert (line["method"], line["route"], line["status"], line["address"]) == (
        "GET",
        "/v1/audit-logs",
        401,
        "127.0.0.1",
    )
    assert "jane" not in json.dumps(line)
    httpx.get(f"{logging_server.url}/setup/very-secret-token")
    assert "very-secret-token" not in logging_server.complete_log()


def test_the_id_of_a_trusted_proxy_is_used_if_it_is_one(logging_server, plain_server):
    assert httpx.get(f"{logging_server.url}/healthz", headers=PROXY).headers["x-request-id"] == PROXY["X-Request-Id"]
    strange = httpx.get(f"{logging_server.url}/healthz", headers={"X-Request-Id": "a b\tc" * 3})
    assert strange.headers["x-request-id"].startswith("req_")
    assert httpx.get(f"{plain_server.url}/healthz", headers=PROXY).headers["x-request-id"].startswith("req_")
    assert "request_served" not in plain_server.complete_log(), "there is no access log unless it is set"


def test_the_access_log_believes_no_address_in_a_header_that_the_client_wrote_before_that_of_the_proxy(logging_server):
    forwarded = [("X-Forwarded-For", "198.51.100.1"), ("X-Forwarded-For", "203.0.113.9")]
    answer = httpx.get(f"{logging_server.url}/healthz", headers=forwarded)
    line = logging_server.log_line("request_served", request_id=answer.headers["x-request-id"])
    assert line["address"] == "203.0.113.9"


def test_the_log_begins_with_version_revision_and_settings_without_secrets(logging_server):
    line = logging_server.log_line("started")
    assert line["version"] == __version__
    assert line["revision"].isdigit()
    assert line["settings"]["access_log"] == "on"
    assert "hidden-password" not in json.dumps(line)
