"""Posting forms as a browser does: with the cookie, the token of the page, and where the request comes from."""

import html
import re

import httpx

from tests.fixtures.waiting import PATIENCE_SECONDS


def client(town, email: str = "alice@acme.com") -> httpx.Client:
    """A browser of somebody who signed in, without its scripts."""
    name, value = town.session(email)
    return httpx.Client(
        base_url=town.server.url, cookies={name: value}, headers={"Origin": town.server.url}, timeout=PATIENCE_SECONDS
    )


def token(asking: httpx.Client) -> str:
    """The form token of the session."""
    found = re.search(r'name="form_token" value="(\w+)"', asking.get("/cases").text)
    assert found is not None
    return found[1]


def seen(page: httpx.Response) -> str:
    """The text of a page, tags taken out."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", page.text)).split())
