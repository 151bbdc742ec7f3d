"""A disk that fills up: the event store stops long before recording must, and both go on when there is space again."""

import shutil

import pytest

from tallystick.errors import Unavailable
from tallystick.ingest.shipper import Shipper
from tallystick.work.disk_space import DiskSpace
from tests.fixtures.spine import Spine
from tests.ingest.test_shipping import event, waiting

LEAST = 1 << 30


@pytest.fixture
def free(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The free bytes of every disk, to be changed."""
    free = [LEAST]
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: free[0])
    return free


def merges_wait(spine: Spine) -> bool:
    """Whether the engine refuses to merge."""
    try:
        spine.store.change("OPTIMIZE TABLE events FINAL SETTINGS optimize_throw_if_noop = 1")
    except Exception as error:
        return "Cancelled merging" in str(error) or "ABORTED" in str(error)
    return False


def test_below_the_least_free_space_events_are_recorded_and_wait_in_the_journal(sqlite_spine, tmp_path, free):
    spine = sqlite_spine
    scope = spine.organization()
    for number in range(3):  # parts that can be merged
        spine.record(scope, event(number))
        spine.ship()
    spine.shipper.close()
    spine.shipper = Shipper(spine.database, spine.store, spine.identity, disk=DiskSpace(tmp_path, LEAST))
    free[0] = LEAST - 1
    spine.record(scope, event(1), event(2))
    assert spine.shipper.step() is False
    assert waiting(spine) == 2
    assert merges_wait(spine)
    free[0] = LEAST
    spine.ship()
    assert waiting(spine) == 0
    assert not merges_wait(spine)


def test_below_a_quarter_of_the_least_free_space_recording_is_refused_in_words(sqlite_spine, free):
    scope = sqlite_spine.organization()
    free[0] = LEAST // 4
    sqlite_spine.record(scope, event(1))
    free[0] = LEAST // 4 - 1
    with pytest.raises(Unavailable, match="disk is full") as refusal:
        sqlite_spine.record(scope, event(2))
    assert refusal.value.code == "disk_full"


def test_a_disk_that_is_measured_for_the_first_time_is_not_full_for_others_meanwhile(tmp_path, monkeypatch):
    disk, usage, seen = DiskSpace(tmp_path, 0), shutil.disk_usage(tmp_path), []
    disk.least_for_recording = 1

    def measure(_directory):
        if not seen:
            seen.append("measuring")
            seen.append(disk.may_record())
        return usage

    monkeypatch.setattr(shutil, "disk_usage", measure)
    assert disk.may_record()
    assert seen == ["measuring", True]
