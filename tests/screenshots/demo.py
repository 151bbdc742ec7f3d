"""The demo server, its person, and events that are hard to show."""

import re
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page

from tests.fixtures.servers import Server
from tests.fixtures.waiting import wait_until

LOADED = "demo data is up to date"
LOAD_SECONDS = 180
# Names as they come: long, written from right to left, with markup in them.
NAMES = (
    "arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/very-long-session-name-1700000000",
    "مريم الأحمدي",
    "<b>Bold</b> & Sons",
    "שרה כהן (admin)",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine Maximilian Nathaniel",
)
UNBROKEN = "eyJhbGciOiJSUzI1NiIsImtpZCI6IjEifQ" * 12
NESTED: dict[str, Any] = {
    "changes": {
        "policy": {
            "before": {"rules": [{"port": 22, "from": "0.0.0.0/0"}], "owner": None},
            "after": {"rules": [{"port": 22, "from": "10.0.0.0/8"}, {"port": 443, "from": "0.0.0.0/0"}]},
        },
        "limits": {"memory": {"before": "512 MiB", "after": "2 GiB"}, "replicas": {"before": 2, "after": 12}},
        "title": {"before": "خطة الأمان", "after": "خطة الأمان لعام 2026"},
        "certificate": {"before": "", "after": UNBROKEN},
        "password": {"before": "hunter1", "after": "hunter2"},
        "a_name_of_a_field_that_nobody_would_have_wanted_to_be_this_long_but_there_it_is": True,
        "removed": {"before": "kept until now", "after": None},
    },
    "request": {"headers": {"authorization": "Bearer x", "accept": "application/json"}, "body": {"items": [1, 2, 3]}},
    "response": {"status": 200, "text": "line one\nline two\n\ttabbed"},
    "metadata": {"trace": UNBROKEN},
}


class Demo(Server):
    """The demo on a data directory of its own."""

    def __init__(self, home: Path, events: str) -> None:
        home.mkdir()
        super().__init__(home)
        self.events = events

    def arguments(self) -> list[str]:
        """What the command line is called with."""
        return ["demo", "--port", str(self.port), "--events", self.events]

    def wait_until_loaded(self) -> None:
        """Return when all events are there."""
        wait_until(lambda: LOADED in self.log.read_text(), LOAD_SECONDS, detail=self.log.read_text)
        time.sleep(2)  # the last shipment

    def printed(self, label: str) -> str:
        """What the demo printed behind this label."""
        found = re.search(rf"^ *{label} +(\S+)$", self.log.read_text(), re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the demo printed no {label}")
        return found[1]

    def record(self, *events: dict[str, Any]) -> None:
        """Record, and wait until searches see it."""
        with self.client(self.printed("API key")) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"events": list(events)}).raise_for_status()


def sign_in(page: Page, demo: Demo) -> None:
    """Enter as the demo's person."""
    page.goto(f"{demo.url}/sign-in")
    page.locator("input[type=email]").fill(demo.printed("Email"))
    page.locator("input[type=password]").fill(demo.printed("Password"))
    page.locator("button[type=submit]").first.click()
    page.wait_for_url("**/audit-logs**")


def record_names(demo: Demo) -> None:
    """Events with difficult names, and one with difficult values, beside those of the demo."""
    events: list[dict[str, Any]] = [
        {
            "action": "picture.taken",
            "description": f"A description of {name}, which goes on for longer than any column is wide",
            "actor": {"type": "user", "name": name, "id": f"usr_{number}"},
            "resource": {"type": "project", "name": name, "id": f"prj_{number}"},
            "context": {"ip_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348", "session_id": "ses_pictures"},
            "status": "failed" if number % 2 else "success",
        }
        for number, name in enumerate(NAMES)
    ]
    demo.record(*events, events[0] | {"action": "picture.an_action_with_a_name_that_is_long_itself"} | NESTED)
