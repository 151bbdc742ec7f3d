"""Identifiers of many events at once are what each of them is alone."""

from hypothesis import given
from hypothesis import strategies as st

from tallystick import ids
from tallystick.events.record import StoredEvent
from tallystick.render.fields import encode_ids


@given(st.lists(st.binary(min_size=16, max_size=16), max_size=40))
def test_many_identifiers_are_written_as_each_alone(raws: list[bytes]) -> None:
    events = [StoredEvent(index, raw, 0, 0, b"{}", b"{}", b"{}", b"{}") for index, raw in enumerate(raws)]
    assert [one.decode() for one in encode_ids(events)] == [ids.encode("evt", raw) for raw in raws]
