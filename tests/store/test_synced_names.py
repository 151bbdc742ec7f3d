"""What the embedded event store writes or deletes is on the disk with its name, which its directory has."""

from pathlib import Path

import pytest

from tallystick.store import expiry
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.one_engine


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The directories that were synchronized."""
    made: list[Path] = []
    monkeypatch.setattr("tallystick.store.embedded_engine.sync_folder", made.append)
    return made


def directory_of_events(spine: Spine) -> Path:
    (paths,) = spine.store.rows("SELECT data_paths[1] FROM system.tables WHERE name = 'events'", {})[0]
    return Path(paths)


def test_the_directory_of_the_table_is_synchronized_after_an_insert(sqlite_spine: Spine, synced: list[Path]) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, {"action": "user.login"})
    synced.clear()
    sqlite_spine.ship()
    assert directory_of_events(sqlite_spine) in synced


def test_the_directory_of_the_table_is_synchronized_after_a_deletion(sqlite_spine: Spine, synced: list[Path]) -> None:
    scope = sqlite_spine.organization()
    sqlite_spine.ship()
    synced.clear()
    expiry.delete_indexes(sqlite_spine.store, scope, [0])
    assert directory_of_events(sqlite_spine) in synced
