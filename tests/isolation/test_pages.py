"""Every page and form × every session, generated from the routes and held to the table."""

import re
from urllib.parse import urlencode

import httpx
import pytest
from litestar.routes import HTTPRoute

from tallystick.access.scopes import PERMISSIONS
from tallystick.api.openapi import path_template
from tallystick.web.page_access import OPTION
from tallystick.web.routes import WEB
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.isolation.page_table import FORMS, IDS, NO_FOREIGN_ID, OTHERS_REFUSED, PageRow, page_rows
from tests.isolation.prepared import ROLES, Prepared

ROWS = page_rows()
WITH_SESSION = [row for row in ROWS if row.roles]
LIVE = "/audit-logs/live"  # answers with one message that ends the stream, which browsers understand


def declared() -> dict[str, frozenset[str]]:
    """What the routes declare: the roles by name of the route, none where it needs no session."""
    return {
        f"{method} {static(path_template(path))}": handler.opt.get(OPTION, frozenset())
        for route in WEB.routes
        if isinstance(route, HTTPRoute)
        for handler in route.route_handlers
        for path in [route.path_format]
        for method in map(str, handler.http_methods - {"OPTIONS"})
    }


def static(path: str) -> str:
    """The path without the version of the static files in it."""
    return re.sub(r"^/static/\w+", "/static", path)


def test_every_page_declares_what_its_row_says():
    assert declared() == {row.name: row.roles for row in ROWS}


@pytest.mark.parametrize("row", WITH_SESSION, ids=lambda row: row.name)
def test_no_one_without_a_session_in_force_is_let_in(row, acme):
    gone = acme.cookies("gone")
    before = acme.state()
    key = {"Authorization": f"Bearer {acme.key(*PERMISSIONS)}"}
    name, value = next(iter(acme.cookies("owner").items()))
    strangers = [({}, {}), ({}, key), ({name: "A" * 43}, {}), ({name: value[::-1]}, {}), (gone, {})]
    for cookies, headers in strangers:
        answer = send(row, acme, cookies, headers=headers)
        if row.path == LIVE:
            assert (answer.status_code, "signed-out" in answer.text) == (200, True)
        else:
            assert answer.status_code == 303
            assert answer.headers["location"].startswith("/sign-in")
    assert acme.state() == before


@pytest.mark.parametrize(
    ("row", "role"),
    [(row, role) for row in WITH_SESSION for role in ROLES if role not in row.roles],
    ids=lambda value: value if isinstance(value, str) else value.name,
)
def test_another_role_changes_and_learns_nothing(row, role, acme):
    before = acme.state()
    answer = send(row, acme, acme.cookies(role), token=acme.form_token(role))
    assert answer.status_code == 403
    assert acme.state() == before


@pytest.mark.parametrize("row", [row for row in WITH_SESSION if row.method == "POST"], ids=lambda row: row.name)
def test_a_form_without_its_token_or_from_another_site_changes_nothing(row, acme):
    before = acme.state()
    for token, headers in (("", {}), ("0" * 64, {}), (acme.form_token("owner"), {"Origin": "https://evil.example"})):
        answer = send(row, acme, acme.cookies("owner"), token=token, headers=headers)
        assert answer.status_code == 403
    assert acme.state() == before


@pytest.mark.parametrize(
    "row",
    [row for row in WITH_SESSION if "{" in row.path and row.path not in NO_FOREIGN_ID],
    ids=lambda row: row.name,
)
def test_an_owner_of_another_organization_finds_and_changes_nothing(row, acme, beta):
    before = acme.state()
    answer = send(row, acme, beta.cookies("owner"), token=beta.form_token("owner"))
    assert answer.status_code == 404
    assert acme.state() == before


@pytest.mark.parametrize("row", [row for row in WITH_SESSION if row.method == "GET"], ids=lambda row: row.name)
def test_every_role_of_its_row_is_shown_the_page(row, acme):
    for role in sorted(row.roles):
        answer = send(row, acme, acme.cookies(role))
        seen = (200, 404) if role == "member" and "{" in row.path else (200,)
        assert answer.status_code in seen, role


@pytest.mark.parametrize("row", [row for row in WITH_SESSION if row.method == "POST"], ids=lambda row: row.name)
def test_every_role_of_its_row_is_let_to_the_form(row, spare):
    """An empty form: it is read and refused for what it lacks, not for who sent it."""
    for role in sorted(row.roles):
        answer = send(row, spare, spare.cookies(role), token=spare.form_token(role), fields={})
        signed_in = not answer.headers.get("location", "").startswith("/sign-in")
        mine = answer.status_code != 403 or row.name in OTHERS_REFUSED
        assert (mine, signed_in, answer.status_code < 500) == (True, True, True), role


def send(
    row: PageRow,
    organization: Prepared,
    cookies: dict[str, str],
    *,
    token: str = "",
    headers: dict[str, str] | None = None,
    fields: dict[str, str] | None = None,
) -> httpx.Response:
    """The answer to a request for the organization's things; a form is filled in so that it would be accepted."""
    ids = IDS.get(row.name, {})
    path = re.sub(r"\{(\w+?)(_id)?\}", lambda match: ids.get(match[0][1:-1]) or f"{{{match[1]}}}", row.path)
    given = {"Origin": organization.server.url, "Cookie": "; ".join(map("=".join, cookies.items()))} | (headers or {})
    content = None
    if row.method == "POST":
        form = FORMS.get(row.name, {}) if fields is None else fields
        content = filled(urlencode(form | {"form_token": token}, safe="{}"), organization).encode()
        given["Content-Type"] = "application/x-www-form-urlencoded"
    request = CLIENT.build_request(
        row.method, organization.server.url + filled(path, organization), headers=given, content=content
    )
    answer = CLIENT.send(request, stream=True)
    if row.path == LIVE and any(cookies.values()) and answer.status_code == 200:
        answer._content = next(answer.iter_bytes())
    else:
        answer.read()
    answer.close()
    return answer


def filled(text: str, organization: Prepared) -> str:
    """The text with the organization's ids in place of their names."""
    return re.sub(r"\{(\w+)\}", lambda match: organization.ids[match[1]], text)


# The server has no TLS, and reading certificates takes longer than all the tests.
CLIENT = httpx.Client(timeout=PATIENCE_SECONDS, verify=False)  # noqa: S501
