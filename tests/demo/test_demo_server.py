"""`tallystick demo`: one command, and a filled audit log to look at."""

import subprocess
from collections.abc import Iterator

import httpx
import pytest

from tests.fixtures.servers import COMMAND, Server
from tests.fixtures.waiting import wait_until

FILLED = r"Added ([\d,]+) events"


class Demo(Server):
    """`tallystick demo` with few events."""

    events = 1500
    first_answer = 0

    def start(self) -> "Demo":
        self.log.write_text("")
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [COMMAND, "demo", "--events", str(self.events), "--port", str(self.port)],
                env=self.environ, cwd=self.home, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip
        return self

    def filled(self) -> int:
        """Wait until it says that everything is loaded; how many events were new."""
        return int(self.wait_for_output(FILLED)[1].replace(",", ""))

    def printed(self, label: str) -> str:
        return self.wait_for_output(rf"^ *{label} +(\S+)$")[1]

    def total(self, **filters: str) -> int:
        with self.client(self.printed("API key")) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"action": "settled.now"}).raise_for_status()
            return int(client.get("/v1/audit-logs", params={"count": "exact"} | filters).json()["total"])


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo with its first load behind it."""
    server = Demo(tmp_path_factory.mktemp("demo")).start()
    server.wait_for_output("is ready at")
    server.first_answer = httpx.get(f"{server.url}/healthz").status_code
    server.filled()
    yield server
    server.stop()


def test_its_address_answers_as_soon_as_it_is_printed(demo: Demo) -> None:
    assert demo.first_answer == 200


def test_its_rules_watch_the_last_days_and_not_the_past(demo: Demo) -> None:
    with demo.client(demo.printed("API key")) as client:
        rules = client.get("/v1/alert-rules").json()["data"]
        assert sorted(one["name"] for one in rules) == ["Deployment Failed", "Failed sign-ins"]
        wait_until(lambda: bool(client.get("/v1/alerts").json()["data"]))  # Sarah's deployment, an hour ago
        assert client.get("/v1/alerts", params={"limit": 1000}).json()["data"][-1]["first_event"] > "2025"


def test_the_printed_sign_in_is_the_owners(demo: Demo) -> None:
    assert demo.printed("Email") == "maya@acme.com"
    assert len(demo.printed("Password")) >= 12
    assert demo.printed("Sign in") == f"{demo.url}/sign-in"


def test_the_four_searches_of_the_documentation_find_what_they_say(demo: Demo) -> None:
    assert demo.total(q="john@") == demo.total(user="john@example.com") > 20
    assert demo.total(q="vpc-prod") >= demo.total(resource="vpc-production") > 20
    assert demo.total(q="deploy") >= demo.total(category="deployments") > 100
    assert demo.total(q="failed") >= demo.total(status="failed") > 40


def test_the_curl_line_of_the_documentation_gives_the_story(demo: Demo) -> None:
    with demo.client(demo.printed("API key")) as client:
        answer = client.get("/v1/audit-logs?start=2024-01-01&end=2024-01-31").json()
    assert [event["action"] for event in answer["data"]] == [
        "deployment.failed",
        "deployment.started",
        "project.file_updated",
        "user.login",
        "deployment.completed",
    ]


def test_a_second_start_adds_only_what_happened_since(demo: Demo) -> None:
    before, key = demo.total(), demo.printed("API key")
    demo.stop()
    added = demo.start().filled()
    assert 4 <= added < 50
    assert demo.printed("API key") == key
    assert demo.total() == before + added + 1
