"""Every endpoint of the API × every credential, generated from the routes and held to the table."""

import json
import re
from typing import Any

import httpx
import pytest

from tallystick.access.scopes import PERMISSIONS
from tallystick.api.openapi import path_template
from tallystick.api.operation import OPTION
from tallystick.api.routes import ROUTES
from tests.fixtures.waiting import PATIENCE_SECONDS
from tests.isolation.api_table import BODIES, QUERIES, SHARED_IDS, ApiRow, api_rows
from tests.isolation.prepared import Prepared

ROWS = api_rows()
WITH_KEY = [row for row in ROWS if row.scopes]
# What the last parameter of a path is, by the path up to it.
NAMES = {
    "/v1/audit-logs/{id}": "event", "/v1/legal-holds/{id}": "hold", "/v1/decisions/{id}": "decision",
    "/v1/erasures/{id}": "erasure", "/v1/actions/{name}": "action",
    "/v1/intake-rules/{id}": "intake_rule", "/v1/api-keys/{id}": "api_key",
    "/v1/members/{id}": "member", "/v1/invitations/{id}": "invitation",
    "/v1/exports/{id}": "export", "/v1/exports/{id}/links/{link}": "link", "/v1/export-links/{token}": "token",
    "/v1/export-schedules/{id}": "schedule", "/v1/alert-rules/{id}": "rule", "/v1/alerts/{id}": "alert",
    "/v1/destinations/{id}": "destination", "/v1/destinations/{id}/deliveries/{delivery}": "delivery",
    "/v1/reports/{id}": "report", "/v1/reviews/{id}": "review", "/v1/reviews/{id}/findings/{event_id}": "event",
}  # fmt: skip
FIXED = {"/v1/detections/{id}": "brute_force", "/v1/ledger/tile/{path}": "0/000.p/1", "/log/{origin_id}": "0" * 32,
         "/log/{origin_id}/tile/{path}": "0/000.p/1"}  # fmt: skip


def declared() -> dict[str, tuple[str, ...]]:
    """What the routes declare: the scopes by name of the route."""
    return {
        f"{method} {path_template(path)}": route.opt[OPTION].permissions
        for route in ROUTES
        for path in route.paths
        for method in map(str, route.http_methods)
    }


def test_every_endpoint_declares_what_its_row_says():
    assert {name: frozenset(scopes) for name, scopes in declared().items()} == {row.name: row.scopes for row in ROWS}


@pytest.mark.parametrize("row", WITH_KEY, ids=lambda row: row.name)
def test_no_one_without_a_valid_key_is_let_in(row, acme, useless):
    for code, headers in useless.items():
        answer = send(row, acme, headers)
        assert (answer.status_code, answer.json()["code"]) == (401, code)


@pytest.mark.parametrize("row", WITH_KEY, ids=lambda row: row.name)
def test_a_key_that_lacks_a_scope_changes_and_learns_nothing(row, acme):
    lacking = [{one} for one in PERMISSIONS] + [set(PERMISSIONS) - {needed} for needed in row.scopes]
    held = [acme.key(*scopes) for scopes in lacking if not row.scopes <= scopes]
    before = acme.state()
    for key in held:
        answer = send(row, acme, bearer(key))
        assert (answer.status_code, answer.json()["code"]) == (403, "missing_permission")
    assert acme.state() == before


@pytest.mark.parametrize(
    "row",
    # PUT makes what it does not find: the test after this one.
    [row for row in WITH_KEY if "{" in row.path and f"{row.path}" not in SHARED_IDS and row.method != "PUT"],
    ids=lambda row: row.name,
)
def test_a_key_of_another_organization_finds_and_changes_nothing(row, acme, beta):
    before = acme.state()
    answer = send(row, acme, bearer(beta.key(*PERMISSIONS)))
    assert answer.status_code == 404, answer.text
    assert acme.state() == before


def test_an_action_of_another_organization_is_described_for_ones_own_alone(acme, beta):
    before = acme.state()
    with beta.client(beta.key(*PERMISSIONS)) as client:
        path = f"/v1/actions/{acme.ids['action']}"
        assert client.put(path, json={"sentence": "{actor} took it"}).status_code == 200
        assert acme.state() == before
        assert client.delete(path).status_code == 204
    assert acme.state() == before


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/alert-rules", {"name": "X", "query": "", "count": 1, "destinations": ["{destination}"]}),
        ("/v1/reviews", {"period": {"start": "2024-01-01", "end": "2024-01-31"}, "findings": [{"event": "{event}"}]}),
        ("/v1/reviews", {"period": {"start": "2024-01-01", "end": "2024-01-31"}, "corrects": "{review}"}),
    ],
)
def test_an_id_of_another_organization_in_a_body_is_unknown(path, body, acme, beta):
    with beta.client(beta.key(*PERMISSIONS)) as client:
        answer = client.post(path, content=filled(json.dumps(body), acme))
    assert answer.status_code in (400, 404), answer.text


def test_a_key_with_exactly_the_scopes_of_a_row_is_served(spare):
    headers = {row.name: bearer(spare.key(*row.scopes)) if row.scopes else {} for row in ROWS}
    answers = {row.name: send(row, spare, headers[row.name]) for row in ROWS}
    unexpected = {row.name: answers[row.name].text for row in ROWS if answers[row.name].status_code != row.status}
    assert unexpected == {}
    refused = {name: answer.json()["code"] for name, answer in answers.items() if answer.status_code == 403}
    assert set(refused.values()) <= {"person_required"}


@pytest.fixture(scope="module")
def useless(acme: Prepared) -> dict[str, dict[str, str]]:
    """Headers that let nobody in, by the code of the refusal."""
    cookie = "; ".join(f"{name}={value}" for name, value in acme.cookies("owner").items())
    return {code: bearer(key) for code, key in acme.useless_keys().items()} | {
        "no_api_key": {"Cookie": cookie},
        "bad_authorization": {"Authorization": "Basic dXNlcjpwYXNz"},
    }


def bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"} if key else {}


def filled(text: str, organization: Prepared) -> str:
    """The text with the organization's slug and ids in place of their names."""
    named = organization.ids | {"slug": organization.slug}
    return re.sub(r"\{(\w+)\}", lambda match: named.get(match[1], match[0]), text)


def send(row: ApiRow, organization: Prepared, headers: dict[str, str]) -> httpx.Response:
    """The answer to a request that a key with the right scopes would be served; of a stream, its head."""
    path = re.sub(
        r"\{\w+\}",
        lambda match: FIXED.get(row.path[: match.end()]) or organization.ids[NAMES[row.path[: match.end()]]],
        row.path,
    )
    body: Any = BODIES.get(row.name)
    content = body if isinstance(body, str) or body is None else filled(json.dumps(body), organization)
    request = CLIENT.build_request(
        row.method, organization.server.url + path + QUERIES.get(row.path, ""), headers=headers, content=content
    )
    answer = CLIENT.send(request, stream=True)
    if not answer.headers.get("content-type", "").startswith("text/event-stream"):
        answer.read()
    answer.close()
    return answer


# The server has no TLS, and reading certificates takes longer than all the tests.
CLIENT = httpx.Client(timeout=PATIENCE_SECONDS, verify=False)  # noqa: S501
