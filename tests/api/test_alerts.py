"""Rules, alerts and destinations over HTTP: from a recorded event to what a webhook gets; nobody gets another's."""

import json
from collections.abc import Iterator

import pytest
from standardwebhooks import Webhook

from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us, rfc3339
from tallystick.database.engine import Database
from tallystick.destinations.approval import approve
from tests.api.api_client import ApiClient, Operator, event, plain_client, problem
from tests.destinations.receiver import Receiver, open_receiver
from tests.fixtures.servers import Starter
from tests.fixtures.waiting import wait_until

RULES, ALERTS, DESTINATIONS = "/v1/alert-rules", "/v1/alerts", "/v1/destinations"
SCOPES = ("events:read", "events:write", "alerts")


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with open_receiver() as opened:
        yield opened


@pytest.fixture(scope="module")
def operator(start_server: Starter) -> Iterator[Operator]:
    """Beside a server that may send to this machine."""
    server = start_server(TALLYSTICK_ALLOWED_TARGETS="127.0.0.0/8")
    database = Database(f"sqlite:///{server.data_dir / 'tallystick.db'}")
    yield Operator(server.url, database)
    database.close()


@pytest.fixture(scope="module")
def alice(operator) -> ApiClient:
    made: ApiClient = operator.key(operator.organization().org_id, *SCOPES)
    return made


@pytest.fixture(scope="module")
def charlie(operator) -> ApiClient:
    made: ApiClient = operator.key(operator.organization().org_id, *SCOPES)
    return made


def send(asking: ApiClient, method: str, path: str, body: object = None):
    return asking.http.request(method, path, content=None if body is None else json.dumps(body).encode())


def make(asking: ApiClient, **more):
    answer = send(asking, "POST", RULES, {"name": "Rule", "query": "action:thing.broken"} | more)
    assert answer.status_code == 201, answer.text
    return answer.json()


def alerts_of(asking: ApiClient, rule: dict[str, object]):
    return asking.get(ALERTS, rule=rule["id"]).json()["data"]


def test_an_event_becomes_an_alert_and_reaches_a_webhook_within_seconds(alice, operator, receiver):
    settings = {"url": receiver.url}
    place = send(alice, "POST", DESTINATIONS, {"kind": "webhook", "name": "Ops", "settings": settings}).json()
    with operator.database.write() as connection:
        approve(connection, operator_scope(alice.org_id), place["id"], None, now=now_us())
    rule = make(alice, name="Broken", destinations=[place["id"]], severity="critical", group_by="resource")
    (recorded,) = alice.record(event("thing.broken", resource={"type": "thing", "name": "press"}))
    (one,) = wait_until(lambda: alerts_of(alice, rule))
    assert one["event_ids"] == [recorded["id"]]
    assert (one["group"], one["count"], one["state"], one["severity"]) == ("press", 1, "open", "critical")
    wait_until(lambda: receiver.requests)
    headers, body = receiver.requests[0]
    said = Webhook(place["secret"]).verify(body.decode(), headers)
    assert headers["webhook-id"] == one["id"] == said["data"]["id"]
    listed = wait_until(
        lambda: [one for one in alice.get(f"{DESTINATIONS}/{place['id']}/deliveries").json()["data"] if one["attempts"]]
    )
    assert [attempt["http_status"] for attempt in listed[0]["attempts"]] == [204]
    found = alice.page(**one["filter"])
    assert recorded["id"] in [event["id"] for event in found["data"]]
    assert alice.get(f"{DESTINATIONS}/{place['id']}").json().get("secret") is None


def test_it_is_acknowledged_with_a_note_and_the_trail_says_by_whom(alice):
    rule = make(alice, query="action:thing.noted")
    alice.record(event("thing.noted"))
    (one,) = wait_until(lambda: alerts_of(alice, rule))
    done = send(alice, "POST", f"{ALERTS}/{one['id']}/acknowledge", {"note": "Seen."}).json()
    assert (done["state"], done["note"]) == ("acknowledged", "Seen.")
    assert one["id"] not in [a["id"] for a in alice.get(ALERTS, state="open").json()["data"]]
    wait_until(lambda: alice.actions(action="audit_log.alert_acknowledged"))


def test_alerts_come_by_severity_in_pages_if_asked(alice):
    for severity in ("medium", "critical", "low", "critical"):
        rule = make(alice, query=f"action:thing.sorted_{severity}", severity=severity, name=f"Sorted {severity}")
        alice.record(event(f"thing.sorted_{severity}"))
        wait_until(lambda rule=rule: alerts_of(alice, rule))
    whole = alice.get(ALERTS, order="severity", limit=1000).json()["data"]
    ranks = ["info", "low", "medium", "high", "critical"]
    assert whole == sorted(whole, key=lambda one: (ranks.index(one["severity"]), one["id"]), reverse=True)
    paged, before = [], None
    while before is not None or not paged:
        asked = {"order": "severity", "limit": 2} | ({"before": before} if before else {})
        page = alice.get(ALERTS, **asked).json()
        paged, before = paged + page["data"], page["next_before"]
    assert [one["id"] for one in paged] == [one["id"] for one in whole]
    problem(alice.get(ALERTS, order="worst"), 400, "bad_parameter")


def test_a_rule_is_shown_in_words_changed_muted_and_deleted(alice):
    rule = make(alice, count=5, window_seconds=600, group_by="user")
    assert rule["words"] == "5 events that match action:thing.broken of one user within 10 minutes"
    assert rule["cooldown_seconds"] == 600, "as long as the window, unless it says otherwise"
    assert rule["distinct"] is None
    path = f"{RULES}/{rule['id']}"
    changed = send(alice, "PATCH", path, {"name": "Other", "count": 1, "window_seconds": 0, "group_by": None}).json()
    assert (changed["name"], changed["count"], changed["group_by"]) == ("Other", 1, None)
    assert send(alice, "POST", f"{path}/mute", {"seconds": 3600}).json()["muted_until"] > rfc3339(now_us())
    assert send(alice, "POST", f"{path}/mute", {"seconds": 0}).json()["muted_until"] is None
    assert send(alice, "PATCH", path, {"enabled": False}).json()["enabled"] is False
    assert send(alice, "DELETE", path).status_code == 204
    problem(alice.get(path), 404, "no_such_rule")


def test_a_rule_is_tested_on_the_past_before_it_is_made(alice):
    alice.record(*[event("thing.past", actor={"email": "jo@acme.com"}) for _ in range(3)])
    wanted = {"query": "action:thing.past", "count": 3, "window_seconds": 60, "group_by": "user"}
    said = send(alice, "POST", f"{RULES}/backtest", wanted).json()
    assert (said["matching_events"], said["firings"], said["groups"]) == (
        3,
        1,
        [{"group": "jo@acme.com", "firings": 1}],
    )
    rule = make(alice, **wanted)
    again = send(alice, "POST", f"{RULES}/{rule['id']}/backtest", {"start": "2020-01-01", "end": "2020-02-01"}).json()
    assert again["firings"] == 0


def test_rules_travel_as_yaml(alice, charlie):
    make(alice, name="Travels", count=2, window_seconds=60)
    text = alice.get(RULES, headers={"Accept": "application/yaml"}).text
    taken = charlie.http.post(f"{RULES}/import", content=text.encode())
    assert taken.status_code == 200, taken.text
    assert "Travels" in [one["name"] for one in taken.json()["data"]]
    assert charlie.get(RULES, headers={"Accept": "application/yaml"}).text.count("Travels") == 1
    failing = """
rules:
  - name: Wrong
    tests:
      - name: it should not fire
        events: [{action: thing.done}]
        fires: 0
"""
    refused = problem(charlie.http.post(f"{RULES}/import", content=failing.encode()), 400, "bad_rules_file")
    assert "it should fire 0 times, and fires once" in refused["detail"]


def test_rules_of_one_name_travel_too_and_stay_as_many(operator):
    one = operator.key(operator.organization().org_id, *SCOPES)
    for count in (2, 3):
        make(one, name="Namesake", count=count, window_seconds=60)
    text = one.get(RULES, headers={"Accept": "application/yaml"}).text
    for asking in (one, operator.key(operator.organization().org_id, *SCOPES)):
        for _ in range(2):
            taken = asking.http.post(f"{RULES}/import", content=text.encode()).json()["data"]
            assert [rule["count"] for rule in taken if rule["name"] == "Namesake"] == [2, 3]
        assert [rule["count"] for rule in asking.get(RULES).json()["data"] if rule["name"] == "Namesake"] == [2, 3]


def test_no_control_character_keeps_a_name_out_of_the_trail(alice):
    for body in (b'{"name": "x", "says": "a\\u0000b"}', b'{"name": "x", "says": "a\\u001bb"}'):
        problem(alice.http.post(RULES, content=body), 400, "bad_rule")
    rule = make(alice, name="Quiet")
    path = f"{RULES}/{rule['id']}"
    problem(alice.http.patch(path, content=b'{"enabled": false, "runbook": "\\u0000"}'), 400, "bad_rule")
    assert alice.get(path).json()["enabled"]
    escaped = alice.http.patch(path, content=rb'{"says": "as text: \\u0000"}')
    assert escaped.json()["says"] == r"as text: \u0000"


def test_the_past_of_no_calendar_is_refused(alice):
    for period in ({"end": "0001-01-01T00:00:00+14:00"}, {"start": "0001-01-01", "end": "0001-02-01"}):
        problem(send(alice, "POST", f"{RULES}/backtest", {"query": "x"} | period), 400, "bad_rule")


def test_a_detection_is_switched_on_once(alice):
    first = send(alice, "POST", "/v1/detections/bulk_deletion/enable").json()
    assert send(alice, "POST", "/v1/detections/bulk_deletion/enable").json()["id"] == first["id"]
    (one,) = [one for one in alice.get("/v1/detections").json()["data"] if one["id"] == "bulk_deletion"]
    assert (one["enabled"], one["rule"]) == (True, first["id"])
    problem(send(alice, "POST", "/v1/detections/nothing/enable"), 404, "no_such_detection")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"query": "user:("}, None),
        ({"query": "after:2024-01-01"}, "as they arrive"),
        ({"count": 0}, "count must be"),
        ({"count": 5}, "set window_seconds"),
        ({"count": 5, "window_seconds": 10**9}, "window_seconds must be"),
        ({"group_by": "colour"}, "Invalid rule"),
        ({"kind": "sequence", "then": "x"}, "needs"),
        ({"kind": "first_seen", "group_by": "user", "new": "ip", "count": 3}, "has no count"),
        ({"severity": "dreadful"}, "severity must be one of"),
        ({"destinations": ["dst_00000000000000000000000000"]}, "not found"),
        ({"colour": "red"}, "Invalid rule"),
        ({"says": "{password}"}, "Unknown placeholder {password}"),
        ({"name": ""}, ""),
    ],
)
def test_what_is_no_rule_is_refused_with_advice(alice, given, said):
    answer = send(alice, "POST", RULES, {"name": "Bad", "query": ""} | given)
    assert answer.status_code in (400, 404), answer.text
    if said:
        assert said in answer.json()["detail"]


def test_nobody_gets_anything_of_another_organization(alice, charlie, operator, receiver):
    rule = make(alice, query="action:thing.secret")
    place = send(alice, "POST", DESTINATIONS, {"kind": "webhook", "settings": {"url": receiver.url}}).json()
    alice.record(event("thing.secret"))
    (one,) = wait_until(lambda: alerts_of(alice, rule))
    rule_path, place_path, alert_path = (
        f"{RULES}/{rule['id']}",
        f"{DESTINATIONS}/{place['id']}",
        f"{ALERTS}/{one['id']}",
    )
    tries = [
        ("GET", rule_path, None), ("PATCH", rule_path, {"enabled": False}), ("DELETE", rule_path, None),
        ("POST", f"{rule_path}/mute", {"seconds": 9}), ("POST", f"{rule_path}/backtest", {}), ("GET", alert_path, None),
        ("POST", f"{alert_path}/acknowledge", {}), ("GET", place_path, None), ("PATCH", place_path, {"enabled": False}),
        ("DELETE", place_path, None), ("POST", f"{place_path}/test", None), ("POST", f"{place_path}/rotate", None),
        ("GET", f"{place_path}/deliveries", None), ("POST", f"{place_path}/deliveries/dlv_x/retry", None),
        ("POST", RULES, {"name": "Theirs", "query": "", "destinations": [place["id"]]}),
    ]  # fmt: skip
    for method, path, body in tries:
        assert send(charlie, method, path, body).status_code == 404, (method, path)
    for path in (RULES, ALERTS, DESTINATIONS):
        assert not {rule["id"], one["id"], place["id"]} & {each["id"] for each in charlie.get(path).json()["data"]}
    assert charlie.get(ALERTS, rule=rule["id"]).json()["data"] == []
    reader = operator.key(alice.org_id, "events:read")
    stranger = plain_client(str(alice.http.base_url))
    for path in (RULES, ALERTS, DESTINATIONS, "/v1/detections"):
        problem(reader.get(path), 403, "missing_permission")
        assert stranger.get(path).status_code == 401
