"""What the files of a data directory hold, raw and unpacked: for looking for what should be nowhere."""

import contextlib
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path

import lz4.block
import zstandard

LZ4, ZSTD = 0x82, 0x90
HEAD = 25  # checksum, method, packed size with these 9 bytes, unpacked size
MOST = 64 << 20
HEAD_OF_A_PAGE = 64
_METHOD = re.compile(rb"[\x82\x90]", re.DOTALL)


def texts_in(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Every file as it is, and every block in it that the event store packed."""
    for path in sorted(folder.rglob("*")):
        with contextlib.suppress(FileNotFoundError):
            if path.is_file():
                raw = path.read_bytes()
                yield path, raw
                yield path, b"\n".join(_unpacked(raw))


def holding(folder: Path, needles: Sequence[bytes]) -> list[str]:
    """The files in which one of the needles stands, ignoring the case of ASCII letters."""
    wanted = [needle.lower() for needle in needles]
    return sorted({str(path) for path, text in texts_in(folder) if any(needle in text.lower() for needle in wanted)})


def free_pages_with_bytes(path: Path) -> list[int]:
    """The free pages of a SQLite database (after a checkpoint) that hold more than the head of a page and its list."""
    raw = path.read_bytes()
    size = struct.unpack(">H", raw[16:18])[0]
    trunk = struct.unpack(">I", raw[32:36])[0]
    found = []
    while trunk:
        page = raw[(trunk - 1) * size : trunk * size]
        after, count = struct.unpack(">II", page[:8])
        leaves = struct.unpack(f">{count}I", page[8 : 8 + 4 * count])
        pages = {trunk: page[8 + 4 * count :]} | {leaf: raw[(leaf - 1) * size : leaf * size] for leaf in leaves}
        found += [number for number, of in pages.items() if len(of) - of.count(0) > HEAD_OF_A_PAGE]
        trunk = after
    return found


def _unpacked(raw: bytes) -> Iterator[bytes]:
    at = 0
    while at + HEAD < len(raw):
        block = _block(raw, at)
        if block is None:
            found = _METHOD.search(raw, at + 17)
            if found is None:
                return
            at = max(at + 1, found.start() - 16)
            continue
        yield block[0]
        at += block[1]


def _block(raw: bytes, at: int) -> tuple[bytes, int] | None:
    method, packed, size = struct.unpack_from("<BII", raw, at + 16)
    if method not in (LZ4, ZSTD) or not 9 < packed <= len(raw) - at - 16 or not 0 < size <= MOST:
        return None
    body = raw[at + HEAD : at + 16 + packed]
    try:
        if method == LZ4:
            return lz4.block.decompress(body, uncompressed_size=size), 16 + packed
        return zstandard.ZstdDecompressor().decompress(body, max_output_size=size), 16 + packed
    except (lz4.block.LZ4BlockError, zstandard.ZstdError):
        return None
