"""The integrity check and the public log, over HTTP."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.integrity.publish import set_public
from tallystick.verify.notes import Key, open_checkpoint
from tests.api.api_client import ApiClient, event, problem
from tests.fixtures.waiting import wait_until

CHECK = "/v1/ledger/check"
COUNT = 300


@pytest.fixture(scope="module")
def alice(organization, operator) -> ApiClient:
    asking = organization()
    asking.record(*[event("thing.done", metadata={"n": number}) for number in range(COUNT)])
    made: ApiClient = operator.key(asking.org_id, "admin", "events:read", "events:write")
    return made


@pytest.fixture(scope="module")
def published(organization, operator) -> str:
    """The path of a log that everybody may read."""
    asking = organization()
    asking.record(*[event("thing.done", metadata={"n": number}) for number in range(COUNT)])
    with operator.database.write() as connection:
        set_public(connection, operator_scope(asking.org_id), True, now=now_us())
    return path_of(asking)


def path_of(asking: ApiClient) -> str:
    return "/" + asking.get("/v1/ledger/checkpoint").text.partition("\n")[0].partition("/")[2]


def test_a_check_that_was_asked_for_runs_now_and_is_recorded(alice):
    asked = alice.http.post(CHECK)
    assert asked.status_code == 202
    assert asked.json()["waiting"] or asked.json()["running"] or asked.json()["last"]
    last = wait_until(lambda: (found := alice.get(CHECK).json()["last"]) and found["asked_by"] and found)
    assert (last["differences"], last["first_differences"]) == (0, [])
    assert last["done"] == last["entries"] >= COUNT
    for action in ("audit_log.integrity_check_requested", "audit_log.integrity_verified"):
        wait_until(lambda action=action: alice.page(action=action)["data"])


def test_a_key_without_admin_neither_sees_nor_begins_a_check(alice, operator):
    reader = operator.key(alice.org_id, "events:read", "events:write")
    problem(reader.get(CHECK), 403, "missing_permission")
    problem(reader.http.post(CHECK), 403, "missing_permission")


def test_charlie_begins_only_the_own_check(alice, organization, operator):
    asking = organization()
    charlie = operator.key(asking.org_id, "admin")
    before = alice.get(CHECK).json()["last"]
    assert charlie.http.post(CHECK).json()["size"] < COUNT
    assert alice.get(CHECK).json()["last"] == before


def test_everybody_reads_a_log_that_was_made_public(published, stranger):
    note = stranger.get(f"{published}/checkpoint")
    assert note.headers["cache-control"] == "public, max-age=1"
    keys = [Key.read(line) for line in stranger.get(f"{published}/key").text.splitlines()]
    size = open_checkpoint(note.text, keys).size
    assert size >= COUNT
    tile = stranger.get(f"{published}/tile/entries/000")
    assert "immutable" in tile.headers["cache-control"]
    assert tile.headers["cache-control"].startswith("public")
    assert len(tile.content) == 256 * 34
    assert stranger.get(f"{published}/consistency?first=256&second={size}").text
    problem(stranger.get(f"{published}/tile/0/999"), 404, "no_tile")
    problem(stranger.get(f"{published}/tile/x"), 400, "bad_tile")


@pytest.mark.parametrize("what", ["checkpoint", "key", "tile/0/000", "consistency?first=0&second=1"])
def test_a_log_that_is_not_public_is_not_there(alice, stranger, what):
    hidden = problem(stranger.get(f"{path_of(alice)}/{what}"), 404, "no_log")
    unknown = problem(stranger.get(f"/log/{'0' * 32}/{what}"), 404, "no_log")
    assert hidden["detail"] == unknown["detail"]


def test_an_address_that_asks_too_often_is_told_to_wait(published, stranger):
    with ThreadPoolExecutor(8) as threads:  # faster than the limit also where the machine is slow
        answers = list(threads.map(lambda _: stranger.get(f"{published}/key"), range(400)))
    refused = next(answer for answer in answers if answer.status_code != 200)
    assert problem(refused, 429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
