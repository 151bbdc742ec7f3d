"""Streams and exports of the whole trail, as many as the attacker can start."""

from itertools import count

import pytest

from tests.fixtures.sizes import size
from tests.fixtures.waiting import wait_until
from tests.load.attack import Siege

EVENTS = size(2_000, 60_000)
STREAMS = size(8, 40)
EXPORT_SECONDS = 60  # of the bystander's, whatever waits
EXPORTS = size(4, 8)  # senders of requests, each of which asks for one export after the other


@pytest.mark.full_size
def test_streams_of_the_whole_trail_do_not_hold_up_another_organization(siege: Siege):
    siege.record_events(EVENTS, metadata={"text": "number {n} " * 40})

    def read_stream(client, number):
        kind = ("text/csv", "application/x-ndjson")[number % 2]
        return client.get("/v1/audit-logs", headers={"Accept": kind})

    siege.withstand(read_stream, at_once=STREAMS)


@pytest.mark.full_size
def test_exports_of_the_whole_trail_do_not_hold_up_another_organization(siege: Siege):
    siege.record_events(EVENTS, metadata={"text": "number {n} " * 40})
    kinds = count()

    def request_export(client, _number):
        answer = client.post("/v1/exports", json={"format": ("csv", "pdf", "bundle", "parquet")[next(kinds) % 4]})
        if answer.status_code == 409:
            assert answer.json()["code"] == "too_many_exports"
            return None
        return answer

    siege.withstand(request_export, at_once=EXPORTS)
    with siege.server.client(siege.server.key("bystander", "exports", "events:read")) as client:
        mine = client.post("/v1/exports", json={"format": "csv"}).raise_for_status().json()["id"]
        # Another organization's exports do not hold it up.
        wait_until(lambda: client.get(f"/v1/exports/{mine}").json()["status"] == "completed", EXPORT_SECONDS)
