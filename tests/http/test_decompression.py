"""A compressed body is decompressed in steps, within limits of bytes and of members."""

import asyncio
import gzip
import struct
import sys
import zlib

import pytest

from tallystick.errors import BadRequest, TooLarge
from tallystick.http.body import MOST_BYTES, read_body
from tallystick.http.decompression import MOST_MEMBERS, STEP
from tests.http.receiving import allowance, request

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

SKIPPABLE = struct.pack("<II", 0x184D2A50, 4) + b"skip"


def read(content: bytes, encoding: str, budget=None) -> bytes:
    async def work() -> bytes:
        async with read_body(request(content, content_encoding=encoding), budget or allowance()) as body:
            return body

    return asyncio.run(work())


def refused(content: bytes, encoding: str) -> str:
    with pytest.raises(BadRequest) as refusal:
        read(content, encoding)
    assert refusal.value.code == "bad_encoding"
    return refusal.value.detail


def turns_while_reading(content: bytes, encoding: str) -> int:
    """How often other tasks of the event loop had their turn meanwhile."""

    async def work() -> int:
        turns, done = 0, False

        async def count() -> None:
            nonlocal turns
            while not done:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count())
        try:
            async with read_body(request(content, content_encoding=encoding), allowance()):
                pass
        except (BadRequest, TooLarge):
            pass
        done = True
        await counting
        return turns

    return asyncio.run(work())


PACK = {"gzip": gzip.compress, "zstd": zstd.compress}


@pytest.mark.parametrize("encoding", PACK)
@pytest.mark.parametrize("length", [1, STEP - 1, STEP, STEP + 1, 2 * STEP, 3_000_000])
def test_members_of_any_length_are_joined(encoding, length):
    content = bytes(number * 7 % 251 for number in range(length))
    packed = PACK[encoding](content) + PACK[encoding](b"") + PACK[encoding](content[:100])
    assert read(packed, encoding) == content + content[:100]


def test_skippable_frames_are_skipped():
    assert read(SKIPPABLE + zstd.compress(b"one") + SKIPPABLE + zstd.compress(b"two"), "zstd") == b"onetwo"


@pytest.mark.parametrize(
    ("encoding", "member"),
    [("gzip", gzip.compress(b"")), ("zstd", zstd.compress(b"")), ("zstd", SKIPPABLE)],
    ids=["gzip", "zstd", "skippable"],
)
def test_a_body_has_a_bounded_number_of_members_also_of_empty_ones(encoding, member):
    full = PACK[encoding](b"{}")
    assert read(full + member * (MOST_MEMBERS - 1), encoding) == b"{}"
    assert "1,000" in refused(full + member * MOST_MEMBERS, encoding)


@pytest.mark.parametrize("encoding", PACK)
def test_other_tasks_have_their_turn_with_each_member(encoding):
    assert turns_while_reading(PACK[encoding](b"") * MOST_MEMBERS, encoding) >= MOST_MEMBERS


def test_however_many_bodies_are_decompressed_other_tasks_have_their_turn_after_each_step():
    content, bodies, turns = gzip.compress(b"") * 50, 20, 0
    budget = allowance()

    async def work() -> None:
        async def read_one() -> None:
            async with read_body(request(content, content_encoding="gzip"), budget):
                pass

        async def count_turns() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        counting = asyncio.create_task(count_turns())
        await asyncio.gather(*(read_one() for _ in range(bodies)))
        counting.cancel()

    asyncio.run(work())
    assert turns >= bodies * 50


def test_other_tasks_have_their_turn_while_nothing_but_input_passes():
    name = b"x" * (8 << 20)  # a gzip header with a file name of megabytes
    header = b"\x1f\x8b\x08\x08" + bytes(6) + name + b"\0"
    packed = header + zlib.compress(b"ok", wbits=-15) + struct.pack("<II", zlib.crc32(b"ok"), 2)
    assert read(packed, "gzip") == b"ok"
    assert turns_while_reading(packed, "gzip") >= len(name) // STEP
    empty_blocks = b"\x00\x00\x00\xff\xff" * (1 << 20)
    assert turns_while_reading(gzip.compress(b"")[:10] + empty_blocks, "gzip") >= len(empty_blocks) // STEP


@pytest.mark.parametrize("encoding", PACK)
def test_what_unpacks_to_more_than_the_limit_is_given_up(encoding):
    assert len(read(PACK[encoding](bytes(MOST_BYTES)), encoding)) == MOST_BYTES
    with pytest.raises(TooLarge):
        read(PACK[encoding](bytes(MOST_BYTES + 1)), encoding)


@pytest.mark.parametrize("encoding", PACK)
def test_a_body_that_is_cut_followed_by_other_data_or_empty_is_refused_and_gives_its_bytes_back(encoding):
    packed = PACK[encoding](b"event" * 100_000)
    refused(packed[:-1], encoding)
    refused(packed + b"other", encoding)
    refused(b"", encoding)
    budget = allowance(1 << 21)
    with pytest.raises(BadRequest):
        read(packed[:-1], encoding, budget)
    budget.take(1 << 21)
