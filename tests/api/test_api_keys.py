"""/v1/api-keys: made once and shown once, rotated, and refused within a second after they were revoked."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.api.api_client import PATH, ApiClient, event, problem
from tests.fixtures.waiting import wait_until

KEYS = "/v1/api-keys"


@pytest.fixture
def admin(operator) -> ApiClient:
    """A key that may do everything but alerts."""
    return operator.key(operator.organization().org_id, "events:write", "events:read", "exports", "admin")


def made(admin: ApiClient, **more):
    answer = admin.http.post(KEYS, json={"name": "shop", "scopes": ["events:write"]} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def status_of(admin: ApiClient, key: str) -> int:
    with ApiClient(str(admin.http.base_url), admin.org_id, key).http as client:
        return client.post(PATH, json=event("thing.done")).status_code


def test_a_made_key_records_at_once_and_its_text_is_nowhere_else(admin):
    key = made(admin)
    assert status_of(admin, key["key"]) == 201
    shown = admin.get(f"{KEYS}/{key['id']}")
    assert shown.json()["last4"] == key["key"][-4:]
    assert key["key"] not in shown.text + admin.get(KEYS).text


def test_the_last_use_is_listed_with_its_address(admin):
    key = made(admin)
    assert (key["last_used_at"], key["last_used_address"]) == (None, None)
    status_of(admin, key["key"])
    assert admin.get(f"{KEYS}/{key['id']}").json()["last_used_address"] == "127.0.0.1"


def test_a_revoked_key_is_refused_within_a_second_also_where_it_is_cached(admin):
    key = made(admin)
    assert status_of(admin, key["key"]) == 201
    assert admin.http.delete(f"{KEYS}/{key['id']}").status_code == 204
    wait_until(lambda: status_of(admin, key["key"]) == 401)
    assert admin.get(f"{KEYS}/{key['id']}").json()["state"] == "revoked"
    assert admin.http.delete(f"{KEYS}/{key['id']}").status_code == 204


def test_both_keys_of_a_rotation_work_during_the_overlap(admin):
    old = made(admin)
    new = admin.http.post(f"{KEYS}/{old['id']}/rotate").json()
    assert (status_of(admin, old["key"]), status_of(admin, new["key"])) == (201, 201)
    shown = admin.get(f"{KEYS}/{old['id']}").json()
    assert (shown["state"], shown["replaced_by"]) == ("ending", new["id"])
    refused = admin.http.post(f"{KEYS}/{old['id']}/rotate")
    problem(refused, 409, "key_not_active")


def test_a_rotation_without_overlap_ends_the_old_key(admin):
    old = made(admin)
    status_of(admin, old["key"])
    assert admin.http.post(f"{KEYS}/{old['id']}/rotate", json={"overlap_hours": 0}).status_code == 201
    wait_until(lambda: status_of(admin, old["key"]) == 401)


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"name": ""}, "bad_name"),
        ({"scopes": []}, "bad_scope"),
        ({"scopes": ["streams"]}, "bad_scope"),
        ({"expires_at": "2020-01-01T00:00:00Z"}, "bad_expiry"),
        ({"expires_at": "2020-01-01"}, "bad_api_key_input"),
        ({"allowed_networks": ["somewhere"]}, "bad_network"),
        ({"filter": "words"}, "bad_filter"),
    ],
)
def test_what_cannot_be_is_refused(admin, more, code):
    answer = admin.http.post(KEYS, json={"name": "shop", "scopes": ["events:write"]} | more)
    problem(answer, 400, code)


def test_a_key_makes_none_that_may_do_more_than_itself(admin):
    refused = admin.http.post(KEYS, json={"name": "shop", "scopes": ["alerts"]})
    assert problem(refused, 403, "missing_permission")["permission"] == "alerts"


def test_an_expiry_is_kept_to_the_microsecond(admin):
    at = datetime.now(UTC) + timedelta(days=3)
    assert made(admin, expires_at=at.isoformat())["expires_at"] == at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_charlie_neither_sees_nor_ends_keys_of_another_organization(admin, operator):
    key, charlie = made(admin), operator.key(operator.organization().org_id, "admin")
    assert key["id"] not in charlie.get(KEYS).text
    for method, path in (("GET", key["id"]), ("DELETE", key["id"]), ("POST", f"{key['id']}/rotate")):
        problem(charlie.http.request(method, f"{KEYS}/{path}"), 404, "no_key")
    assert status_of(admin, key["key"]) == 201


def test_a_changed_key_reads_within_its_filter_at_once_also_where_it_is_cached(admin):
    key = made(admin, scopes=["events:read", "events:write"])
    reader = ApiClient(str(admin.http.base_url), admin.org_id, key["key"])
    reader.record(event("deployment.failed"), event("user.login"))
    assert {"deployment.failed", "user.login"} <= set(reader.actions())
    changed = admin.http.patch(f"{KEYS}/{key['id']}", json={"filter": "category:deployments", "name": "Limited"})
    assert (changed.json()["filter"], changed.json()["name"]) == ("category:deployments", "Limited")
    wait_until(lambda: set(reader.actions()) == {"deployment.failed"})
    problem(admin.http.patch(f"{KEYS}/{key['id']}", json={"scopes": ["events:read", "exports"]}), 400, "bad_scope")
    problem(admin.http.patch(f"{KEYS}/{key['id']}", json={"filter": "deploy"}), 400, "bad_filter")


def test_what_a_key_records_for_others_without_an_actor_is_nobodys(admin):
    key = made(admin, scopes=["events:read", "events:write"], records_for_others=True)
    relay = ApiClient(str(admin.http.base_url), admin.org_id, key["key"])
    relay.record(event("thing.relayed"), event("thing.named", actor={"email": "sarah@acme.com"}))
    relayed = relay.page(action="thing.relayed")["data"][0]
    assert (relayed["actor"], relayed["recorded_by"]["id"]) == ({"type": "anonymous"}, key["id"])
    assert relay.page(action="thing.named")["data"][0]["actor"]["email"] == "sarah@acme.com"
