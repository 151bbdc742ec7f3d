"""The hub of live views on real recording, moved on step by step."""

import pytest

from tests.fixtures.spine import Spine
from tests.live.viewers import Viewing


@pytest.fixture
def viewing(sqlite_spine: Spine) -> Viewing:
    return Viewing(sqlite_spine)
