"""The Integrity page and the line of proof: who sees them, what they say, what can be done."""

import json
import subprocess
import sys

import httpx
import pytest
from playwright.sync_api import expect

from tests.fixtures.waiting import wait_until
from tests.web import axe
from tests.web.forms import client, seen, token

PAGE = "/integrity"


@pytest.fixture
def alice_asks(town):
    with client(town) as asking:
        yield asking


@pytest.fixture
def charlie_asks(town):
    with client(town, "charlie@other.example") as asking:
        yield asking


def origin_of(asking: httpx.Client) -> str:
    note = asking.get(f"{PAGE}/checkpoint").text
    return note.partition("\n")[0].rpartition("/")[2]


def test_the_page_shows_the_checkpoint_and_the_key_that_the_api_gives(alice_asks, town):
    page = seen(alice_asks.get(PAGE))
    vkey = town.acme.get("/v1/ledger/key").text.strip()
    assert vkey in page
    assert vkey.partition("+")[0] in page
    assert "tamper-evident" in page
    assert "immutable" not in page


def test_a_check_is_asked_for_and_its_outcome_is_shown(alice_asks, town):
    asked = alice_asks.post(f"{PAGE}/check", data={"form_token": token(alice_asks)})
    assert (asked.status_code, asked.headers["location"]) == (303, PAGE)
    wait_until(lambda: "requested by alice@acme.com" in seen(alice_asks.get(f"{PAGE}/check")))
    assert "No differences found" in seen(alice_asks.get(f"{PAGE}/check"))
    assert town.event("action:audit_log.integrity_check_requested")["actor"]["email"] == "alice@acme.com"


def test_a_form_from_elsewhere_does_nothing(alice_asks):
    for path in ("check", "public"):
        assert alice_asks.post(f"{PAGE}/{path}", data={"public": "yes"}).status_code == 403
        headers = {"Origin": "https://evil.example"}
        answer = alice_asks.post(f"{PAGE}/{path}", data={"form_token": token(alice_asks)}, headers=headers)
        assert answer.status_code == 403


def test_a_member_is_told_why_there_is_nothing_and_is_not_led_there(town):
    with client(town, "john@example.com") as john:
        for path in (PAGE, f"{PAGE}/check", f"{PAGE}/checkpoint"):
            answer = john.get(path)
            assert answer.status_code == 403
            assert "the whole audit log" in seen(answer)
        assert john.post(f"{PAGE}/check", data={"form_token": token(john)}).status_code == 403
        assert john.post(f"{PAGE}/public", data={"form_token": token(john), "public": "yes"}).status_code == 403
        assert f'href="{PAGE}"' not in john.get("/audit-logs").text


def test_charlie_sees_the_own_log_only(alice_asks, charlie_asks):
    assert origin_of(alice_asks) not in charlie_asks.get(PAGE).text
    assert origin_of(alice_asks) != origin_of(charlie_asks)


def test_an_owner_lets_everybody_read_the_log_and_takes_it_back(charlie_asks, town):
    url = f"{town.server.url}/log/{origin_of(charlie_asks)}/checkpoint"
    assert httpx.get(url).status_code == 404
    form = {"form_token": token(charlie_asks), "public": "yes"}
    assert charlie_asks.post(f"{PAGE}/public", data=form).status_code == 303
    assert httpx.get(url).status_code == 200
    assert "Everyone, since" in seen(charlie_asks.get(PAGE))
    assert charlie_asks.post(f"{PAGE}/public", data=form | {"public": "no"}).status_code == 303
    assert httpx.get(url).status_code == 404
    assert httpx.get(url.replace("checkpoint", "key")).json()["code"] == "no_log"


def test_the_verifier_that_is_given_here_checks_what_is_given_here(alice_asks, town, tmp_path):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    files = {
        "verify.pyz": alice_asks.get(f"{PAGE}/tallystick-verify.pyz").content,
        "proof.json": alice_asks.get(f"/audit-logs/{event['id']}/proof.json").content,
        "log.vkey": town.acme.get("/v1/ledger/key").content,
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    command = [sys.executable, "-I", "verify.pyz", "proof.json", "--key", "log.vkey", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=60)
    assert json.loads(done.stdout)["reports"][0]["verified"] == 1


def test_the_line_of_proof_names_the_checkpoint(alice_asks, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    path = f"/audit-logs/{event['id']}/proof"
    wait_until(lambda: "Proof ✓ in checkpoint" in seen(alice_asks.get(path)), detail=lambda: seen(alice_asks.get(path)))


@pytest.mark.parametrize("what", ["proof", "proof.json"])
def test_charlie_gets_no_proof_of_acmes_event(charlie_asks, town, what):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    answer = charlie_asks.get(f"/audit-logs/{event['id']}/{what}")
    assert answer.status_code == 404
    assert answer.text == charlie_asks.get(f"/audit-logs/evt_00000000000000000000000000/{what}").text


def test_the_page_and_the_line_in_a_browser(alice, town, axe_script):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    expect(alice.locator("#panel .proof-line")).to_contain_text("in checkpoint")
    alice.get_by_role("link", name="Integrity", exact=True).click()
    expect(alice.get_by_role("heading", name="Integrity", exact=True)).to_be_visible()
    alice.get_by_role("button", name="Check now").click()
    expect(alice.locator("#check")).to_contain_text("No differences found")
    assert axe.violations(alice, axe_script) == []
