"""The evaluator and the baseline worker on real recording."""

import pytest

from tests.alerts.rule_driver import Watch
from tests.fixtures.spine import Spine


@pytest.fixture
def watch(spine: Spine) -> Watch:
    """On each control database."""
    return Watch(spine)


@pytest.fixture
def sqlite_watch(sqlite_spine: Spine) -> Watch:
    """On SQLite alone, for promises that do not depend on the engine."""
    return Watch(sqlite_spine)
