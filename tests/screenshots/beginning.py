"""What one sees before there is a trail: sign-in, set-up, the first event awaited; and when the store is away."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from tests.fixtures.servers import Server
from tests.screenshots.camera import Camera
from tests.screenshots.demo import Demo

NOWHERE = "clickhouse://127.0.0.1:1/default"
OWNER = {"organization": "Fresh & Sons", "name": "Ann Lee", "email": "ann@fresh.example"}


def take_sign_in(camera: Camera, demo: Demo) -> None:
    """The form, and what it says of a wrong password."""
    page = camera.page
    camera.visit("sign-in", f"{demo.url}/sign-in")
    page.locator("input[type=email]").fill("somebody@example.com")
    page.locator("input[type=password]").fill("a wrong password")
    page.locator("button[type=submit]").click()
    page.locator("#problem").wait_for()
    camera.picture("sign-in-refused")


@contextlib.contextmanager
def empty_server(home: Path) -> Iterator[Server]:
    """A server on which nothing was set up yet."""
    home.mkdir()
    server = Server(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def take(camera: Camera, server: Server) -> None:
    """Set-up, an organization without events, and the same with its store away."""
    page = camera.page
    camera.visit("sign-in-before-set-up", f"{server.url}/sign-in")
    camera.visit("set-up", server.wait_for_output(r"\S+/set-up/\S+$")[0])
    for name, words in OWNER.items():
        page.locator(f"[name={name}]").fill(words)
    page.locator("[name=password]").fill("too short")
    page.evaluate("document.querySelector('form').noValidate = true")
    page.get_by_role("button").click()
    page.locator("#problem").wait_for()
    camera.picture("set-up-refused")
    page.locator("[name=password]").fill("correct horse battery staple")
    page.get_by_role("button").click()
    page.wait_for_url("**/audit-logs")
    page.locator("#first-run").wait_for()
    camera.picture("first-run")
    camera.picture("first-run-whole", whole=True)
    camera.visit("cases-none-yet", f"{server.url}/cases")
    server.stop()
    server.environ["TALLYSTICK_EVENTS_URL"] = NOWHERE
    server.start()
    camera.visit("error-503", f"{server.url}/audit-logs?q=deploy")
