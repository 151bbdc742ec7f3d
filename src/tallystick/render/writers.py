"""The formats of an export: each writes an iterator of events to a binary stream, in the order they come."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import BinaryIO

from tallystick.events.record import StoredEvent
from tallystick.render.csv_lines import csv_header, csv_of
from tallystick.render.export_pdf import About, write_pdf
from tallystick.render.json_lines import lines_of, ndjson_of
from tallystick.render.parquet import write_parquet

Blocks = Iterable[Sequence[StoredEvent]]
Write = Callable[[Blocks, BinaryIO, About], None]


@dataclass(frozen=True, slots=True)
class ExportFormat:
    """`is_whole`: every field of an event is in it. A format without `write` is not made here (a bundle)."""

    words: str
    suffix: str
    media_type: str
    is_whole: bool
    write: Write | None = None


def _csv(blocks: Blocks, target: BinaryIO, _about: About) -> None:
    target.write(csv_header())
    target.writelines(csv_of(block) for block in blocks)


def _ndjson(blocks: Blocks, target: BinaryIO, _about: About) -> None:
    target.writelines(ndjson_of(block) for block in blocks)


def _json(blocks: Blocks, target: BinaryIO, _about: About) -> None:
    between = b"[\n"
    for block in blocks:
        if block:
            target.write(between + b",\n".join(lines_of(block)))
            between = b",\n"
    target.write(b"[]\n" if between == b"[\n" else b"\n]\n")


def _parquet(blocks: Blocks, target: BinaryIO, _about: About) -> None:
    write_parquet(blocks, target)


FORMATS: dict[str, ExportFormat] = {
    "csv": ExportFormat("CSV", "csv", "text/csv; header=present", False, _csv),
    "json": ExportFormat("JSON", "json", "application/json", True, _json),
    "ndjson": ExportFormat("NDJSON", "ndjson", "application/x-ndjson", True, _ndjson),
    "pdf": ExportFormat("PDF", "pdf", "application/pdf", False, write_pdf),
    "parquet": ExportFormat("Parquet", "parquet", "application/vnd.apache.parquet", True, _parquet),
    "bundle": ExportFormat("Bundle", "zip", "application/zip", True),
}
