"""Gzip is unpacked as far as it can be, and what cannot be is said."""

import gzip
import random

import pytest

from tallystick.events.importers import gzip_members
from tallystick.events.importers.gzip_members import unpack
from tallystick.events.importers.json_values import DamagedFile

TEXT = random.Random(1).randbytes(40_000).hex().encode()


def read(file: bytes, size: int = 1000) -> tuple[bytes, str]:
    """What is unpacked, and the problem."""
    found = bytearray()
    try:
        for piece in unpack(file[at : at + size] for at in range(0, len(file), size)):
            found += piece
    except DamagedFile as problem:
        return bytes(found), str(problem)
    return bytes(found), ""


@pytest.mark.parametrize("size", [1, 7, 100_000])
@pytest.mark.parametrize(
    "file",
    [
        TEXT, gzip.compress(TEXT), gzip.compress(TEXT[:9]) + gzip.compress(TEXT[9:]),
        gzip.compress(gzip.compress(TEXT)), gzip.compress(TEXT) + b"\0" * 512,
    ],
    ids=["plain", "packed", "members", "twice", "padded"],
)  # fmt: skip
def test_every_form_is_unpacked_whole(file, size):
    assert read(file, size) == (TEXT, "")


def test_an_empty_file_is_empty():
    assert read(b"") == (b"", "")


def test_a_cut_file_is_unpacked_up_to_its_end():
    found, problem = read(gzip.compress(TEXT)[:-20_000])
    assert TEXT.startswith(found)
    assert len(found) > 30_000
    assert problem == "broken gzip (it ends too early)"


def test_what_stands_behind_the_last_member_is_said():
    assert read(gzip.compress(TEXT) + b"rubbish") == (TEXT, "something behind the gzip data is not gzip")


def test_damage_in_one_member_does_not_cost_the_next():
    first = bytearray(gzip.compress(TEXT))
    first[30_000] ^= 0xFF
    found, problem = read(bytes(first) + gzip.compress(b"next"))
    assert found.startswith(TEXT[:20_000])
    assert found.endswith(b"next")
    assert problem.startswith("broken gzip")


def test_a_wrong_checksum_costs_nothing():
    file = bytearray(gzip.compress(TEXT))
    file[-6] ^= 0xFF
    found, problem = read(bytes(file))
    assert (found, problem[:11]) == (TEXT, "broken gzip")


def test_what_unpacks_to_very_much_comes_in_pieces():
    bomb = gzip.compress(b" " * 50_000_000)
    assert max(map(len, unpack([bomb]))) <= gzip_members._PIECE
