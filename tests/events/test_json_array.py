"""The objects of a JSON array are read one by one, however the file is laid out and however large it is."""

import io
import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.events.importers import json_array
from tallystick.events.importers.json_array import objects

VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(), st.sampled_from(['"', "\\", "{", "]}", '\\"'])),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
    max_leaves=8,
)


def read(text: bytes) -> list[object]:
    return [json.loads(one) for one in objects(io.BytesIO(text))]


@given(
    st.lists(st.dictionaries(st.text(), VALUES, max_size=4), max_size=5),
    st.sampled_from([None, 2, "\t"]),
    st.integers(1, 9),
)
def test_every_object_is_read_in_every_layout_and_in_pieces_of_every_size(events, indent, piece):
    whole = json_array.CHUNK_BYTES
    json_array.CHUNK_BYTES = piece
    try:
        assert read(json.dumps(events, indent=indent).encode()) == events
    finally:
        json_array.CHUNK_BYTES = whole


@pytest.mark.parametrize("text", [b"[]", b" [ \n] \n", b"[\n]"])
def test_an_empty_array_holds_nothing(text):
    assert read(text) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"[{}", "ends too early"), (b'[{"a": "b', "ends within an event"), (b"[{} {}]", "not separated by commas"),
        (b"[1]", "not an event"), (b"[{},]", "not an event"), (b"[{}] {}", "behind the array"), (b"{}", "begins with"),
    ],
)  # fmt: skip
def test_a_broken_array_is_said_after_the_events_before_it(text, problem):
    with pytest.raises(ValueError, match=problem):
        read(text)


class EndlessArray(io.RawIOBase):
    """An array that never ends, and the one event that it repeats."""

    def __init__(self, event: bytes) -> None:
        self._pieces = itertools.chain([b"["], itertools.repeat(event + b",\n"))

    def read(self, size: int = -1) -> bytes:
        return b"".join(itertools.islice(self._pieces, 100))


def test_memory_does_not_grow_with_the_file():
    event = json.dumps({"action": "thing.done", "changes": {"text": "x" * 1000}}).encode()
    found = objects(EndlessArray(event))
    next(found)
    tracemalloc.start()
    assert sum(len(one) for one in itertools.islice(found, 20_000)) == 20_000 * len(event)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_an_event_that_never_ends_is_refused_instead_of_filling_the_memory():
    endless = io.BytesIO(b'[{"a": "' + b"x" * (json_array.MAX_EVENT_BYTES + 1_000_000))
    with pytest.raises(ValueError, match="more than 8 MiB"):
        list(objects(endless))
