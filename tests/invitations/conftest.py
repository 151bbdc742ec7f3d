"""Fixtures of invitations."""

import pytest

from tallystick.database.engine import Database
from tests.access.town import Town, build


@pytest.fixture
def town(database: Database) -> Town:
    """Acme, Other and their people, on each control database."""
    return build(database)


@pytest.fixture
def small_town(sqlite_database: Database) -> Town:
    """The same on SQLite alone, for promises that do not depend on the engine."""
    return build(sqlite_database)
