"""A new kind of destination is one module and one line: API, form, command line and delivery follow from it."""

import re
import sys
from pathlib import Path

import httpx
import pytest

from tests.fixtures.servers import Server
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until
from tests.web.settling import PASSWORD, settle

ROOT = Path(__file__).parents[2]
DESTINATIONS = "/v1/destinations"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server whose registry has one more kind."""
    path = f"{ROOT / 'src'}:{ROOT}"
    made = Server(tmp_path_factory.mktemp("pigeons"), {"PYTHONPATH": path})
    made.program = [sys.executable, "-m", "tests.destinations.pigeon"]
    yield made.start()
    made.stop()


@pytest.fixture(scope="module")
def alice(server):
    """An owner of Acme in a browser, and a key that may change destinations."""
    settle(server.data_dir, "acme", "Acme", {"alice@acme.com": "owner"})
    form, headers = {"email": "alice@acme.com", "password": PASSWORD}, {"Origin": server.url}
    answer = httpx.post(f"{server.url}/sign-in", data=form, headers=headers)
    with httpx.Client(base_url=server.url, cookies=answer.cookies, headers=headers, timeout=PATIENCE_SECONDS) as client:
        yield client


@pytest.fixture(scope="module")
def api(server, alice):
    with server.client(server.key("acme", "alerts")) as client:
        yield client


def test_the_api_describes_and_validates_it(api):
    document = api.get("/openapi.json").text
    assert "`pigeon`: `loft`, the directory where pigeons land; `ring`, the number on their ring." in document
    refused = api.post(DESTINATIONS, json={"kind": "pigeon", "settings": {"loft": "/roof"}})
    assert (refused.status_code, refused.json()["code"]) == (400, "bad_destination")
    assert refused.json()["detail"] == "loft and ring are needed."
    unknown = api.post(DESTINATIONS, json={"kind": "pigeon", "settings": {"url": "https://a.example"}})
    assert "does not take 'url', only loft, ring" in unknown.json()["detail"]


def test_a_message_is_delivered_by_it_and_its_secret_is_not_shown(api, alice, tmp_path):
    settings = {"loft": str(tmp_path), "ring": "NL-42"}
    made = api.post(DESTINATIONS, json={"kind": "pigeon", "name": "Homer", "settings": settings}).json()
    assert (made["settings"], made["secret"]) == ({"loft": str(tmp_path)}, None)
    assert made["state"] == "waiting_for_approval"
    approve(alice, made["id"])
    assert api.post(f"{DESTINATIONS}/{made['id']}/test").status_code == 202
    (delivery,) = wait_until(
        lambda: [one for one in api.get(f"{DESTINATIONS}/{made['id']}/deliveries").json()["data"] if one["attempts"]]
    )
    assert delivery["state"] == "sent"
    (letter,) = tmp_path.iterdir()
    assert letter.read_text().startswith("NL-42: This is a test of the destination Homer")
    assert "NL-42" not in api.get(DESTINATIONS).text


def approve(owner, public_id):
    """Press the button that the page offers."""
    page = owner.get("/alerts").text
    form = re.search(rf'action="/alerts/destinations/{public_id}/approve">(.*?)</form>', page)[1]
    fields = dict(re.findall(r'name="(\w+)" value="(\w+)"', form))
    assert owner.post(f"/alerts/destinations/{public_id}/approve", data=fields).status_code == 303


def test_the_form_offers_it_and_creates_it(alice, tmp_path):
    page = alice.get("/alerts").text
    assert '<option value="pigeon">Carrier pigeon</option>' in page
    assert re.search(r'Loft <span class="hint">for Carrier pigeon</span></span><input type="text" name="loft"', page)
    token = re.search(r'name="form_token" value="(\w+)"', page)[1]
    given = {
        "form_token": token,
        "kind": "pigeon",
        "name": "Icarus",
        "loft": str(tmp_path),
        "ring": "",
        "url": "",
        "to": "",
    }
    wrong = alice.post("/alerts/destinations", data=given)
    assert "loft and ring are needed." in wrong.text
    assert f'value="{tmp_path}"' in wrong.text, "what was typed stays"
    assert alice.post("/alerts/destinations", data=given | {"ring": "NL-43"}).status_code == 303
    assert f"flies to {tmp_path}" in alice.get("/alerts").text
