"""The JSON values of a file are read one by one, however the file is laid out and however large it is."""

import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.importers import json_values
from tallystick.events.importers.json_values import DamagedFile, JsonText, json_texts

LISTS = frozenset({"Records", "more"})
VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from(['"', "\\", "{", "]}", '\\"'])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)
OBJECTS = st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5)


def texts(*chunks: bytes) -> list[JsonText]:
    return list(json_texts(chunks, LISTS))


def read(*chunks: bytes) -> list[object]:
    """The values, and the problems as texts."""
    return [one.problem or json.loads(one.text) for one in texts(*chunks)]


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_values, "CHUNK_CHARACTERS", 16)


@given(OBJECTS, st.sampled_from([None, 2, "\t"]), st.integers(1, 9), st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
def test_every_object_is_read_in_every_layout_and_in_pieces_of_every_size(events, indent, size, codec):
    whole = json_values.CHUNK_CHARACTERS
    json_values.CHUNK_CHARACTERS = 5
    try:
        layouts = [
            json.dumps(events, indent=indent),
            json.dumps({"next": [1], "Records": events, "more": [], "x": {"y": [2]}}, indent=indent),
            "\n".join(json.dumps(event) for event in events),
            "".join(json.dumps(event, indent=indent) for event in events),
            "".join(json.dumps({"Records": [event]}, indent=indent) for event in events),
        ]
        for layout in layouts:
            file = layout.encode(codec)
            assert read(*(file[at : at + size] for at in range(0, len(file), size))) == events
    finally:
        json_values.CHUNK_CHARACTERS = whole


@pytest.mark.parametrize("text", [b"", b"[]", b" [ \n] \n", b'{"Records":[]}', b"\xef\xbb\xbf", b"\n\n"])
def test_an_empty_file_or_list_holds_nothing(text):
    assert read(text) == []


def test_a_value_is_named_by_its_number_line_and_byte():
    found = texts('\ufeff{"a":"ü"}\n\n[{"b":1},\n {"c":1}]'.encode())
    assert [(one.number, one.line, one.byte, one.in_list) for one in found] == [
        (1, 1, 3, False), (2, 3, 16, True), (3, 4, 26, True),
    ]  # fmt: skip
    assert [one.text for one in found] == ['{"a":"ü"}'.encode(), b'{"b":1}', b'{"c":1}']


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'[{"a":1},{"a":2}', [{"a": 1}, {"a": 2}, "the file ends within a list (byte 16)"]),
        (b'[{"a":1},{"a":"b', [{"a": 1}, "the file ends within it (byte 9)"]),
        (b'{"Records":[{"a":1},{"a":', [{"a": 1}, "the file ends within it (byte 20)"]),
        (b'{"a":1}\n{"a":\n{"a":3}\n{"a":4}', [{"a": 1}, "broken JSON: expecting ',' delimiter (byte 8)",
                                               {"a": 3}, {"a": 4}]),
        (b'{"a":1}\n{"a": "2\n{"a":3}', [{"a": 1}, "broken JSON: invalid control character at (byte 8)", {"a": 3}]),
        (b'[{"a":1},{"a":x},{"a":3}]', [{"a": 1}, "broken JSON: expecting value (byte 9)", {"a": 3}]),
        (b'[{"a":1}{"a":2}]', [{"a": 1}, "values are not separated by commas (byte 8)", {"a": 2}]),
        (b'{"Records":[{"a":1},{"a":nul{"Records":[{"a":2}]}', [{"a": 1}, "broken JSON: expecting value (byte 20)",
                                                                {"a": 2}]),
        (b'{"a":1}oops\n{"a":2}', [{"a": 1}, "not a JSON object (byte 7)", {"a": 2}]),
        (b'[1,{"a":1},"x"]', ["not a JSON object", {"a": 1}, "not a JSON object"]),
        (b"oops", ["not a JSON object (byte 0)"]),
    ],
)  # fmt: skip
def test_what_is_whole_in_a_damaged_file_is_read_and_the_rest_is_named(text, expected):
    found = [one.partition("; ")[0] if isinstance(one, str) else one for one in read(text)]
    assert found == expected


@given(st.integers(0, 400), st.integers(1, 40))
def test_damage_costs_only_the_values_in_which_it_lies(start, length):
    lines = [json.dumps({"n": n, "text": 'a "quoted" {text}', "list": [{"x": 1}]}) for n in range(10)]
    file = "\n".join(lines).encode()
    damaged = file[:start] + file[start + length :]
    lost = {n for n, line in enumerate(lines) if line.encode() not in damaged.splitlines()}
    found = [one["n"] for one in read(damaged) if isinstance(one, dict) and "list" in one]
    assert set(found) >= set(range(10)) - lost


def test_a_stream_that_ends_with_damage_is_read_up_to_it():
    def chunks():
        yield b'{"a":1}{"a":2}{"a"'
        raise DamagedFile("broken gzip")

    assert read(*()) == []
    found = [one.problem or json.loads(one.text) for one in json_texts(chunks())]
    assert found[:2] == [{"a": 1}, {"a": 2}]
    assert found[-1] == "broken gzip; what came before it was read"


def test_bytes_that_are_no_text_cost_only_the_value_that_holds_them():
    found = texts(b'{"a":"\xff"}\n{"a":1}')
    assert [one.text for one in found] == [b'{"a":"\xff"}', b'{"a":1}']


@pytest.mark.parametrize("text", [b"[" * 100_000, b'{"a":' * 100_000, b'{"Records":[' * 100_000, b"{" * 100_000])
def test_nesting_without_end_is_refused(text):
    assert len(read(text)) <= json_values.MAX_DAMAGE + 1
    assert all(isinstance(one, str) for one in read(text))


@pytest.mark.parametrize("piece", [b" " * 65536, b"x" * 65536, b'{"a":"' + b"x" * 65536])
def test_a_file_without_an_end_and_without_values_is_left(piece):
    taken = itertools.count()
    chunks = (piece for _ in taken)
    assert isinstance([one.problem for one in json_texts(chunks)][-1], str)
    assert next(taken) * 65536 < 3 * json_values.MAX_RESCANNED


def test_memory_does_not_grow_with_the_file():
    event = json.dumps({"action": "thing.done", "changes": {"text": "x" * 1000}}).encode()
    found = json_texts(itertools.chain([b'{"Records":['], itertools.repeat((event + b",\n") * 100)), LISTS)
    next(found)
    tracemalloc.start()
    assert sum(len(one.text) for one in itertools.islice(found, 20_000)) == 20_000 * len(event)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4_000_000


def test_an_event_that_never_ends_is_refused_instead_of_filling_the_memory():
    [found] = read(b'[{"a": "' + b"x" * (json_values.MAX_EVENT_BYTES + 1_000_000))
    assert "more than 8 MiB" in str(found)


def test_a_large_value_is_read_whole(small_chunks):
    event = {"b": 1, "a": ["x" * 1000] * 10}
    assert read(json.dumps([event, event]).encode()) == [event, event]
