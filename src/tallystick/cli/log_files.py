"""Reads log files event by event, with the file and place of each event."""

import os
import sys
import zlib
from collections.abc import Callable, Iterator
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO, cast
from zipfile import BadZipFile, ZipFile

from tallystick.events.importers import cloudtrail, own_export
from tallystick.events.importers.gzip_members import unpack
from tallystick.events.importers.parsed import ParsedEvent

STANDARD_INPUT = "-"
READERS = {"tallystick": own_export.read, "cloudtrail": cloudtrail.read}
_ZIP = b"PK\x03\x04"
_CHUNK_BYTES = 256 << 10
_MOST_LEVELS = 64  # of folders within one another


def read_file(name: str, log_format: str, advance: Callable[[int], None]) -> Iterator[ParsedEvent]:
    """The events of a file, of every file in a folder, or of standard input for `-`; gzip is unpacked.

    `advance` is called with the number of bytes of each read. A value that is no event is yielded as a problem, and
    reading continues where it can. Files of other kinds in a folder are named in one `foreign` problem at its end.
    Raises OSError if a file that is named cannot be opened.
    """
    if name == STANDARD_INPUT:
        yield from _read("standard input", sys.stdin.buffer, log_format, advance)
    elif Path(name).is_dir():
        yield from _read_folder(name, log_format, advance)
    else:
        with Path(name).open("rb") as file:
            yield from _read_file(name, file, log_format, advance)


def total_bytes(names: list[str]) -> int | None:
    """The size of the files, and of those in folders; None if it is not known, as of standard input."""
    if STANDARD_INPUT in names:
        return None
    try:
        paths = [path for name in names for path in (files_in(name) if Path(name).is_dir() else [Path(name)])]
        return sum(path.stat().st_size for path in paths if path.is_file())
    except OSError:
        return None


def files_in(folder: str, level: int = 0) -> Iterator[Path]:
    """The files in a folder and its folders, in order of their names; without hidden ones and links to folders."""
    with os.scandir(folder) as found:
        entries = sorted((one for one in found if not one.name.startswith(".")), key=lambda one: one.name)
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if level < _MOST_LEVELS:
                yield from files_in(entry.path, level + 1)
        elif entry.is_file():
            yield Path(entry.path)


def _read_folder(folder: str, log_format: str, advance: Callable[[int], None]) -> Iterator[ParsedEvent]:
    left_out, example = 0, ""
    for path in files_in(folder):
        try:
            with path.open("rb") as file:
                for one in _read_file(str(path), file, log_format, advance):
                    if one.foreign:
                        left_out, example = left_out + 1, example or str(path)
                        break
                    yield one
        except OSError as error:
            yield ParsedEvent(str(path), None, f"cannot be read: {error.strerror or error}")
    if left_out:
        count = "1 file of another kind was" if left_out == 1 else f"{left_out:,} files of other kinds were"
        yield ParsedEvent(folder, None, f"{count} left out, such as {example}", foreign=True)


def _read_file(
    name: str, file: BufferedReader, log_format: str, advance: Callable[[int], None]
) -> Iterator[ParsedEvent]:
    head = file.peek(own_export.HEAD_BYTES)[: own_export.HEAD_BYTES]
    if log_format == "tallystick" and head.startswith(_ZIP):
        yield from _read_bundle(name, file, advance)
    elif log_format == "tallystick" and (problem := own_export.other_form(head)):
        yield ParsedEvent(name, None, problem, foreign=True)
    else:
        yield from _read(name, file, log_format, advance)


def _read_bundle(name: str, file: BinaryIO, advance: Callable[[int], None]) -> Iterator[ParsedEvent]:
    """The events of a bundle, which is a ZIP file."""
    try:
        with ZipFile(file) as bundle, bundle.open(own_export.BUNDLED_EVENTS) as lines:
            yield from _read(
                f"{name}, {own_export.BUNDLED_EVENTS}", cast(BinaryIO, lines), "tallystick", lambda _: None
            )
    except (BadZipFile, KeyError, RuntimeError, EOFError, zlib.error) as problem:
        yield ParsedEvent(name, None, f"not a bundle of Tallystick, or damaged ({problem})", foreign=True)
    advance(file.seek(0, os.SEEK_END))


def _read(name: str, stream: BinaryIO, log_format: str, advance: Callable[[int], None]) -> Iterator[ParsedEvent]:
    for one in READERS[log_format](unpack(_chunks(stream, advance))):
        yield one._replace(location=name + one.location)


def _chunks(stream: BinaryIO, advance: Callable[[int], None]) -> Iterator[bytes]:
    while chunk := stream.read(_CHUNK_BYTES):
        advance(len(chunk))
        yield chunk
