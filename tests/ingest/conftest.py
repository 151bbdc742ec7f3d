"""Fixtures of recording."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick.database.engine import Database
from tallystick.store.clients import Bounds
from tallystick.store.events import EventStore
from tests.ingest.spine import Spine


@pytest.fixture(scope="session")
def store(events_url: str) -> Iterator[EventStore]:
    """The event store of this test process."""
    opened = EventStore(events_url, Bounds(clients=3))
    opened.open()
    yield opened
    opened.close()


@pytest.fixture
def spine(database: Database, store: EventStore, tmp_path: Path) -> Iterator[Spine]:
    """Recording on each control database."""
    made = Spine(database, store, tmp_path)
    yield made
    made.close()


@pytest.fixture
def sqlite_spine(sqlite_database: Database, store: EventStore, tmp_path: Path) -> Iterator[Spine]:
    """Recording on SQLite alone, for promises that do not depend on the engine."""
    made = Spine(sqlite_database, store, tmp_path)
    yield made
    made.close()
