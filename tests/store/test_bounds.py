"""The settings bound the event store, each what it names."""

from pathlib import Path

import pytest

from tallystick import connections
from tallystick.connections import Connections
from tallystick.settings import Settings
from tallystick.store.clients import Bounds


class Stop(Exception):
    """Raised in place of opening a store."""


def test_each_setting_bounds_what_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Bounds] = []

    def note(_url: str, bounds: Bounds) -> None:
        made.append(bounds)
        raise Stop

    monkeypatch.setattr(connections, "EventStore", note)
    environ = {"DATA_DIR": str(tmp_path), "EVENTS_THREADS": "3", "EVENTS_MEMORY_MB": "701", "EVENTS_CACHE_MB": "99"}
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    with pytest.raises(Stop):
        Connections(settings)
    (bounds,) = made
    assert (bounds.threads, bounds.memory_mb, bounds.cache_mb) == (3, 701, 99)
