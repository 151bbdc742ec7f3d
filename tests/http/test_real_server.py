"""The limits of connections are those of `tallystick serve`."""

import contextlib
import resource

import httpx
import pytest

from tallystick.cli.server_process import ADDRESS_SHARE, MOST_CONNECTIONS
from tallystick.http.connection import MOST_HEAD_BYTES
from tests.fixtures.servers import Server, Starter
from tests.http.raw import connect, head, read_all, read_status

SHARE = MOST_CONNECTIONS // ADDRESS_SHARE


@pytest.fixture(scope="module")
def proxied(start_server: Starter) -> Server:
    """A server that is reached by https, through a proxy of 127.0.0.0/8."""
    return start_server(TALLYSTICK_PUBLIC_URL="https://audit.example.com", TALLYSTICK_TRUSTED_PROXIES="127.0.0.2/32")


def test_a_head_that_is_too_large_is_refused(proxied: Server):
    with connect(proxied.url) as client:
        client.sendall(head("GET", "/sign-in", X="x" * MOST_HEAD_BYTES))
        assert read_status(client) == 431


def test_one_stranger_cannot_use_up_all_connections(proxied: Server):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 2 * SHARE)), hard))
    with contextlib.ExitStack() as stack:
        for _ in range(SHARE):
            stack.enter_context(connect(proxied.url)).sendall(b"GET / HTTP/1.1\r\n")
        assert read_all(stack.enter_context(connect(proxied.url))).startswith(b"HTTP/1.1 503")
        through_proxy = httpx.HTTPTransport(local_address="127.0.0.2")
        with httpx.Client(transport=through_proxy, base_url=proxied.url) as client:
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 200


def test_with_https_every_answer_tells_browsers_to_stay_with_it(proxied: Server):
    for path in ("/sign-in", "/v1/audit-logs", "/nowhere", "/healthz"):
        assert "max-age=" in httpx.get(proxied.url + path).headers["strict-transport-security"]


def test_without_https_no_answer_does(plain_server: Server):
    assert "strict-transport-security" not in httpx.get(f"{plain_server.url}/sign-in").headers
