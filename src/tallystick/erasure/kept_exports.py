"""Kept exports: their files go as a whole, since no part of most formats can be taken out; and who asked for what."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, select, update

from tallystick.database.engine import Database
from tallystick.erasure.texts import Texts
from tallystick.exports import files
from tallystick.exports.request import OPEN, is_one
from tallystick.exports.tables import exports

FAILED = "Its filter named a person whose data was erased."
TEXTS = ("by_name", "by_email", "error")


@dataclass(frozen=True)
class KeptExports:
    """Every file made before the erasure goes, whoever is in it; what is being made begins again."""

    database: Database
    data_dir: Path
    name: str = "kept exports"

    def found(self, org_id: UUID, texts: Texts) -> int:
        """How many files there are, and rows beside that speak of the person."""
        with self.database.read() as connection:
            rows = connection.execute(select(exports).where(exports.c.org_id == org_id)).all()
        return sum(1 for row in rows if _has_file(row) or _changed(row, texts))

    def erase(self, org_id: UUID, texts: Texts) -> int:
        """Delete the files first in the table, then on the disk: what the table offers is there."""
        with self.database.write() as connection:
            rows = connection.execute(select(exports).where(exports.c.org_id == org_id).with_for_update()).all()
            count = sum(_settle(connection, row, texts) for row in rows)
        for row in rows:
            files.remove(files.path_of(self.data_dir, org_id, row.export_id))
        return count


def _settle(connection: Connection, row: Any, texts: Texts) -> bool:
    values: dict[str, Any] = _changed(row, texts)
    if row.state in OPEN and "filter" in values:
        values |= {"state": "failed", "error": FAILED}
    elif row.state == "running":
        values["state"] = "queued"
    elif _has_file(row):
        values["gone"] = "erased"
    if values:
        connection.execute(update(exports).where(is_one(row.org_id, row.export_id)).values(values))
    return bool(values)


def _has_file(row: Any) -> bool:
    return bool(row.state == "completed" and not row.gone)


def _changed(row: Any, texts: Texts) -> dict[str, str]:
    said = {name: texts.without(getattr(row, name)) for name in TEXTS}
    said["filter"] = texts.without_in_json(row.filter)
    return {
        name: text[:254] if name.startswith("by_") else text
        for name, text in said.items()
        if text != getattr(row, name)
    }
