"""GET /v1/audit-logs/live: each event once, in order, as it is recorded."""

import contextlib
import itertools
import statistics
import threading
import time
from typing import Any

import pytest

from tallystick.live.hub import MOST_VIEWERS
from tests.api.api_client import PATH, event, plain_client, problem
from tests.fixtures.waiting import wait_until


def events(view: Any, count: int) -> list[dict[str, Any]]:
    """The next `count` events; positions between them are checked to fit."""
    seen: list[dict[str, Any]] = []
    last = -2
    for message in view:
        assert message["id"] >= last, "positions only grow"
        last = message["id"]
        if message["event"] == "event":
            assert message["id"] == message["data"]["index"]
            seen.append(message["data"])
            if len(seen) == count:
                break
        else:
            assert message == {"id": last, "event": "position", "data": {"through": last}}
    return seen


def test_a_new_event_appears_within_a_second(acme):
    with acme.live(action="seen.live") as view:
        assert next(view)["event"] == "position"
        seconds = []
        for _ in range(5):
            sent_at = time.monotonic()
            recorded = acme.post(event("seen.live", metadata={"n": 1})).json()["events"][0]
            (shown,) = events(view, 1)
            seconds.append(time.monotonic() - sent_at)
        assert statistics.median(seconds) < 1.0, "one may be late where the machine has other work"
    assert (shown["id"], shown["metadata"]) == (recorded["id"], {"n": 1})
    assert shown == acme.get(f"{PATH}/{recorded['id']}").json()


def test_it_is_not_gathered_or_kept_on_the_way(acme):
    with acme.http.stream("GET", f"{PATH}/live") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        assert answer.headers["cache-control"] == "no-store"


def test_the_filters_hold_for_it(acme):
    with acme.live(status="failed", user="sarah@acme.com") as view:
        next(view)
        acme.post(
            {
                "events": [
                    event("user.login", actor={"email": "sarah@acme.com"}),
                    event("user.login_failed", actor={"email": "john@acme.com"}),
                    event("user.login_failed", actor={"email": "sarah@acme.com"}),
                ]
            }
        )
        (shown,) = events(view, 1)
    assert (shown["action"], shown["actor"]["email"]) == ("user.login_failed", "sarah@acme.com")


def test_between_the_list_and_the_live_view_nothing_is_missing_or_double(acme):
    stop = threading.Event()
    sent: list[str] = []

    def send() -> None:
        with plain_client(str(acme.http.base_url), Authorization=f"Bearer {acme.key}") as client:
            while not stop.is_set():
                body = {"events": [event("busy.done") for _ in range(5)]}
                sent.extend(one["id"] for one in client.post(PATH, json=body).json()["events"])

    sender = threading.Thread(target=send)
    sender.start()
    try:
        for _ in range(3):
            page = acme.page(limit=1000, order="recorded", action="busy.done")
            listed = [one["id"] for one in page["data"] if one["index"] <= page["searchable_through"]]
            with acme.live(after=page["searchable_through"], action="busy.done") as view:
                followed = [one["id"] for one in events(view, 40)]
            everything = listed + followed
            assert len(set(everything)) == len(everything)
            wait_until(lambda: len(sent) >= len(everything))  # noqa: B023
            assert set(everything) == set(sent[: len(everything)])
    finally:
        stop.set()
        sender.join()


def test_a_lost_connection_is_taken_up_where_it_broke(acme):
    acme.record(*[event("resumed.done", metadata={"n": n}) for n in range(30)])
    seen: list[int] = []
    last = "-1"
    while len(seen) < 30:
        with acme.live(headers={"Last-Event-ID": last}, action="resumed.done", after=-1) as view:
            for message in itertools.islice(view, 4):
                last = str(message["id"])
                if message["event"] == "event":
                    seen.append(message["data"]["metadata"]["n"])
    assert seen == list(range(30))


def test_the_past_comes_in_order_of_index_however_it_was_dated(acme):
    acme.record(
        event("dated.done", timestamp="2024-05-01T00:00:00Z"), event("dated.done", timestamp="2020-01-01T00:00:00Z")
    )
    with acme.live(after=-1, action="dated.done") as view:
        first, second = events(view, 2)
    assert first["index"] + 1 == second["index"]
    assert first["timestamp"] > second["timestamp"]


@pytest.mark.parametrize(
    ("asked", "headers", "code"),
    [
        ({"after": "x"}, {}, "bad_parameter"),
        ({"after": -2}, {}, "bad_parameter"),
        ({"after": [1, 2]}, {}, "bad_parameter"),
        ({}, {"Last-Event-ID": "evt"}, "bad_parameter"),
        ({"after": 10**9}, {}, "bad_position"),
        ({"limit": 5}, {}, "unknown_parameter"),
    ],
)
def test_a_position_that_is_none_is_refused(lasting, asked, headers, code):
    problem(lasting.get(f"{PATH}/live", headers=headers, **asked), 400, code)


def test_views_that_are_left_are_counted_out(acme):
    def viewers() -> float:
        for line in acme.http.get("/metrics").text.splitlines():
            if line.startswith("tallystick_live_viewers "):
                return float(line.split()[1])
        return 0.0

    before = viewers()
    for _ in range(10):
        with acme.live() as view:
            next(view)
    wait_until(lambda: viewers() <= before)


def test_a_view_too_many_of_one_key_is_refused_before_it_begins(acme):
    with contextlib.ExitStack() as views:
        for _ in range(MOST_VIEWERS // 10):
            view = views.enter_context(acme.http.stream("GET", f"{PATH}/live"))
            assert view.status_code == 200
        refused = acme.http.get(f"{PATH}/live")
        problem(refused, 429, "too_many_viewers")
        assert int(refused.headers["Retry-After"]) >= 1
    wait_until(lambda: _is_admitted(acme))


def _is_admitted(acme) -> bool:
    with acme.http.stream("GET", f"{PATH}/live") as view:
        return view.status_code == 200
