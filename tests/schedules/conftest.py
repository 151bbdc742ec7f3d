"""A mail server, and what sends to it."""

import pytest

from tests.destinations.mail_server import open_office
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import Works


@pytest.fixture
def office():
    with open_office() as opened:
        yield opened


@pytest.fixture
def works(sqlite_spine: Spine, tmp_path, office):
    return Works(sqlite_spine, tmp_path, office[1])
