"""What reading over the API leaves in the trail: streams at once, pages never as events of their own."""

from collections import Counter

import pytest
from sqlalchemy import select

from tallystick.data_access.counts import EXPORTED
from tallystick.data_access.tables import data_access_counts
from tests.api.api_client import ApiClient, Operator, event
from tests.fixtures.waiting import wait_until

CSV, NDJSON = "text/csv", "application/x-ndjson"


def streams_of(asking: ApiClient) -> list[dict]:
    return asking.page(action=EXPORTED, order="asc")["data"]


@pytest.mark.parametrize("media", [CSV, NDJSON])
def test_a_stream_of_the_trail_is_recorded_as_an_export_is(acme: ApiClient, media: str) -> None:
    acme.record(event("project.created"), event("deployment.failed"))
    acme.get(headers={"Accept": media}, action=["project.*", "deployment.*"])
    [told] = wait_until(lambda: streams_of(acme))
    assert told["metadata"]["format"] == media
    assert told["metadata"]["filter"] == {"action": ["project.*", "deployment.*"]}
    assert told["actor"]["type"] == "api_key"
    assert told["recorded_by"] == {"type": "system", "id": "tallystick", "name": "Tallystick"}


def test_a_poller_of_streams_does_not_feed_itself(acme: ApiClient) -> None:
    acme.record(event("project.created"))
    acme.get(headers={"Accept": NDJSON})
    [first] = wait_until(lambda: streams_of(acme))
    for _ in range(5):
        # What came since: nothing but the record of its own last stream.
        lines = acme.get(headers={"Accept": NDJSON}, start=first["timestamp"]).text.splitlines()
        assert len(lines) == 1
    assert len(streams_of(acme)) == 1


def test_pages_and_single_events_are_counted_and_no_events(acme: ApiClient, operator: Operator) -> None:
    [recorded] = acme.record(event("project.created"))
    before = acme.size()
    for _ in range(3):
        acme.page()
        acme.get(f"/v1/audit-logs/{recorded['id']}")
        acme.get("/v1/audit-logs/histogram")
        acme.get(f"/v1/audit-logs/{recorded['id']}/related")
    assert acme.size() == before
    mine = data_access_counts.c.org_id == acme.org_id

    def counted() -> Counter[str]:
        with operator.database.read() as connection:
            rows = connection.execute(select(data_access_counts.c.kind, data_access_counts.c.number).where(mine)).all()
        return Counter({row.kind: row.number for row in rows})

    wait_until(lambda: counted()["requests"] >= 14, detail=counted)
    assert set(counted()) == {"requests"}


def test_a_key_that_only_writes_is_not_counted_as_a_reader(operator: Operator, acme: ApiClient) -> None:
    writer = operator.key(acme.org_id, "events:write")
    for _ in range(3):
        assert writer.post(event("project.created")).status_code == 201
    acme.page()
    mine = data_access_counts.c.org_id == acme.org_id

    def readers() -> set[str]:
        with operator.database.read() as connection:
            return set(connection.execute(select(data_access_counts.c.reader_id).where(mine)).scalars())

    assert len(wait_until(readers)) == 1


def test_a_live_view_that_begins_at_the_first_event_is_recorded_as_a_stream(acme: ApiClient) -> None:
    acme.record(event("project.created"))
    with acme.live(after=-1, action="project.*"):
        [told] = wait_until(lambda: streams_of(acme))
    assert told["metadata"]["format"] == "text/event-stream"
    assert told["metadata"]["filter"] == {"action": ["project.*"]}


def test_a_live_view_that_goes_on_where_it_was_is_not_recorded_as_a_stream(acme: ApiClient) -> None:
    [*_, last] = acme.record(*[event("project.created")] * 3)
    with acme.live(after=last["index"] - 1), acme.live():
        acme.record(event("project.created"))
    acme.get(headers={"Accept": CSV})  # what would be recorded of the views is recorded before this
    [told] = wait_until(lambda: streams_of(acme))
    assert told["metadata"]["format"] == CSV


def test_charlie_reads_nothing_of_what_others_read(acme: ApiClient, organization) -> None:
    charlie = organization()
    acme.record(event("project.created"))
    acme.get(headers={"Accept": CSV})
    wait_until(lambda: streams_of(acme))
    assert streams_of(charlie) == []
