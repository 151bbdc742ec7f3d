"""Tallystick's own format."""

import json

import msgspec
import pytest

from tallystick.events.importers import own_export
from tallystick.events.importers.own_export import event_of_text
from tallystick.events.output import event_of_record
from tests.events.sending import SEEDS_EVENT, send


def read(*lines: bytes) -> list[dict]:
    """The events of lines of which none is wrong."""
    found = list(own_export.read([b"\n".join(lines)]))
    assert [one.problem for one in found if one.event is None] == []
    return [one.event for one in found if one.event is not None]


def test_each_line_is_an_event_as_sent():
    assert read(b'{"action":"a.b"}', b"", b"  \r", b'{"action":"a.c","external_id":"x"}\r') == [
        {"action": "a.b"},
        {"action": "a.c", "external_id": "x"},
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_event():
    assert read(b'\xef\xbb\xbf{"action":"a.b"}') == [{"action": "a.b"}]


def test_what_a_server_answered_can_be_imported():
    [prepared] = send(SEEDS_EVENT)
    [event] = read(msgspec.json.encode(event_of_record(prepared.record, 7)))
    [again] = send(event)
    assert again.record.details == prepared.record.details
    assert event["external_id"] == "ci-4711"


def test_an_exported_event_without_external_id_is_known_by_its_id():
    [prepared] = send({"action": "a.b"})
    answer = event_of_record(prepared.record, 7)
    assert read(msgspec.json.encode(answer))[0]["external_id"] == answer["id"]


@pytest.mark.parametrize(
    "file",
    [
        b'[{"action":"a.b"},{"action":"a.c"}]', b'{"action":"a.b"} {"action":"a.c"}',
        b'{"events":[{"action":"a.b"},{"action":"a.c"}]}', b'{"action":"a.b"}[{"action":"a.c"}]',
        b'{"data":[{"action":"a.b"},{"action":"a.c"}],"total":2,"next_cursor":null}',
        b'{"action":"a.b"}\n{"action":"a.c"}\n{"missing":[[4,6]]}\n',
    ],
)  # fmt: skip
def test_requests_answers_and_exports_are_read(file):
    assert read(file) == [{"action": "a.b"}, {"action": "a.c"}]


@pytest.mark.parametrize(
    "line", [b"oops", b"5", b"[5]", b'{"action":"\xff"}', b'{"a":' * 5000, b'{"action":"\\ud800"}', b'{"action":NaN}']
)
def test_a_line_that_is_no_event_is_named_and_the_others_are_read(line):
    first, wrong, last = own_export.read([b"\n".join([b'{"action":"a.b"}', b"", line, b'{"action":"a.c"}'])])
    assert (wrong.event, wrong.location) in [(None, ":3"), (None, ", event 2")]
    assert wrong.problem
    assert [one.event for one in (first, last)] == [{"action": "a.b"}, {"action": "a.c"}]


EVIDENCE = {
    "id": "evt_01m8n7236ef41rddzvadgt995c", "index": 0, "received_at": 1, "seed": "",
    "what": '{"action":"a.b","timestamp":"2024-01-15T14:30:45.000000Z","status":"success","category":"other",'
    '"recorded_by":{"type":"user","id":"1","name":"A"}}',
    "target": "", "who": '{"actor":{"type":"user","id":"1"}}', "details": '{"metadata":{"a":1}}',
}  # fmt: skip


def test_a_line_of_a_bundle_is_the_event_that_its_parts_say():
    assert event_of_text(json.dumps(EVIDENCE).encode()) == {
        "action": "a.b", "timestamp": "2024-01-15T14:30:45.000000Z", "status": "success", "category": "other",
        "actor": {"type": "user", "id": "1"}, "metadata": {"a": 1}, "external_id": EVIDENCE["id"],
    }  # fmt: skip


@pytest.mark.parametrize("damage", [{"what": "{"}, {"what": "{}"}, {"who": "[]"}, {"id": "evt_1"}, {"who": None}])
def test_a_damaged_line_of_a_bundle_is_refused(damage):
    with pytest.raises(ValueError, match=r"."):
        event_of_text(json.dumps(EVIDENCE | damage).encode())
