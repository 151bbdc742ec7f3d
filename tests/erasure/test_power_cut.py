"""A server that is killed again and again while it erases."""

import json
import random
import time

import pytest

from tests.fixtures.servers import Starter
from tests.fixtures.sizes import size

ADMIN = ("admin", "events:read", "events:write")


@pytest.mark.full_size
def test_an_erasure_ends_however_often_the_server_is_killed(start_server: Starter) -> None:
    server = start_server()
    slug = server.organization("acme")
    one = server.key(slug, *ADMIN)
    sarah = {"action": "project.updated", "actor": {"email": "sarah@acme.com"}, "changes": {"kept": True}}
    with server.client(one) as http:
        sent = {"events": [sarah] * 200}
        assert http.post("/v1/audit-logs?wait=searchable", json=sent).status_code == 201
        asked = {"subject": {"email": "sarah@acme.com"}, "reason": "Request 17"}
        public_id = http.post("/v1/erasures", content=json.dumps(asked)).json()["id"]
    for email in ("maya@acme.com", "nico@acme.com"):
        person = server.signed_in(slug, email)
        assert person.post(f"/retention/erasures/{public_id}/confirm").status_code == 303
    chance = random.Random(7)
    for _ in range(size(2, 4)):
        time.sleep(chance.uniform(0, 0.4))
        server.kill()
        server.start()
    deadline = time.monotonic() + 60
    with server.client(one) as http:
        while time.monotonic() < deadline:
            page = http.get("/v1/audit-logs", params={"action": "project.updated", "limit": 1000}).json()
            if all("erased" in event for event in page["data"]):
                break
            time.sleep(0.3)
        assert [(one["erased"], one["actor"], one["changes"]) for one in page["data"]] == [
            (["who"], {}, {"kept": True})
        ] * 200
        records = http.get("/v1/audit-logs", params={"action": "audit_log.subject_erased"}).json()["data"]
        assert [one["metadata"]["events"] for one in records] == [200]
        after = http.post("/v1/audit-logs", json=sarah)
        assert after.status_code == 201, "the log goes on"
    server.stop()
