"""Identifiers hold their time, sort by it, and read back exactly."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick import ids

moments = st.integers(0, (1 << 48) * 1000 - 1)


@given(st.binary(min_size=16, max_size=16))
def test_every_identifier_reads_back(raw):
    shown = ids.encode("evt", raw)
    assert (len(shown), ids.decode("evt", shown)) == (30, raw)


@given(moments, st.binary(min_size=10, max_size=10))
def test_an_identifier_is_a_uuid_of_version_7_that_holds_its_millisecond(at_us, random):
    raw = ids.uuid7_bytes(at_us, random)
    assert (uuid.UUID(bytes=raw).version, uuid.UUID(bytes=raw).variant) == (7, uuid.RFC_4122)
    assert ids.milliseconds_of(raw) == at_us // 1000


@given(moments, st.lists(st.binary(min_size=10, max_size=10), min_size=2, max_size=2, unique=True))
def test_different_random_bytes_give_different_identifiers_up_to_74_bits(at_us, pair):
    def kept(random):
        tail = int.from_bytes(random, "big")
        return tail & 0xFFF, tail >> 12 & 0x3FFF_FFFF_FFFF_FFFF

    one, other = pair
    same = ids.uuid7_bytes(at_us, one) == ids.uuid7_bytes(at_us, other)
    assert same == (kept(one) == kept(other))


@given(st.lists(st.binary(min_size=16, max_size=16), min_size=2, max_size=2))
def test_shown_identifiers_sort_like_their_bytes(pair):
    one, other = pair
    assert (ids.encode("evt", one) < ids.encode("evt", other)) == (one < other)


def test_the_known_typeid_is_written_as_its_specification_says():
    raw = uuid.UUID("01890a5d-ac96-774b-bcce-b302099a8057").bytes
    assert ids.encode("prefix", raw) == "prefix_01h455vb4pex5vsknk084sn02q"


@pytest.mark.parametrize(
    "text",
    ["", "evt_", "01h455vb4pex5vsknk084sn02q", "org_01h455vb4pex5vsknk084sn02q", "evt_01h455vb4pex5vsknk084sn02",
     "evt_81h455vb4pex5vsknk084sn02q", "evt_01H455VB4PEX5VSKNK084SN02Q", "evt_01h455vb4pex5vsknk084sn02u"],
)  # fmt: skip
def test_what_is_no_identifier_is_refused(text):
    with pytest.raises(ValueError, match="not a evt_ identifier"):
        ids.decode("evt", text)
