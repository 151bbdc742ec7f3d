"""What a page says when it cannot be shown."""

import pytest
from litestar import HttpMethod, Request, route
from litestar.di import NamedDependency, Provide
from litestar.testing import create_test_client

from tallystick.errors import Forbidden, NotFound, TooMany, Unauthorized
from tallystick.store.errors import StoreError
from tallystick.web.error_pages import show_error

PROBLEMS = {
    "/403": Forbidden("Ask an owner."),
    "/404": NotFound("No such event."),
    "/429": TooMany("Wait a little.", retry_after=7),
    "/503": StoreError("connection refused by 10.0.0.9"),
    "/500": RuntimeError("secret detail of the code"),
    "/401": Unauthorized("Sign in."),
}


@pytest.fixture(scope="module")
def client():
    @route(list(PROBLEMS), http_method=[HttpMethod.GET, HttpMethod.POST], sync_to_thread=False)
    def fail(request_path: NamedDependency[str]) -> None:
        raise PROBLEMS[request_path]

    with create_test_client(
        [fail],
        dependencies={"request_path": Provide(_path)},
        exception_handlers={Exception: show_error},
        raise_server_exceptions=False,
    ) as started:
        yield started


@pytest.mark.parametrize(
    ("status", "title", "detail"),
    [
        (403, "Access denied", "Ask an owner."),
        (404, "Page not found", "No such event."),
        (429, "Too many requests", "Wait a little."),
        (503, "Temporarily unavailable", "Events are still recorded"),
        (500, "Something went wrong", "try again"),
    ],
)
def test_a_page_says_what_happened_and_what_to_do(client, status, title, detail):
    answer = client.get(f"/{status}")
    assert answer.status_code == status
    assert f"<h1>{title}</h1>" in answer.text
    assert detail.lower() in answer.text.lower()
    assert "default-src 'self'" in answer.headers["content-security-policy"]


def test_a_page_tells_nothing_of_the_inside(client):
    assert "secret detail" not in client.get("/500").text
    assert "10.0.0.9" not in client.get("/503").text


def test_a_page_says_when_to_come_again(client):
    assert client.get("/429").headers["retry-after"] == "7"


def test_who_is_not_signed_in_is_led_to_the_sign_in_and_back(client):
    answer = client.get("/401?q=deploy", follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/sign-in?next=%2F401%3Fq%3Ddeploy")


async def _path(request: Request) -> str:
    return request.url.path


def test_a_form_that_is_refused_is_not_said_to_be_unseen(client):
    text = client.post("/403").text
    assert "<h1>Nothing was changed</h1>" in text
    assert "Your role decides" not in text
