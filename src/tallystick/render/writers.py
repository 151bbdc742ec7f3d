"""The formats of exports: each writes blocks of events to a binary stream, in the given order."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from tallystick.events.record import StoredEvent
from tallystick.render.csv_lines import STANDARD, CsvLayout, csv_header, csv_lines
from tallystick.render.export_pdf import CoverPage, write_pdf
from tallystick.render.json_lines import json_lines, ndjson
from tallystick.render.parquet import write_parquet

Blocks = Iterable[Sequence[StoredEvent]]


@dataclass(frozen=True, slots=True)
class FileDescription:
    """What a file says beside its events: the cover page of a PDF, the layout of a CSV file.

    `holes`: positions in the log whose events the server lacks, as text: `missing` now, or `lost` for good.
    `last_line`: of NDJSON, which names them.
    """

    cover: CoverPage = field(default_factory=CoverPage)
    layout: CsvLayout = STANDARD
    holes: Mapping[str, str] = field(default_factory=dict)
    last_line: bytes = b""


WriteFunction = Callable[[Blocks, BinaryIO, FileDescription], None]


@dataclass(frozen=True, slots=True)
class FileFormat:
    """A format: its name in `words`, and whether files hold every field of an event (`is_whole`).

    A format without `write` is built elsewhere (the bundle).
    """

    words: str
    suffix: str
    media_type: str
    is_whole: bool
    write: WriteFunction | None = None


def _csv(blocks: Blocks, target: BinaryIO, about: FileDescription) -> None:
    target.write(csv_header(about.layout))
    target.writelines(csv_lines(block, about.layout) for block in blocks)


def _ndjson(blocks: Blocks, target: BinaryIO, about: FileDescription) -> None:
    target.writelines(ndjson(block) for block in blocks)
    target.write(about.last_line)


def _json(blocks: Blocks, target: BinaryIO, _about: FileDescription) -> None:
    between = b"[\n"
    for block in blocks:
        if block:
            target.write(between + b",\n".join(json_lines(block)))
            between = b",\n"
    target.write(b"[]\n" if between == b"[\n" else b"\n]\n")


def _parquet(blocks: Blocks, target: BinaryIO, about: FileDescription) -> None:
    write_parquet(blocks, target, {f"tallystick.{name}": text for name, text in about.holes.items()})


def _pdf(blocks: Blocks, target: BinaryIO, about: FileDescription) -> None:
    write_pdf(blocks, target, about.cover)


FORMATS: dict[str, FileFormat] = {
    "csv": FileFormat("CSV", "csv", "text/csv; header=present", False, _csv),
    "json": FileFormat("JSON", "json", "application/json", True, _json),
    "ndjson": FileFormat("NDJSON", "ndjson", "application/x-ndjson", True, _ndjson),
    "pdf": FileFormat("PDF", "pdf", "application/pdf", False, _pdf),
    "parquet": FileFormat("Parquet", "parquet", "application/vnd.apache.parquet", True, _parquet),
    "bundle": FileFormat("Bundle", "zip", "application/zip", True),
}
