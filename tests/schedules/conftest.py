"""A mail server, and what sends to it."""

import pytest

from tests.destinations.mail_server import open_mailbox
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import ScheduleDriver


@pytest.fixture
def mailbox():
    with open_mailbox() as opened:
        yield opened


@pytest.fixture
def driver(sqlite_spine: Spine, tmp_path, mailbox):
    return ScheduleDriver(sqlite_spine, tmp_path, mailbox[1])
