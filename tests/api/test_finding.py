"""GET /v1/audit-logs and its sisters: filters, pages, the whole result, counts."""

import csv
import io
import json
import shlex
import subprocess
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.api.api_client import PATH, ApiClient, event, problem
from tests.fixtures.waiting import wait_until

MINUTE = timedelta(minutes=1)
NOON = datetime(2024, 1, 15, 12, tzinfo=UTC)
PAGE = {"data", "total", "total_relation", "next_cursor", "partial", "searchable_through", "retention_start"}


def at(minutes: int, action: str, **more: Any) -> dict[str, Any]:
    return event(action, timestamp=(NOON + minutes * MINUTE).isoformat(), **more)


SARAH = {"type": "user", "id": "usr_456", "email": "sarah@acme.com", "name": "Sarah Lin"}
JOHN = {"type": "user", "id": "usr_1", "email": "john@example.com", "name": "John"}
VPC = {"type": "vpc", "id": "vpc-1", "name": "vpc-production"}
API = {"type": "project", "id": "prj_88", "name": "api-infrastructure"}


@pytest.fixture(scope="module")
def trail(organization) -> ApiClient:
    """A small trail, the newest last."""
    made: ApiClient = organization()
    made.record(
        at(0, "user.login", actor=JOHN, context={"ip_address": "192.168.1.100"}),
        at(1, "deployment.started", actor=JOHN, resource=VPC),
        at(2, "deployment.completed", actor=JOHN, resource=VPC, description="terraform apply"),
        at(3, "user.login_failed", actor=SARAH, context={"ip_address": "10.0.0.7"}),
        at(4, "project.updated", actor=SARAH, resource=API, metadata={"team": "platform"}),
        at(5, "deployment.failed", actor=SARAH, resource=API, changes={"error": 'said "no"\n=1+1'}),
    )
    return made


NEWEST_FIRST = [
    "deployment.failed",
    "project.updated",
    "user.login_failed",
    "deployment.completed",
    "deployment.started",
    "user.login",
]
THEN = {"start": "2024-01-15", "end": "2024-01-15"}


def test_the_command_line_of_the_documentation_works(trail, running):
    line = (
        f'curl -sS -X GET -H "Authorization: Bearer {trail.key}" '
        f'"{running.url}/v1/audit-logs?start=2024-01-01&end=2024-01-31"'
    )
    said = subprocess.run(shlex.split(line), capture_output=True, check=True, timeout=30).stdout
    assert [one["action"] for one in json.loads(said)["data"]] == NEWEST_FIRST


def test_a_page_says_all_that_has_to_be_known_about_it(trail):
    page = trail.page(**THEN)
    assert set(page) == PAGE
    assert (page["total"], page["total_relation"], page["next_cursor"], page["partial"]) == (6, "exact", None, False)
    assert page["searchable_through"] >= max(one["index"] for one in page["data"])
    assert page["retention_start"] < "2024"


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"user": "sarah@acme.com"}, ["deployment.failed", "project.updated", "user.login_failed"]),
        ({"user": "USR_456"}, ["deployment.failed", "project.updated", "user.login_failed"]),
        ({"user": "sarah*"}, ["deployment.failed", "project.updated", "user.login_failed"]),
        ({"user": ["sarah@acme.com", "john@example.com"]}, NEWEST_FIRST),
        ({"action": "deployment.*"}, ["deployment.failed", "deployment.completed", "deployment.started"]),
        ({"action": ["user.login", "deployment.failed"]}, ["deployment.failed", "user.login"]),
        ({"status": "failed"}, ["deployment.failed", "user.login_failed"]),
        ({"category": "authentication"}, ["user.login_failed", "user.login"]),
        ({"category": "authentication", "status": "failed"}, ["user.login_failed"]),
        ({"resource": "api-infrastructure"}, ["deployment.failed", "project.updated"]),
        ({"resource": "PRJ_88"}, ["deployment.failed", "project.updated"]),
        ({"resource_type": "vpc"}, ["deployment.completed", "deployment.started"]),
        ({"ip": "10.0.0.0/8"}, ["user.login_failed"]),
        ({"ip": "192.168.1.100"}, ["user.login"]),
        ({"q": "deploy"}, ["deployment.failed", "deployment.completed", "deployment.started"]),
        ({"q": "john@"}, ["deployment.completed", "deployment.started", "user.login"]),
        ({"q": "vpc-prod"}, ["deployment.completed", "deployment.started"]),
        ({"q": "failed"}, ["deployment.failed", "user.login_failed"]),
        ({"q": "platform"}, ["project.updated"]),
        ({"q": "team"}, []),
        ({"q": ""}, NEWEST_FIRST),
        ({"start": "2024-01-15T12:04:00Z"}, ["deployment.failed", "project.updated"]),
        ({"end": "2024-01-15T12:01:00Z"}, ["user.login"]),
        ({"start": "2024-01-16"}, []),
    ],
)
def test_a_filter_finds_just_what_it_says(trail, asked, found):
    assert trail.actions(**(THEN | asked)) == found


@pytest.mark.parametrize("order", ["desc", "asc", "recorded"])
@pytest.mark.parametrize("limit", [1, 4, 6])
def test_pages_joined_by_their_cursors_hold_everything_once(trail, order, limit):
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = trail.page(**THEN, order=order, limit=limit, **cursor)
        assert len(page["data"]) <= limit
        seen += [one["action"] for one in page["data"]]
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
    assert seen == (NEWEST_FIRST if order == "desc" else NEWEST_FIRST[::-1])


def test_an_offset_leaves_out_the_first(trail):
    assert trail.actions(**THEN, offset=4) == NEWEST_FIRST[4:]
    assert trail.actions(**THEN, offset=1, limit=2) == NEWEST_FIRST[1:3]
    assert trail.actions(**THEN, offset=100) == []


def test_a_cursor_of_a_page_with_an_offset_goes_on_behind_it(trail):
    first = trail.page(**THEN, offset=1, limit=2)
    assert trail.actions(**THEN, offset=1, limit=2, cursor=first["next_cursor"]) == NEWEST_FIRST[3:5]


def test_a_cursor_belongs_to_its_parameters(trail):
    cursor = trail.page(**THEN, status="failed", limit=1)["next_cursor"]
    assert trail.actions(status="failed", cursor=cursor, **THEN, limit=1, count="none") == ["user.login_failed"]
    for other in ({}, {"status": "success"}, {"status": ["failed", "success"]}, {"status": "failed", "q": "x"}):
        problem(trail.get(cursor=cursor, **THEN, **other), 400, "bad_cursor")
    problem(trail.get(cursor=cursor, status="failed", order="asc", **THEN), 400, "bad_cursor")


@pytest.mark.parametrize("cursor", ["", "x", "ä", "AAAA", "k" * 5000, "null"])
def test_a_damaged_cursor_is_refused(trail, cursor):
    problem(trail.get(cursor=cursor), 400, "bad_cursor")


def test_recorded_order_goes_on_after_an_index(acme):
    acme.record(event("first.done", timestamp="2030-01-01T00:00:00Z") | {"timestamp": "2024-06-01T00:00:00Z"})
    known = acme.page(order="recorded")["searchable_through"]
    acme.record(at(-100_000, "late.one"), at(-200_000, "late.two"))
    page = acme.page(order="recorded", after=known)
    assert [one["action"] for one in page["data"]] == ["late.one", "late.two"]
    assert acme.page(order="recorded", after=page["searchable_through"])["data"] == []


def test_counting_can_be_left_out(trail):
    page = trail.page(count="none")
    assert (page["total"], page["total_relation"]) == (None, None)


class TestMistake:
    @pytest.mark.parametrize(
        ("asked", "parameter"),
        [
            ({"limit": 0}, "limit"),
            ({"limit": 1001}, "limit"),
            ({"limit": "ten"}, "limit"),
            ({"limit": "٣"}, "limit"),
            ({"limit": "1_0"}, "limit"),
            ({"limit": [1, 2]}, "limit"),
            ({"offset": -1}, "offset"),
            ({"offset": 10**30}, "offset"),
            ({"order": "newest"}, "order"),
            ({"order": ["asc", "desc"]}, "order"),
            ({"count": "all"}, "count"),
            ({"after": 3}, "after"),
            ({"after": 3, "order": "asc"}, "after"),
            ({"after": -2, "order": "recorded"}, "after"),
            ({"offset": 3, "order": "recorded"}, "offset"),
            ({"user": "a\0b"}, "user"),
            ({"user": ""}, "user"),
            ({"status": ["failed", " "]}, "status"),
        ],
    )
    def test_a_value_that_a_parameter_cannot_have_is_named(self, lasting, asked, parameter):
        assert problem(lasting.get(**asked), 400, "bad_parameter")["parameter"] == parameter

    @pytest.mark.parametrize(
        ("name", "suggestion"),
        [
            ("form", "start"),
            ("from", "start"),
            ("statsu", "status"),
            ("email", "user"),
            ("query", "q"),
            ("Limit", "limit"),
        ],
    )
    def test_an_unknown_parameter_is_refused_with_a_suggestion(self, lasting, name, suggestion):
        members = problem(lasting.get(**{name: "x"}), 400, "unknown_parameter")
        assert (members["parameter"], members["suggestion"]) == (name, suggestion)

    @pytest.mark.parametrize("path", ["", "/histogram", "/facets", "/live", "/evt_00000000000000000000000000"])
    def test_no_path_ignores_a_parameter(self, lasting, path):
        problem(lasting.get(PATH + path, zzz="1"), 400, "unknown_parameter")

    def test_a_query_that_is_no_utf8_is_refused(self, lasting):
        problem(lasting.http.get(f"{PATH}?user=%ff%fe"), 400, "bad_parameter")

    def test_an_endless_query_is_refused(self, lasting):
        problem(lasting.get(user="u" * 40_000), 400, "query_too_long")
        problem(lasting.get(user=["u"] * 300), 400, "bad_parameter")


class TestOneEvent:
    def test_it_is_there_the_moment_after_it_was_recorded(self, acme):
        for number in range(20):
            answered = acme.post(event("quick.done", metadata={"n": number})).json()["events"][0]
            shown = acme.get(f"{PATH}/{answered['id']}").json()
            assert (shown["index"], shown["metadata"]) == (answered["index"], {"n": number})

    @pytest.mark.parametrize(
        "event_id",
        ["evt_00000000000000000000000000", "evt_zzzzzzzzzzzzzzzzzzzzzzzzzz", "evt_1", "1", "%F0%9F%92%A3", "proof"],
    )
    def test_what_is_none_is_not_found(self, lasting, event_id):
        problem(lasting.get(f"{PATH}/{event_id}"), 404, "no_event")


class TestWholeResult:
    def test_as_csv_it_has_one_header_and_a_line_for_each_event(self, trail):
        answer = trail.get(headers={"Accept": "text/csv"}, **THEN)
        assert answer.headers["content-type"] == "text/csv; charset=utf-8; header=present"
        assert answer.text.splitlines()[0] == "timestamp,user_email,action,resource,status,ip_address,details"
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert [row["action"] for row in rows] == NEWEST_FIRST
        assert rows[0] == {
            "timestamp": "2024-01-15T12:05:00.000000Z",
            "user_email": "sarah@acme.com",
            "action": "deployment.failed",
            "resource": "api-infrastructure",
            "status": "failed",
            "ip_address": "",
            "details": json.dumps({"changes": {"error": 'said "no"\n=1+1'}}, separators=(",", ":")),
        }
        assert (rows[2]["ip_address"], rows[2]["details"]) == ("10.0.0.7", "")

    def test_as_ndjson_it_has_every_field_of_each_event(self, trail):
        answer = trail.get(headers={"Accept": "application/x-ndjson"}, **THEN)
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert [json.loads(line) for line in answer.text.splitlines()] == trail.page(**THEN)["data"]

    def test_no_cell_is_a_formula(self, acme):
        for place, sign in enumerate("=+-@"):
            bad = f"{sign}HYPERLINK(A{place})"
            acme.record(event("formula.done", actor={"email": bad}, resource={"type": "t", "name": f" {bad}"}))
        answer = acme.get(headers={"Accept": "text/csv"}, action="formula.done")
        rows = list(csv.DictReader(io.StringIO(answer.text, newline="")))
        assert len(rows) == 4
        assert all(row[name].startswith("'") for row in rows for name in ("user_email", "resource"))

    def test_the_filters_hold_for_it(self, trail):
        answer = trail.get(headers={"Accept": "application/x-ndjson"}, status="failed", order="asc")
        assert [json.loads(line)["action"] for line in answer.text.splitlines()] == [
            "user.login_failed",
            "deployment.failed",
        ]

    def test_a_limit_cuts_it(self, trail):
        answer = trail.get(headers={"Accept": "application/x-ndjson"}, limit=2, **THEN)
        assert [json.loads(line)["action"] for line in answer.text.splitlines()] == NEWEST_FIRST[:2]

    def test_nothing_found_is_a_header_alone(self, trail):
        answer = trail.get(headers={"Accept": "text/csv"}, action="nothing.such")
        assert (answer.status_code, len(answer.text.splitlines())) == (200, 1)

    @pytest.mark.parametrize("asked", [{"cursor": "x"}, {"offset": 1}, {"order": "recorded"}, {"after": 1}])
    def test_what_belongs_to_pages_is_refused(self, lasting, asked):
        problem(lasting.get(headers={"Accept": "text/csv"}, **asked), 400, "bad_parameter")

    def test_it_is_whole_however_long_it_is(self, acme):
        for part in range(3):
            acme.record(*[event("many.done", metadata={"part": part, "n": n}) for n in range(1000)])
        answer = acme.get(headers={"Accept": "application/x-ndjson"}, action="many.done")
        seen = {(one["metadata"]["part"], one["metadata"]["n"]) for one in map(json.loads, answer.text.splitlines())}
        assert len(seen) == len(answer.text.splitlines()) == 3000

    def test_a_client_that_leaves_it_frees_its_place(self, acme):
        acme.record(*[event("left.done", description="d" * 400) for _ in range(1000)])

        def begun_and_left() -> bool:
            with acme.http.stream("GET", PATH, headers={"Accept": "application/x-ndjson"}) as answer:
                return answer.status_code == 200

        # Six times as many as may run at once; the server may take a moment to see that one has gone.
        assert all(wait_until(begun_and_left) for _ in range(12))
        wait_until(lambda: acme.get(headers={"Accept": "text/csv"}).status_code == 200)


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("application/json, text/plain, */*", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.4", "text/csv; charset=utf-8; header=present"),
        ("application/json;q=0, */*", "text/csv; charset=utf-8; header=present"),
        ("text/html, */*;q=0.1", "application/json"),
        ("TEXT/CSV", "text/csv; charset=utf-8; header=present"),
        ("text/csv;q=nonsense", "text/csv; charset=utf-8; header=present"),
        ("application/x-ndjson;q=inf", "application/x-ndjson"),
    ],
)
def test_the_form_of_the_answer_is_the_one_the_client_likes_best(lasting, accept, media_type):
    assert lasting.get(headers={"Accept": accept}, limit=1).headers["content-type"] == media_type


@pytest.mark.parametrize("accept", ["application/xml", "text/html", "application/json;q=0"])
def test_a_form_that_there_is_none_of_is_refused(lasting, accept):
    problem(lasting.get(headers={"Accept": accept}), 406, "not_acceptable")


class TestCounts:
    def test_a_histogram_counts_by_time_and_status(self, trail):
        shown = trail.get(
            f"{PATH}/histogram", start="2024-01-15T12:00:00Z", end="2024-01-15T12:06:00Z", buckets=6
        ).json()
        assert (shown["interval_seconds"], shown["partial"]) == (60, False)
        assert [(one["success"], one["failed"]) for one in shown["buckets"]] == [
            (1, 0),
            (1, 0),
            (1, 0),
            (0, 1),
            (1, 0),
            (0, 1),
        ]
        assert shown["buckets"][0]["start"] == "2024-01-15T12:00:00.000000Z"

    @pytest.mark.parametrize(
        "asked",
        [
            {"start": "0001-01-01"},
            {"start": "0001-01-01T00:00:00+23:59", "end": "9999-12-31T23:59:59-23:59"},
            {"start": "9999-12-31T23:59:59-23:59"},
            {"end": "0001-01-02"},
            {"q": "before:0001-01-02"},
        ],
    )
    def test_a_histogram_of_all_time_is_one_of_the_time_that_events_can_have(self, lasting, asked):
        shown = lasting.get(f"{PATH}/histogram", **asked).json()
        assert shown["start"] >= "1990"
        assert shown["end"] <= (datetime.now(UTC) + timedelta(days=2)).isoformat()
        assert 1 <= len(shown["buckets"]) <= 61

    def test_facets_name_the_most_frequent_values_first(self, trail):
        shown = trail.get(f"{PATH}/facets", field="user", **THEN).json()
        assert shown == {
            "field": "user",
            "values": [{"value": "john@example.com", "count": 3}, {"value": "sarah@acme.com", "count": 3}],
            "overlapping": True,
            "partial": False,
        }

    @pytest.mark.parametrize("field", ["user", "action", "category", "status", "resource", "resource_type", "ip"])
    def test_facets_take_filters(self, trail, field):
        shown = trail.get(f"{PATH}/facets", field=field, limit=1, status="failed", **THEN).json()
        assert len(shown["values"]) == 1

    @pytest.mark.parametrize(
        ("path", "asked"),
        [
            ("facets", {}),
            ("facets", {"field": "details"}),
            ("facets", {"field": "user", "limit": 0}),
            ("histogram", {"buckets": 501}),
            ("histogram", {"buckets": "many"}),
        ],
    )
    def test_what_cannot_be_counted_is_refused(self, lasting, path, asked):
        problem(lasting.get(f"{PATH}/{path}", **asked), 400, "bad_parameter")

    def test_actions_are_the_catalogue_and_what_was_seen_beside_it(self, acme):
        acme.record(event("widget.frobbed"), event("widget.frobbed"), event("user.login"))
        shown = acme.get("/v1/actions").json()
        by_name = {one["action"]: one for one in shown["data"]}
        assert by_name["widget.frobbed"] == {
            "action": "widget.frobbed", "known": False, "origin": "seen", "category": "other", "status": "success",
            "severity": "info", "sentence": "", "description": "", "schema": None, "mode": "warn", "events": 2,
        }  # fmt: skip
        assert (by_name["user.login"]["known"], by_name["user.login"]["events"]) == (True, 1)
        assert (by_name["deployment.failed"]["status"], by_name["deployment.failed"]["events"]) == ("failed", 0)


def test_readers_at_the_same_time_do_not_disturb_one_another(trail):
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda number: trail.actions(**THEN, offset=number % 6), range(24)))
    assert pages == [NEWEST_FIRST[number % 6 :] for number in range(24)]
