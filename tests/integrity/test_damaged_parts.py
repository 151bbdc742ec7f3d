"""Damaged data parts, with a byte flipped in the real store: what reads say, and until when a part is noted."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tallystick import telemetry
from tallystick.integrity.damaged_parts import DamagedPart, read_damaged
from tallystick.integrity.missing_events import MissingEvents
from tallystick.journal.missing_ranges import read_missing
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.store.embedded_engine import EMBEDDED_ENGINE
from tallystick.store.errors import StoreDamaged
from tallystick.store.events import EventStore
from tallystick.store.read_back import detach_part
from tests.cli.running import run_here
from tests.fixtures.spine import Spine

pytestmark = pytest.mark.one_engine


class DamagedStore:
    """An organization, one of whose data parts has a flipped byte."""

    def __init__(self, spine: Spine) -> None:
        self.spine = spine
        self.scope: Scope = spine.organization()
        spine.ship()
        spine.record(self.scope, *[{"action": "user.login", "description": f"sign-in {n}"} for n in range(200)])
        spine.ship()
        self.part, path = spine.store.rows(
            "SELECT name, path FROM system.parts WHERE table = 'events' AND active AND name = (SELECT any(_part) "
            "FROM events WHERE org_id = {org:UUID} AND seq = 100)",
            {"org": str(self.scope.org_id)},
        )[0]
        self.file = Path(path) / "data.bin"
        content = bytearray(self.file.read_bytes())
        for at in range(len(content) // 8, len(content), len(content) // 8):
            content[at] ^= 0xFF
        self.file.write_bytes(content)

    def known(self) -> list[DamagedPart]:
        with self.spine.database.read() as connection:
            return read_damaged(connection)

    def look(self) -> None:
        MissingEvents(self.spine.database, self.spine.store).step()


@pytest.fixture
def damaged(spine: Spine) -> Iterator[DamagedStore]:
    spine.store.allow_merges(False)
    made = DamagedStore(spine)
    yield made
    detach_part(spine.store, made.part)
    spine.store.allow_merges(True)


def read(damaged: DamagedStore) -> None:
    damaged.spine.finder.page(damaged.scope, Query(), limit=100, count="none")


def test_a_read_of_a_flipped_byte_says_which_part_is_damaged(damaged: DamagedStore) -> None:
    with pytest.raises(StoreDamaged) as refusal:
        read(damaged)
    assert refusal.value.part == damaged.part


def test_a_damaged_part_is_noted_and_counted_until_it_is_taken_out(damaged: DamagedStore) -> None:
    with pytest.raises(StoreDamaged):
        read(damaged)
    damaged.look()
    assert [one.part for one in damaged.known()] == [damaged.part]
    assert telemetry.registry.get_sample_value("tallystick_store_damaged_parts") == 1
    detach_part(damaged.spine.store, damaged.part)
    damaged.look()
    assert damaged.known() == []


def test_the_events_of_a_part_that_was_taken_out_are_missing(damaged: DamagedStore) -> None:
    detach_part(damaged.spine.store, damaged.part)
    damaged.spine.forget_tail(damaged.scope, range(201))
    damaged.look()
    with damaged.spine.database.read() as connection:
        (found,) = read_missing(connection, damaged.scope.org_id)
    assert found.first <= 100 <= found.last


def test_store_check_names_the_part_and_sets_it_aside(damaged: DamagedStore, events_url: str, tmp_path: Path) -> None:
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path), "TALLYSTICK_EVENTS_URL": events_url}
    named = run_here("store", "check", environ=environ)
    assert (named.returncode, damaged.part in named.stderr) == (1, True)
    assert run_here("store", "check", "--set-aside", environ=environ).returncode == 0
    assert "are whole" in run_here("store", "check", environ=environ).stdout
    damaged.spine.finder.page(damaged.scope, Query(), limit=100, count="none")


def test_the_parts_for_which_the_engine_refuses_the_table_are_noted_until_they_are_set_aside(
    sqlite_spine: Spine, events_url: str, event_store_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(EMBEDDED_ENGINE._refused, event_store_path, ["1971_1_1_0", "1971_7_9_1"])
        refused = EventStore(events_url)
        with pytest.raises(StoreDamaged):
            refused.ping()
        looking = MissingEvents(sqlite_spine.database, refused)
        for _ in range(2):
            with pytest.raises(StoreDamaged):
                looking.step()
        with sqlite_spine.database.read() as connection:
            assert [one.part for one in read_damaged(connection)] == ["1971_1_1_0", "1971_7_9_1"]
            assert "store check --set-aside" in read_damaged(connection)[0].problem
    MissingEvents(sqlite_spine.database, sqlite_spine.store).step()
    with sqlite_spine.database.read() as connection:
        assert read_damaged(connection) == []


def test_a_part_that_is_whole_is_not_noted(damaged: DamagedStore) -> None:
    (whole,) = damaged.spine.store.rows(
        "SELECT any(_part) FROM events WHERE org_id = {org:UUID} AND seq = 0", {"org": str(damaged.scope.org_id)}
    )[0]
    assert whole != damaged.part
    damaged.spine.store.damage[whole] = "A message that was wrong."
    damaged.look()
    assert damaged.known() == []
