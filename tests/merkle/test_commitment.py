"""An event's entry: exact bytes, salted parts, what survives an erasure."""

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.merkle.commitment import commit, entry_of, part_commitments, salts

EVENT_ID = bytes.fromhex("018d0c6f2e5a7b3c8d9e0f1a2b3c4d5e")
RECEIVED_AT = 1_705_329_045_120_000
SEED = bytes(range(16))
PARTS = (
    b'{"action":"deployment.failed"}',
    b'{"type":"project","id":"prj_88"}',
    '{"actor":{"name":"Zoë"}}'.encode(),
    b"{}",
)

parts = st.tuples(st.binary(), st.binary(), st.binary(), st.binary())


def as_specified(event_id: bytes, received_at: int, seed: bytes, contents: tuple[bytes, ...]) -> bytes:
    entry = b"tallystick/event/v1\x00" + event_id + received_at.to_bytes(8, "big")
    for number, content in enumerate(contents, start=1):
        salt = sha256(b"tallystick/salt/v1\x00" + bytes([number]) + seed).digest()[:16]
        entry += sha256(b"tallystick/part/v1\x00" + bytes([number]) + salt + content).digest()
    return sha256(entry).digest()


def test_the_entry_of_a_known_event_never_changes() -> None:
    assert commit(EVENT_ID, RECEIVED_AT, SEED, PARTS).hex() == (
        "598babc24054b15f156007cab85b7af73d88ee9e6055beba1c6bd862fea6f611"
    )


@given(st.binary(min_size=16, max_size=16), st.integers(0, 2**64 - 1), st.binary(min_size=16, max_size=16), parts)
def test_an_entry_is_what_the_specification_says(
    event_id: bytes, received_at: int, seed: bytes, contents: tuple[bytes, bytes, bytes, bytes]
) -> None:
    assert commit(event_id, received_at, seed, contents) == as_specified(event_id, received_at, seed, contents)


def test_an_entry_can_be_rebuilt_when_a_part_has_left_only_its_commitment() -> None:
    kept = part_commitments(SEED, PARTS)
    assert entry_of(EVENT_ID, RECEIVED_AT, kept) == commit(EVENT_ID, RECEIVED_AT, SEED, PARTS)


def test_a_surviving_part_is_proved_by_its_salt_without_the_seed() -> None:
    salt = salts(SEED).target
    assert sha256(b"tallystick/part/v1\x00\x02" + salt + PARTS[1]).digest() == part_commitments(SEED, PARTS).target


def test_equal_parts_of_one_event_have_different_commitments() -> None:
    assert len(set(part_commitments(SEED, (b"{}", b"{}", b"{}", b"{}")))) == 4


@pytest.mark.parametrize("changed", range(4))
def test_changing_any_part_changes_the_entry(changed: int) -> None:
    what, target, who, details = (part + b" " if at == changed else part for at, part in enumerate(PARTS))
    altered = (what, target, who, details)
    assert commit(EVENT_ID, RECEIVED_AT, SEED, altered) != commit(EVENT_ID, RECEIVED_AT, SEED, PARTS)
