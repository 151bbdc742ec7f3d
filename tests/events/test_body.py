"""What a request may look like, and what is said of one that cannot be read."""

import msgspec
import pytest

from tallystick.errors import BadRequest, Invalid, TooLarge, UnsupportedMedia
from tallystick.events.body import MAX_BODY, MAX_EVENTS, read_body
from tallystick.events.problems import MAX_SUGGESTIONS, Problems
from tests.events.sending import NDJSON, problems, read

EVENT = b'{"action":"user.login"}'
OTHER = b'{"action":"user.logout"}'


def actions(body: bytes, content_type: str = "application/json") -> list[str]:
    return [prepared.record.action for prepared in read(body, content_type)]


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param(b'{"events":[' + EVENT + b"," + OTHER + b"]}", "application/json", id="an object with events"),
        pytest.param(b' \n{ "events" : [' + EVENT + b"," + OTHER + b"]} \n", "application/json", id="white space"),
        pytest.param(b"[" + EVENT + b"," + OTHER + b"]", "application/json", id="a list"),
        pytest.param(EVENT + b"\n" + OTHER, NDJSON, id="one a line"),
        pytest.param(b"\n\n" + EVENT + b"\r\n \t\n" + OTHER + b"\n\n", NDJSON, id="blank lines"),
        pytest.param(b"\xef\xbb\xbf[" + EVENT + b"," + OTHER + b"]", "application/json", id="a byte order mark"),
        pytest.param(b"[" + EVENT + b"," + OTHER + b"]", "Application/JSON; charset=UTF-8", id="a charset"),
        pytest.param(b"[" + EVENT + b"," + OTHER + b"]", "", id="no content type"),
    ],
)
def test_events_come_in_any_of_the_documented_shapes(body, content_type):
    assert actions(body, content_type) == ["user.login", "user.logout"]


def test_one_event_may_stand_alone():
    assert actions(EVENT) == ["user.login"]


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        pytest.param(b"", "bad_json", "empty", id="empty"),
        pytest.param(b" \r\n\t ", "bad_json", "empty", id="white space only"),
        pytest.param(b'{"action":', "bad_json", "line 1, column 11", id="cut off"),
        pytest.param(b'{"action":"user.login\xff"}', "bad_json", "byte 21", id="not UTF-8"),
        pytest.param('{"action":"a.b"}'.encode("utf-16"), "bad_json", "UTF-8", id="UTF-16"),
        pytest.param(b'{"action":"a.b","changes":{"x":NaN}}', "bad_json", "NaN", id="NaN"),
        pytest.param(b'{"action":"a.b","description":"\x01"}', "bad_json", "control", id="a raw control character"),
        pytest.param(EVENT + b"\n" + OTHER, "bad_json", NDJSON, id="NDJSON under the wrong name"),
        pytest.param(b"5", "bad_body", "not a number", id="a number"),
        pytest.param(b"null", "bad_body", "not null", id="null"),
        pytest.param(b'"user.login"', "bad_body", "not a text", id="a text"),
        pytest.param(b'{"events":{}}', "bad_body", "not an object", id="events that are no list"),
        pytest.param(b'{"events":[],"evnets":[]}', "bad_body", "`evnets`", id="something beside the events"),
        pytest.param(b"[]", "no_events", "at least one", id="an empty list"),
        pytest.param(b'{"events":[]}', "no_events", "at least one", id="no events"),
        pytest.param(b"[" * 5000 + b"]" * 5000, "too_deep", "20 deep", id="5,000 brackets"),
        pytest.param(b'{"a":' * 5000 + b"1" + b"}" * 5000, "too_deep", "20 deep", id="5,000 braces"),
        pytest.param(b"[" * 2_000_000, "too_deep", "20 deep", id="brackets without end"),
    ],
)
def test_a_body_that_holds_no_events_is_refused_with_the_reason(body, code, says):
    with pytest.raises(BadRequest) as refusal:
        read(body)
    assert refusal.value.code == code
    assert says in refusal.value.detail


def test_no_lines_are_no_events():
    with pytest.raises(BadRequest) as refusal:
        read(b"\n \n", NDJSON)
    assert refusal.value.code == "no_events"


def test_a_line_that_is_not_json_is_a_problem_of_that_event_beside_the_others():
    body = EVENT + b"\n\n" + b"{oops}\n" + b'{"action":"x"}\n' + EVENT + EVENT + b"\n" + b'{"action":"a.b\xff"}'
    assert problems(body, NDJSON) == [
        (1, "", "bad_json"),
        (2, "action", "bad_action"),
        (3, "", "bad_json"),
        (4, "", "bad_json"),
    ]


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"]
)
def test_another_content_type_is_refused_with_the_right_ones(content_type):
    with pytest.raises(UnsupportedMedia, match="application/json"):
        read(EVENT, content_type)


@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
def test_a_request_holds_up_to_1000_events(content_type):
    def body(count: int) -> bytes:
        return b"\n".join([EVENT] * count) if content_type == NDJSON else b"[" + b",".join([EVENT] * count) + b"]"

    assert len(read(body(MAX_EVENTS), content_type)) == MAX_EVENTS
    with pytest.raises(TooLarge, match="1001") as refusal:
        read(body(MAX_EVENTS + 1), content_type)
    assert refusal.value.code == "too_many_events"


def test_too_many_bad_events_are_still_too_many_events():
    with pytest.raises(TooLarge):
        read(msgspec.json.encode([{"actoin": 5}] * (MAX_EVENTS + 1)))


def test_a_body_over_10_mebibytes_is_refused():
    with pytest.raises(TooLarge) as refusal:
        read(EVENT + b" " * MAX_BODY)
    assert refusal.value.code == "too_large"


def test_millions_of_blank_lines_are_refused_before_they_are_split():
    with pytest.raises(TooLarge) as refusal:
        read(b"\n" * 5_000_000, NDJSON)
    assert refusal.value.code == "too_many_events"


def test_a_repeated_key_keeps_its_last_value_and_hides_nothing():
    [prepared] = read(b'{"action":5,"action":"user.login","changes":{"x":"first","x":"last"},"changes":{"x":"last"}}')
    assert prepared.record.action == "user.login"
    assert prepared.record.details == b'{"changes":{"x":"last"}}'
    assert prepared.record.values == ("last",)


# More than 512 KiB with more than 200,000 values.
DENSE = b'{"action":"a.b","metadata":{"n":[' + b",".join([b"1"] * 600) + b"]}}"


def dense(count: int, content_type: str, *others: bytes) -> bytes:
    texts = [DENSE] * count + list(others)
    return b"\n".join(texts) if content_type == NDJSON else b'{"events":[' + b",".join(texts) + b"]}"


@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
def test_a_large_body_of_many_values_is_read_like_any_other(content_type):
    recorded = read(dense(600, content_type, OTHER), content_type)
    assert [prepared.record.action for prepared in recorded] == ["a.b"] * 600 + ["user.logout"]
    assert recorded[0].record.details == read(DENSE)[0].record.details
    bad = [
        b'{"action":"x"}',
        b'{"action":"a.b","metadata":{"x":"\\ud800"}}',
        b"5",
        b'{"action":"a.b","metadata":{"x":1e999}}',
    ]
    assert problems(dense(600, content_type, *bad), content_type) == [
        (600, "action", "bad_action"),
        (601, "metadata.x", "lone_surrogate"),
        (602, "", "wrong_type"),
        (603, "metadata.x", "number_out_of_range"),
    ]


@pytest.mark.parametrize("element", [b"1", b"[]", b"{}", EVENT])
@pytest.mark.parametrize("around", [(b"[", b"]"), (b'{"events":[', b"]}")])
def test_millions_of_elements_are_refused_with_the_first_that_is_too_many(element, around):
    body = around[0] + b",".join([element] * (9_000_000 // (len(element) + 1))) + around[1]
    with pytest.raises(TooLarge) as refusal:
        read(body)
    assert refusal.value.code == "too_many_events"


@pytest.mark.parametrize("content_type", ["application/json", NDJSON])
@pytest.mark.parametrize("value", [b"1", b"[]", b'{"a":1}'])
def test_an_event_of_millions_of_values_is_refused_before_it_is_decoded(value, content_type):
    event = b'{"action":"a.b","metadata":{"n":[' + b",".join([value] * (9_000_000 // (len(value) + 1))) + b"]}}"
    assert problems(event, content_type) == [(0, "", "event_too_large")]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (dense(900, "application/json")[:-1], "bad_json"),
        (dense(900, "application/json")[:-1] + b',"evnets":1}', "bad_body"),
        (b'{"events":{"x":[' + b",".join([b"[]"] * 1_000_000) + b"]}}", "bad_body"),
        (b"[" * 9_000_000, "too_deep"),
    ],
    ids=["cut off", "something beside the events", "events that are no list", "brackets without end"],
)
def test_a_large_body_that_cannot_be_read_is_refused_with_the_reason(body, code):
    with pytest.raises(BadRequest) as refusal:
        read(body)
    assert refusal.value.code == code


def test_names_are_suggested_for_the_first_unknown_fields_only():
    body = b'{"action":"a.b",' + b",".join(b'"resourc%d":1' % number for number in range(1000)) + b"}"
    with pytest.raises(Invalid) as refusal:
        read(body)
    said = [error["detail"] for error in refusal.value.extra["errors"]]
    assert len(said) == 1000
    assert sum("did you mean" in detail for detail in said) == MAX_SUGGESTIONS


FINER = '{"action": "a.b", "timestamp": "2026-11-20T23:59:59.9999996Z", "metadata": {"timestamp": "1.99999999"}}'


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (FINER, "application/json"),
        (f"[{FINER}]", "application/json"),
        (f'{{"events": [{FINER}]}}', "application/json"),
        (f"{FINER}\n{FINER}", NDJSON),
        (FINER.replace("1.99999999", "\\\\u0000"), "application/json"),
    ],
)
def test_times_finer_than_microseconds_are_cut_not_rounded(body, content_type):
    events = list(read_body(body.encode(), content_type, Problems()))
    assert {str(event.timestamp) for event in events} == {"2026-11-20 23:59:59.999999+00:00"}
    assert events[0].metadata["timestamp"] in ("1.99999999", "\\u0000")
