"""A mail server, what sends to it, and an organization of ten events with an owner."""

import pytest

from tests.destinations.mail_server import open_mailbox
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import ScheduleDriver, owner


@pytest.fixture
def mailbox():
    with open_mailbox() as opened:
        yield opened


@pytest.fixture
def driver(sqlite_spine: Spine, tmp_path, mailbox):
    return ScheduleDriver(sqlite_spine, tmp_path, mailbox[1])


@pytest.fixture
def scope(sqlite_spine: Spine):
    made = sqlite_spine.organization()
    sqlite_spine.record(made, *[{"action": "thing.done"}] * 10)
    sqlite_spine.ship()
    return made


@pytest.fixture
def maya(sqlite_spine: Spine, scope):
    return owner(sqlite_spine, scope)
