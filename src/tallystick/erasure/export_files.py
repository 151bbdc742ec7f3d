"""Erasure in exports: their files are deleted whole, since most formats cannot be changed; their rows are redacted."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from tallystick.database.engine import Database
from tallystick.erasure.subject import SubjectMatcher
from tallystick.exports import files
from tallystick.exports.request import OPEN, is_export
from tallystick.exports.tables import exports

FAILED = "Its filter named a person whose data has been erased."
COLUMNS = ("by_name", "by_email", "error")


@dataclass(frozen=True)
class ExportFiles:
    """The files and rows of exports. Every finished file is deleted, whoever is in it; running exports start again."""

    database: Database
    data_dir: Path
    name: str = "export files"

    def count(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """The number of exports with a file, or with a row that names the person."""
        with self.database.read() as connection:
            rows = connection.execute(select(exports).where(exports.c.org_id == org_id)).all()
        return sum(1 for row in rows if _has_file(row) or _redacted_columns(row, matcher))

    def erase(self, org_id: UUID, matcher: SubjectMatcher) -> int:
        """Delete all files, first in the table, then on the disk, so that the table never offers a missing file."""
        with self.database.write() as connection:
            rows = connection.execute(select(exports).where(exports.c.org_id == org_id).with_for_update()).all()
            count = sum(_erase_row(connection, row, matcher) for row in rows)
        for row in rows:
            files.remove(files.path_of(self.data_dir, org_id, row.export_id))
        return count


def _erase_row(connection: Connection, row: Any, matcher: SubjectMatcher) -> bool:
    values: dict[str, Any] = _redacted_columns(row, matcher)
    if row.state in OPEN and "filter" in values:
        values |= {"state": "failed", "error": FAILED}
    elif row.state == "running":
        values["state"] = "queued"
    elif _has_file(row):
        values["gone"] = "erased"
    if values:
        connection.execute(update(exports).where(is_export(row.org_id, row.export_id)).values(values))
    return bool(values)


def _has_file(row: Any) -> bool:
    return bool(row.state == "completed" and not row.gone)


def _redacted_columns(row: Any, matcher: SubjectMatcher) -> dict[str, str]:
    said = {name: matcher.redact(getattr(row, name)) for name in COLUMNS}
    said["filter"] = matcher.redact_json(row.filter)
    return {
        name: text[:254] if name.startswith("by_") else text
        for name, text in said.items()
        if text != getattr(row, name)
    }
