"""Exports in rows hold every field of an event: a text for each field that a sender may give is found again."""

import csv
import io
from typing import Any

import pyarrow.parquet as pq
import pytest

from tallystick.events.geoip import AddressFacts
from tallystick.events.incoming import Actor, Context, EventInput, OnBehalfOf, Resource
from tallystick.events.intake import read_request
from tallystick.events.record import StoredEvent
from tallystick.render.csv_lines import CsvLayout, csv_header, csv_lines
from tallystick.render.parquet import write_parquet
from tests.events.sending import JSON, KEY, NOW, REDACTED, send_one

CHOSEN = {
    "action": "deployment.failed", "timestamp": "2024-01-15T14:30:45.120000Z", "status": "failed",
    "category": "deployments", "severity": "critical", "ip_address": "192.0.2.7", "country": "DE", "channel": "mcp",
    "mode": "autonomous",
}  # fmt: skip
OBJECTS = ("changes", "request", "response", "metadata")


def texts_for(struct: type, place: str, *, left_out: tuple[str, ...] = ()) -> dict[str, Any]:
    """A value for each field: its own place, or one that the field may have."""
    names = [name for name in struct.__struct_fields__ if name not in left_out]
    return {name: "agent" if name == "type" and "actor" in place else CHOSEN.get(name, place + name) for name in names}


def whole_event(several: bool) -> dict[str, Any]:
    """An event with every field; with three resources or one."""
    nested = ("actor", "resource", "resources", "context", "enriched", *OBJECTS)
    resources = [texts_for(Resource, f"resource{number}_") for number in range(3 if several else 1)]
    return texts_for(EventInput, "event_", left_out=nested) | {
        "actor": texts_for(Actor, "actor_", left_out=("on_behalf_of",))
        | {"on_behalf_of": texts_for(OnBehalfOf, "behalf_actor_")},
        "resources": resources,
        "context": texts_for(Context, "context_"),
        **{name: {"key": f"{name}_value"} for name in OBJECTS},
    }


def texts_in(value: Any) -> set[str]:
    if isinstance(value, dict | list):
        return set().union(*map(texts_in, value.values() if isinstance(value, dict) else value))
    return {value}


@pytest.fixture(params=[False, True], ids=["one resource", "several resources"])
def sent(request) -> dict[str, Any]:
    return whole_event(request.param)


@pytest.fixture
def stored(sent) -> StoredEvent:
    record = send_one(**sent).record
    return StoredEvent(
        7, record.id, record.received_at, record.occurred_at, record.what, record.target, record.who, record.details
    )


def test_a_csv_of_all_columns_holds_every_text_of_an_event(sent, stored):
    layout = CsvLayout("all")
    (row,) = csv.DictReader(io.StringIO((csv_header(layout) + csv_lines([stored], layout)).decode(), newline=""))
    whole = "\n".join(row.values())
    assert sorted(text for text in texts_in(sent) if text not in whole) == []


def test_a_parquet_file_holds_every_text_of_an_event(sent, stored):
    target = io.BytesIO()
    write_parquet([[stored]], target)
    (row,) = pq.read_table(target).to_pylist()
    whole = "\n".join(str(value) for value in row.values())
    texts = texts_in(sent) - {CHOSEN["timestamp"]}
    assert sorted(text for text in texts if text not in whole) == []


@pytest.fixture
def filled_in() -> StoredEvent:
    """An event whose country and network the server filled in."""
    body = b'{"action":"user.login","context":{"ip_address":"203.0.113.9"}}'
    [prepared] = read_request(
        body, JSON, received_at=NOW, recorded_by=KEY, redacted_keys=REDACTED,
        find_address=lambda _address: AddressFacts("DE", "AS3320"),
    )  # fmt: skip
    one = prepared.record
    return StoredEvent(7, one.id, one.received_at, one.occurred_at, one.what, one.target, one.who, one.details)


def test_a_csv_of_all_columns_says_what_the_server_filled_in(filled_in):
    layout = CsvLayout("all")
    (row,) = csv.DictReader(io.StringIO((csv_header(layout) + csv_lines([filled_in], layout)).decode(), newline=""))
    enriched = '["context.country","context.network"]'
    assert (row["country"], row["network"], row["enriched"]) == ("DE", "AS3320", enriched)


def test_a_parquet_file_says_what_the_server_filled_in(filled_in):
    target = io.BytesIO()
    write_parquet([[filled_in]], target)
    (row,) = pq.read_table(target).to_pylist()
    assert row["enriched"] == ["context.country", "context.network"]
