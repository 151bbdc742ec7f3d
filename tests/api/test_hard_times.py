"""A server whose event store is gone, whose keys may ask five times a second, and that is stopped at the end."""

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import httpx
import pytest

from tallystick.database.engine import Database
from tests.api.api_client import PATH, Event, Operator, event, problem
from tests.fixtures.servers import Server, Starter
from tests.fixtures.waiting import PATIENCE_SECONDS, wait_until


@pytest.fixture(scope="module")
def troubled(start_server: Starter) -> Server:
    """Nothing listens where its event store should be."""
    gone = "clickhouse://nobody:hidden@127.0.0.1:1/default"
    return start_server(TALLYSTICK_EVENTS_URL=gone, TALLYSTICK_RATE_LIMIT="5")


@pytest.fixture(scope="module")
def making(troubled: Server) -> Iterator[Operator]:
    """Makes organizations on it; each key has ten requests before it is told to wait."""
    database = Database(f"sqlite:///{troubled.data_dir / 'tallystick.db'}")
    yield Operator(troubled.url, database)
    database.close()


@pytest.fixture(scope="module")
def waited_for(making: Operator) -> Iterator["Future[httpx.Response]"]:
    """The answer to a request that waits for what cannot come, while the other tests run."""
    with ThreadPoolExecutor(1) as waiting:
        asking = making.organization()
        yield waiting.submit(asking.post, event("waited.for"), params={"wait": "searchable"})


@pytest.mark.usefixtures("waited_for")
def test_a_server_without_its_event_store_is_degraded_and_says_no_more(making):
    answer = making.organization().get("/readyz")
    assert answer.status_code == 200
    assert answer.json() == {
        "status": "degraded",
        "checks": {"database": True, "disk": True, "events": False, "events_complete": True},
    }


def test_recording_goes_on_and_the_new_event_can_be_read(making):
    asking = making.organization()
    recorded = asking.post(event("meanwhile.done"))
    assert recorded.status_code == 201
    assert asking.get(f"{PATH}/{recorded.json()['events'][0]['id']}").json()["action"] == "meanwhile.done"


@pytest.mark.parametrize("accept", ["application/json", "text/csv", "application/x-ndjson"])
def test_finding_says_when_to_come_back(making, accept):
    answer = making.organization().get(headers={"Accept": accept})
    problem(answer, 503, "store_down")
    assert int(answer.headers["retry-after"]) > 0


def test_a_failed_stream_frees_its_place(making):
    for _ in range(2):
        asking = making.organization()
        for _ in range(4):
            problem(asking.get(headers={"Accept": "text/csv"}), 503, "store_down")


def test_a_live_view_shows_what_is_recorded_all_the_same(making):
    asking = making.organization()
    with asking.live() as view:
        next(view)
        asking.post(event("seen.anyway"))
        shown = next(message for message in view if message["data"].get("action") == "seen.anyway")
    assert shown["event"] == "event"


def test_a_key_that_asks_too_often_is_told_when_to_come_back(making):
    asking, other = making.organization(), making.organization()
    answer = wait_until(lambda: next((one for _ in range(20) if (one := asking.get(limit=0)).status_code == 429), None))
    problem(answer, 429, "rate_limited")
    assert int(answer.headers["retry-after"]) >= 1
    assert other.get(limit=0).status_code == 400, "the limit is each key's own"
    assert asking.http.get("/healthz").status_code == 200
    time.sleep(float(answer.headers["retry-after"]))
    assert asking.get(limit=0).status_code == 400


def test_a_revoked_key_stops_seeing_events(making):
    """The server looks again every few seconds; here the whole time is waited for."""
    acme = making.organization()
    from_elsewhere = making.key(acme.org_id, "events:read")
    with from_elsewhere.live() as view:
        next(view)
        with making.database.write() as connection:
            connection.exec_driver_sql(
                "UPDATE api_keys SET revoked_at = 1 WHERE last4 = ? AND org_id = ?",
                (from_elsewhere.key[-4:], acme.org_id.hex),
            )

        def ending() -> Event | None:
            acme.post(event("unseen.done"))
            message: Event = next(view)
            return message if message["event"] == "problem" else None

        assert wait_until(ending)["data"]["code"] == "key_revoked"


def test_a_client_that_waits_in_vain_is_told_so_after_ten_seconds(waited_for):
    answer = waited_for.result(PATIENCE_SECONDS)
    assert answer.status_code == 202
    assert answer.elapsed.total_seconds() >= 10
    assert answer.json()["events"][0]["duplicate"] is False


def test_a_server_that_stops_ends_its_live_views(making, troubled):
    asking = making.organization()
    with asking.live() as view:
        next(view)
        stopping = threading.Thread(target=troubled.stop)
        stopping.start()
        assert [message for message in view if message["data"].get("action") == "never.done"] == []
        stopping.join()
    assert troubled.process is not None
    assert troubled.process.returncode == 0
