"""Tallystick's own format."""

import io

import msgspec
import pytest

from tallystick.events.importers import ndjson
from tallystick.events.output import event_of_record
from tests.events.sending import SEEDS_EVENT, send


def read(*lines: bytes) -> list[dict]:
    return list(ndjson.read(io.BytesIO(b"\n".join(lines))))


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
    "line", [b"oops", b"5", b"[]", b'{"action":"\xff"}', b'{"a":' * 5000, b'{"action":"\\ud800"}', b'{"a":1} {"a":1}']
)
def test_a_line_that_is_no_event_is_named(line):
    with pytest.raises(ValueError, match="line 3: "):
        read(b'{"action":"a.b"}', b"", line)
