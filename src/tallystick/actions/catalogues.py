"""Reads the catalogues of organizations, and keeps those that were read lately."""

import time
from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, select
from sqlalchemy.exc import OperationalError

from tallystick.actions.tables import action_descriptions, action_revisions
from tallystick.database.engine import Database
from tallystick.events.action_catalogue import BUILT_IN, ActionCatalogue, ActionDescription

CHECK_SECONDS = 0.5  # how often it is looked whether the descriptions have changed
MOST_KEPT = 500  # organizations


def read_catalogue(connection: Connection, org_id: UUID) -> ActionCatalogue:
    """The organization's catalogue, read from its table."""
    rows = connection.execute(select(action_descriptions).where(action_descriptions.c.org_id == org_id)).all()
    return ActionCatalogue(map(description_of, rows)) if rows else BUILT_IN


def description_of(row: Row[Any]) -> ActionDescription:
    """The description in a row of `action_descriptions`."""
    return ActionDescription(
        action=row.action,
        category=row.category,
        status=row.status,
        severity=row.severity,
        sentence=row.sentence,
        description=row.description,
        schema=msgspec.json.decode(row.schema) if row.schema else None,
        mode=row.mode,
    )


class _Kept(NamedTuple):
    catalogue: ActionCatalogue
    revision: int
    checked_at: float


class ActionCatalogues:
    """The catalogues of organizations, at most CHECK_SECONDS old. Thread-safe; an unchanged one is the same object."""

    def __init__(self, database: Database, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._monotonic = monotonic
        self._kept: OrderedDict[UUID, _Kept] = OrderedDict()
        self._lock = Lock()

    def cached(self, org_id: UUID) -> ActionCatalogue | None:
        """The catalogue if it need not be looked up, else None: then call `of` in a thread."""
        kept = self._kept.get(org_id)
        return kept.catalogue if kept is not None and self._monotonic() - kept.checked_at < CHECK_SECONDS else None

    def of(self, org_id: UUID) -> ActionCatalogue:
        """The organization's catalogue. Reads the database and blocks, unless it did so lately.

        Where the database does not answer, it is the one that was read last; the database's error if there is none.
        """
        catalogue = self.cached(org_id)
        if catalogue is not None:
            return catalogue
        kept = self._kept.get(org_id)
        try:
            return self._read(org_id, kept)
        except OperationalError:
            if kept is None:
                raise
            return kept.catalogue

    def _read(self, org_id: UUID, kept: _Kept | None) -> ActionCatalogue:
        began = self._monotonic()
        with self._database.read() as connection:
            # The revision first: what is read after it is as new or newer.
            mine = action_revisions.c.org_id == org_id
            revision = int(connection.execute(select(action_revisions.c.revision).where(mine)).scalar() or 0)
            if kept is None or kept.revision != revision:
                kept = _Kept(read_catalogue(connection, org_id) if revision else BUILT_IN, revision, began)
        with self._lock:
            self._kept[org_id] = kept._replace(checked_at=began)
            self._kept.move_to_end(org_id)
            while len(self._kept) > MOST_KEPT:
                self._kept.popitem(last=False)
        return kept.catalogue

    def forget(self, org_id: UUID) -> None:
        """Drop a catalogue. Call it after a change, which then takes effect in this process at once."""
        with self._lock:
            self._kept.pop(org_id, None)
