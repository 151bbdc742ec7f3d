"""What the pages do with a posted form, seen by the bytes that pass: the session comes before the body."""

from collections.abc import Iterator

import httpx
import pytest

from tallystick.http.forms import MOST_BYTES, URL_ENCODED
from tallystick.web.routes import WEB
from tests.fixtures.servers import Server, Starter
from tests.http.raw import connect, head, read_status
from tests.web.settling import PASSWORD, settle

POSTS = sorted(route.path for route in WEB.routes if "POST" in getattr(route, "methods", ()))
WITHOUT_SESSION = {
    "/sign-in", "/sign-in/reset", "/sign-in/reset/{token:str}", "/join/{token:str}", "/set-up/{token:str}",
    "/unsubscribe/{token:str}",
}  # fmt: skip
EMAIL = "alice@acme.com"


@pytest.fixture(scope="module")
def server(start_server: Starter) -> Iterator[Server]:
    running = start_server()
    settle(running.data_dir, "acme", "Acme", {EMAIL: "owner"})
    yield running
    running.stop()


def form_head(path: str, length: int, **headers: str) -> bytes:
    return head(
        "POST", path, Sec_Fetch_Site="same-origin", Content_Type=URL_ENCODED, Content_Length=str(length), **headers
    )


@pytest.mark.parametrize("path", sorted(set(POSTS) - WITHOUT_SESSION))
def test_a_form_of_somebody_who_is_not_signed_in_is_answered_before_it_is_sent(server: Server, path: str):
    with connect(server.url) as connection:
        connection.sendall(form_head(path.replace(":str", ""), 1000))
        assert read_status(connection) == 303


@pytest.mark.parametrize("path", ["/set-up/unknown", "/join/unknown", "/sign-in/reset/unknown"])
def test_a_page_of_a_link_looks_at_it_before_the_form(server: Server, path: str):
    with connect(server.url) as connection:
        connection.sendall(form_head(path, 1000))
        assert read_status(connection) == 404


def test_a_form_of_another_site_is_refused_before_it_is_sent(server: Server):
    with connect(server.url) as connection:
        connection.sendall(head("POST", "/sign-in", Sec_Fetch_Site="cross-site", Content_Length="1000"))
        assert read_status(connection) == 403


def test_a_form_that_is_too_large_is_refused_before_it_is_sent(server: Server):
    with connect(server.url) as connection:
        connection.sendall(form_head("/sign-in", MOST_BYTES + 1))
        assert read_status(connection) == 413


@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"a=" + b"x" * MOST_BYTES, URL_ENCODED, 413),
        (b"a=&" * 2000, URL_ENCODED, 413),
        (b'{"email":"a"}', "application/json", 415),
        (b"--x--", "multipart/form-data; boundary=x", 415),
        (b"email=%00", URL_ENCODED, 400),
    ],
    ids=["large", "many fields", "json", "multipart", "nul"],
)
def test_a_form_that_cannot_be_read_gets_a_page_that_says_so(server: Server, content, content_type, status):
    headers = {"Sec-Fetch-Site": "same-origin", "Content-Type": content_type}
    answer = httpx.post(f"{server.url}/sign-in", content=content, headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "text/html; charset=utf-8")
    assert "Nothing was changed" in answer.text


@pytest.mark.parametrize("path", ["/sign-in", "/v1/audit-logs"])
def test_a_body_that_breaks_off_is_no_error_in_the_log(server: Server, path: str):
    key = server.key("acme")
    for _ in range(3):
        with connect(server.url) as connection:
            connection.sendall(form_head(path, 1000, Authorization=f"Bearer {key}") + b"email=alice")
    assert httpx.get(f"{server.url}/healthz").status_code == 200
    log = server.complete_log()
    assert '"level":"error"' not in log
    assert "Traceback" not in log


def test_signing_in_and_out_works_with_the_token_of_the_session(server: Server):
    with httpx.Client(base_url=server.url, headers={"Sec-Fetch-Site": "same-origin"}) as browser:
        assert browser.post("/sign-in", data={"email": EMAIL, "password": PASSWORD}).status_code == 303
        assert browser.post("/sign-out", data={"form_token": "x"}).status_code == 403
        assert browser.get("/audit-logs").status_code == 200
