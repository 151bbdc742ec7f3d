"""A server that is killed again and again while it erases."""

import json
import random
import time
from typing import Any

import pytest

from tests.fixtures.servers import Starter
from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until

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
    with server.client(one) as http:

        def found(action: str) -> list[dict[str, Any]]:
            page: dict[str, Any] = http.get("/v1/audit-logs", params={"action": action, "limit": 1000}).json()
            return page["data"]

        wait_until(lambda: all("erased" in event for event in found("project.updated")))
        assert [(one["erased"], one["actor"], one["changes"]) for one in found("project.updated")] == [
            (["who"], {}, {"kept": True})
        ] * 200
        records = wait_until(lambda: found("audit_log.subject_erased"))
        assert [one["metadata"]["events"] for one in records] == [200]
        after = http.post("/v1/audit-logs", json=sarah)
        assert after.status_code == 201, "the log goes on"
    server.stop()
