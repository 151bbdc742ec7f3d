"""Scheduled exports over HTTP: made, changed, run, consented to, deleted; and nobody gets another's."""

import json
from collections.abc import Iterator

import pytest

from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.schedules import changes
from tests.api.api_client import ApiClient, Operator, event, plain_client, problem
from tests.destinations.mail_server import Mailbox, open_mailbox
from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until
from tests.schedules.schedule_driver import attached, indexes, mail_of, text_of

SCHEDULES = "/v1/export-schedules"
OUTSIDER = "auditor@outside.example"


@pytest.fixture(scope="module")
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    with open_mailbox() as opened:
        yield opened


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("out")


@pytest.fixture(scope="module")
def operator(start_server: Starter, mailbox, folder) -> Iterator[Operator]:
    """Beside a server that has a mail server and a directory."""
    server = start_server(TALLYSTICK_SMTP_URL=f"smtp://127.0.0.1:{mailbox[1]}", TALLYSTICK_EXPORT_DIR=str(folder))
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    yield Operator(server.url, database)
    database.close()


@pytest.fixture(scope="module")
def alice(operator) -> ApiClient:
    """A key that may do everything that keys may."""
    made: ApiClient = operator.key(operator.organization().org_id, "events:read", "events:write", "exports", "admin")
    made.record(*[event("thing.done") for _ in range(5)])
    return made


@pytest.fixture(scope="module")
def charlie(operator) -> ApiClient:
    made: ApiClient = operator.key(operator.organization().org_id, "events:read", "exports", "admin")
    return made


def send(asking: ApiClient, method: str, path: str = "", **body):
    return asking.http.request(method, f"{SCHEDULES}{path}", content=json.dumps(body).encode())


def approve(operator: Operator, asking: ApiClient, one):
    """Let the recipients have it, as the operator does."""
    with operator.database.write() as connection:
        changes.consent(connection, operator_scope(asking.org_id), one["id"], now=now_us())


def make(asking: ApiClient, **more):
    wanted = {"name": "Weekly", "frequency": "weekly", "at": "07:30", "weekday": "friday", "timezone": "Europe/Berlin",
              "format": "ndjson", "recipients": [OUTSIDER], "mode": "new"} | more  # fmt: skip
    answer = send(asking, "POST", **wanted)
    assert answer.status_code == 201, answer.text
    return answer.json()


def test_one_is_made_shown_and_listed(alice):
    one = make(alice, filter={"action": "thing.*"})
    wanted = {
        "frequency": "weekly", "at": "07:30", "weekday": "friday", "day": None, "timezone": "Europe/Berlin",
        "format": "ndjson", "mode": "new", "enabled": True,
    }  # fmt: skip
    assert {name: one[name] for name in wanted} == wanted
    assert one["filter"] == {"action": ["thing.*"]}
    assert (one["recipients"], one["last_run"], one["stopped"]) == ([OUTSIDER], None, None)
    assert one["next_run_at"].endswith(("T05:30:00.000000Z", "T06:30:00.000000Z"))
    assert alice.get(f"{SCHEDULES}/{one['id']}").json() == one
    assert one in alice.get(SCHEDULES).json()["data"]


def test_it_is_run_now_and_the_mail_holds_what_is_new_each_event_once(alice, mailbox, operator):
    one = make(alice, name="Run me", filter={"action": "thing.*"})
    approve(operator, alice, one)
    mailbox[0].messages.clear()
    seen = []
    for number in range(2):
        answer = send(alice, "POST", f"/{one['id']}/run")
        assert answer.status_code == 202, answer.text
        assert answer.json()["last_run"]["status"] == "running"
        last = wait_until(
            lambda: (run := alice.get(f"{SCHEDULES}/{one['id']}").json()["last_run"])["status"] != "running" and run
        )
        assert last["status"] == "delivered", last
        seen += indexes(attached(mail_of(mailbox[0].messages[number][1])) or b"")
        alice.record(event("thing.done"))
    assert len(seen) == len(set(seen)) == alice.page(q="action:thing.*", count="exact")["total"] - 1
    assert len(alice.get(f"{SCHEDULES}/{one['id']}/runs").json()["data"]) == 2


def test_a_file_can_go_to_the_directory_of_the_operator(alice, folder):
    one = make(alice, recipients=[], to_directory=True, format="csv")
    send(alice, "POST", f"/{one['id']}/run")
    (file,) = wait_until(lambda: list(folder.rglob(f"{one['id']}/*.csv")))
    assert file.read_text().startswith("timestamp,user_email")


def test_who_wants_no_more_says_so_with_one_click(alice, mailbox, operator):
    one = make(alice, name="Tired")
    approve(operator, alice, one)
    mailbox[0].messages.clear()
    send(alice, "POST", f"/{one['id']}/run")
    message = mail_of(wait_until(lambda: mailbox[0].messages)[0][1])
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    path = message["List-Unsubscribe"].strip("<>").split("/", 3)[3]
    assert path in text_of(message)
    anybody = plain_client(str(alice.http.base_url))
    assert OUTSIDER in anybody.get(f"/{path}").text
    altered = path[:-9] + ("A" if path[-9] != "A" else "B") + path[-8:]
    assert anybody.get(f"/{altered}").status_code == 404
    assert alice.get(f"{SCHEDULES}/{one['id']}").json()["recipients"] == [OUTSIDER], "looking changes nothing"
    assert anybody.post(f"/{path}", data={"List-Unsubscribe": "One-Click"}).status_code == 200
    after = alice.get(f"{SCHEDULES}/{one['id']}").json()
    assert (after["recipients"], after["recipient_states"][0]["status"]) == ([], "unsubscribed")
    assert "Unsubscribed" in anybody.get(f"/{path}").text
    told = wait_until(lambda: alice.page(action="audit_log.schedule_unsubscribed", resource="Tired")["data"])
    assert told[0]["metadata"]["recipient"] == OUTSIDER
    problem(send(alice, "PATCH", f"/{one['id']}", recipients=[OUTSIDER]), 400, "bad_schedule")


def test_strangers_get_nothing_before_an_owner_consents(alice, operator):
    exports_only = operator.key(alice.org_id, "exports", "events:read")
    one = make(exports_only)
    assert one["recipient_states"] == [{"address": OUTSIDER, "status": "waiting_for_consent"}]
    problem(send(exports_only, "POST", f"/{one['id']}/run"), 409, "no_recipients")
    refused = problem(send(alice, "POST", f"/{one['id']}/consent"), 403, "person_required")
    assert refused["page"].endswith("/exports")
    approve(operator, alice, one)
    agreed = alice.get(f"{SCHEDULES}/{one['id']}").json()
    assert agreed["recipient_states"] == [{"address": OUTSIDER, "status": "active"}]
    told = wait_until(lambda: alice.page(action="audit_log.schedule_consented", resource=one["id"])["data"])
    assert told[0]["metadata"]["recipients"] == [OUTSIDER]


def test_it_is_changed_paused_resumed_and_deleted_and_the_trail_says_so(alice):
    one = make(alice)
    changed = send(alice, "PATCH", f"/{one['id']}", frequency="monthly", day=31, name="Monthly", enabled=False).json()
    assert (changed["frequency"], changed["day"], changed["next_run_at"]) == ("monthly", 31, None)
    assert send(alice, "PATCH", f"/{one['id']}", enabled=True).json()["next_run_at"] is not None
    assert alice.http.delete(f"{SCHEDULES}/{one['id']}").status_code == 204
    problem(alice.get(f"{SCHEDULES}/{one['id']}"), 404, "no_schedule")
    found = wait_until(
        lambda: len(found := alice.page(resource=one["id"], action="audit_log.schedule_*")["data"]) == 4 and found
    )
    assert [e["action"].partition("_log.schedule_")[2] for e in found] == ["deleted", "updated", "updated", "created"]
    assert found[2]["changes"]["name"] == {"before": "Weekly", "after": "Monthly"}


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"frequency": "hourly"}, "frequency"), ({"at": "25:00"}, "at"), ({"at": "7:30"}, "at"),
        ({"weekday": "freitag"}, "weekday"), ({"weekday": 7}, "weekday"), ({"day": 32}, "day"),
        ({"timezone": "Mars/Olympus"}, "timezone"), ({"format": "xml"}, "format"), ({"mode": "all"}, "mode"),
        ({"filter": {"start": "2024-01-01"}}, "filter"), ({"recipients": []}, "recipients"),
        ({"recipients": ["nobody"]}, "recipients"), ({"recipients": ["a@b.example\nBcc: c@d.example"]}, "recipients"),
        ({"recipients": [f"a{n}@b.example" for n in range(21)]}, "recipients"), ({"name": "two\nlines"}, "name"),
        ({"recipient": "a@b.example"}, None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(alice, wrong, field):
    found = problem(
        send(alice, "POST", **({"frequency": "daily", "recipients": [OUTSIDER]} | wrong)), 400, "bad_schedule"
    )
    assert found.get("field") == field


def test_another_organization_gets_nothing(alice, charlie):
    one = make(alice)
    for method, path in (
        ("GET", ""),
        ("GET", "/runs"),
        ("PATCH", ""),
        ("DELETE", ""),
        ("POST", "/run"),
        ("POST", "/consent"),
    ):
        problem(send(charlie, method, f"/{one['id']}{path}"), 404, "no_schedule")
    assert charlie.get(SCHEDULES).json() == {"data": []}
    assert alice.get(f"{SCHEDULES}/{one['id']}").json() == one


def test_a_key_needs_the_scope_and_only_an_admin_changes_anothers(alice, operator):
    one = make(alice)
    reader = operator.key(alice.org_id, "events:read")
    problem(reader.get(SCHEDULES), 403, "missing_permission")
    problem(send(reader, "POST", frequency="daily", recipients=[OUTSIDER]), 403, "missing_permission")
    other = operator.key(alice.org_id, "exports")
    for method, path in (("PATCH", ""), ("DELETE", ""), ("POST", "/run")):
        problem(send(other, method, f"/{one['id']}{path}"), 403, "not_your_schedule")
    problem(send(other, "POST", frequency="daily", to_directory=True), 403, "missing_permission")
