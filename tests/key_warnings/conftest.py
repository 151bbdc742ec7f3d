"""Fixtures of key warnings."""

import pytest

from tallystick.database.engine import Database
from tests.access.town import Town, build


@pytest.fixture
def town(database: Database) -> Town:
    """Acme, Other and their people, on each control database."""
    return build(database)
