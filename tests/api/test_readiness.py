"""Readiness: which failed checks refuse a server, and which only degrade it."""

import anyio
import pytest

from tallystick.api.readiness import Readiness
from tallystick.clock import now_us
from tallystick.journal.missing_ranges import IndexGap, replace_missing
from tallystick.work.disk_space import DiskSpace
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.one_engine


def checks(spine: Spine, disk: DiskSpace) -> dict[str, bool]:
    return dict(anyio.run(Readiness(spine.database, spine.store, disk).checks))


def test_missing_events_fail_a_check_of_their_own(sqlite_spine: Spine, tmp_path) -> None:
    scope = sqlite_spine.organization()
    with sqlite_spine.database.write() as connection:
        replace_missing(connection, scope.org_id, [IndexGap(0, 0, 1)], now=now_us(), by="start")
    assert checks(sqlite_spine, DiskSpace(tmp_path)) == {
        "database": True, "disk": True, "events": True, "events_complete": False,
    }  # fmt: skip


def test_a_full_disk_fails_the_check_without_which_nothing_is_recorded(sqlite_spine: Spine, tmp_path) -> None:
    assert checks(sqlite_spine, DiskSpace(tmp_path, 1 << 60))["disk"] is False
