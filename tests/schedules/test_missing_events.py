"""A schedule whose events are missing sends nothing, says why, and sends everything once they are there again."""

from pathlib import Path

from tallystick.clock import DAY_US
from tallystick.destinations.local_directory import Directory
from tallystick.integrity.loss_acceptance import accept_loss
from tallystick.integrity.missing_events import MissingEvents
from tallystick.query.scope import Scope
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import ScheduleDriver, at, schedule, shown

DUE = at("2024-03-04 12:00") + DAY_US


def test_a_run_over_missing_events_says_plainly_why_nothing_was_sent(
    sqlite_spine: Spine, maya: Scope, tmp_path: Path
) -> None:
    driver = ScheduleDriver(sqlite_spine, tmp_path, None, Directory(tmp_path / "out"))
    daily = schedule(sqlite_spine, maya, DUE - DAY_US, to_storage=True, recipients=[])
    sqlite_spine.record(maya, *[{"action": "user.login"}] * 5)
    sqlite_spine.ship()
    lost = sqlite_spine.indexes(maya.org_id)[-1]
    sqlite_spine.lose(maya, [lost])
    MissingEvents(sqlite_spine.database, sqlite_spine.store).step()
    driver.settle(DUE)
    failed = shown(sqlite_spine, maya, daily.public_id).last_run
    assert failed is not None
    assert (failed.state, failed.error.startswith("Nothing was sent")) == ("failed", True)
    assert f"at {lost} in the log" in failed.error
    accept_loss(sqlite_spine.database, sqlite_spine.store, "acme", (lost, lost))
    driver.settle(DUE + DAY_US)
    done = shown(sqlite_spine, maya, daily.public_id).last_run
    assert done is not None
    assert done.state == "delivered"
