"""When copies are made, what a failure leaves, and what is deleted."""

import io
import shutil

import pytest
from sqlalchemy import inspect, update

from tallystick import telemetry
from tallystick.backup import control_database
from tallystick.clock import DAY_US, HOUR_US, SECOND_US
from tallystick.copies import progress
from tallystick.copies.generations import Generation, expired_keys, generation_name, list_generations, parse_generation
from tallystick.copies.place_writer import OWNER
from tallystick.copies.snapshot import LOG_TABLES, tables_of_snapshot, take_snapshot
from tallystick.copies.tables import copies
from tallystick.destinations.address_guard import TargetError
from tallystick.doctor.check_result import CheckGrade, CheckResult
from tallystick.doctor.control_database import check_database
from tallystick.errors import Unavailable
from tallystick.ingest.store_identity import adopt_next
from tallystick.integrity.missing_events import find_and_save
from tallystick.monitoring.database_probe import DatabaseProbe
from tallystick.settings import Settings
from tallystick.work.disk_space import LEAST_FREE_BYTES, DiskSpace
from tests.copies.copies_driver import SECRET, Installation
from tests.copies.test_restore import events

DAY = 20_000 * DAY_US


def state_of(installation: Installation) -> progress.CopyState:
    with installation.spine.database.read() as connection:
        found = progress.read_state(connection)
    assert found is not None
    return found


def test_a_place_that_fails_holds_up_nothing_and_the_next_round_makes_up_for_it(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    good = state_of(installation).copied_at
    installation.storage.fails = True
    for mark in ("a", "b"):
        spine.record(scope, *events(mark))
        spine.ship()
        with pytest.raises(TargetError):
            installation.copy()
    assert (state_of(installation).copied_at, state_of(installation).problem) == (
        good, "The S3 server cannot be reached."
    )  # fmt: skip
    installation.storage.fails = False
    installation.copy()
    assert state_of(installation).copied_at > good
    assert state_of(installation).problem == ""
    with installation.restored() as there:
        assert there.done.appended == 2


def test_doctor_and_the_metrics_say_until_when_everything_is_copied(sqlite_installation):
    installation = sqlite_installation
    spine, home = installation.spine, installation.home
    environ = {
        "DATA_DIR": str(home), "DATABASE_URL": f"sqlite:///{home}/tallystick.db", "SECRET_KEY": SECRET,
        "COPIES_DIR": str(home / "copies"),
    }  # fmt: skip
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})

    def finding() -> CheckResult:
        (found,) = [one for one in check_database(settings) if one.name == "copies"]
        return found

    spine.organization("acme")
    assert finding().grade is CheckGrade.WARNING
    installation.copy()
    assert (finding().grade, installation.storage.where in finding().words) == (CheckGrade.OK, True)
    DatabaseProbe(spine.database).ask()
    copied_at = state_of(installation).copied_at
    assert telemetry.last_copy_seconds._value.get() == copied_at // SECOND_US
    installation.storage.fails = True
    spine.organization("later")
    with pytest.raises(TargetError):
        installation.copy()
    with spine.database.write() as connection:
        connection.execute(update(copies).values(copied_at=copied_at - DAY_US))
    assert finding().grade is CheckGrade.PROBLEM
    assert "The S3 server cannot be reached" in finding().words


def test_a_nearly_full_disk_stops_the_copies_and_says_so(sqlite_installation, monkeypatch):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.copier._disk = DiskSpace(installation.home, LEAST_FREE_BYTES)
    monkeypatch.setattr(DiskSpace, "free", lambda _disk: LEAST_FREE_BYTES - 1)
    with pytest.raises(Unavailable):
        installation.copy()
    assert "free on the server's disk" in state_of(installation).problem


def test_a_full_copy_is_made_where_the_journal_lacks_what_was_recorded(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = installation.begin()
    index = spine.record(scope, *events("a", "b")).events[0].index
    spine.ship()
    spine.forget_tail(scope, [index])
    installation.copy()
    assert len(installation.files("/full/manifest.json")) == 2
    with installation.restored() as there:
        assert len(there.trail(scope)) == there.log(scope).size


def test_nothing_is_written_while_nothing_happens(sqlite_installation):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.copy()
    before = list(installation.storage.put_keys)
    for _ in range(3):
        installation.copy(snapshot=True)
    assert installation.storage.put_keys == before


def test_one_node_makes_the_copies_and_the_next_one_goes_on_with_its_generation(installation):
    spine = installation.spine
    scope = spine.organization("acme")
    installation.copy()
    spine.record(scope, *events("a"))
    first, installation.copier = installation.copier, installation.new_copier()
    installation.copy()
    assert installation.files("/events-") == []
    first.close()
    installation.copy()
    assert len(installation.files("/full/manifest.json")) == 1
    assert len(installation.files("/events-")) == 1


def test_a_new_full_copy_is_made_each_day_and_old_ones_go(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    installation.copy()
    old = [generation(0), generation(1)]
    for key in (key for one in old for key in one.keys):
        installation.storage.put(key, io.BytesIO(b"of an earlier day"))
    spine.record(scope, *events("a"))
    installation.copy(later=DAY_US)
    installation.copy()
    names = [one.name for one in list_generations(installation.storage)]
    assert len(names) == 3
    assert old[0].name not in names  # the second one covers every moment that is kept
    assert state_of(installation).generation == names[-1]
    with installation.restored() as there:
        assert there.done.result.manifest.logs[0].size == there.done.restarted["acme"].size


def test_copies_that_may_have_missing_events_stay_and_the_newest_goes_on(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    scope = spine.organization("acme")
    spine.record(scope, *events("a"))
    spine.ship()
    installation.copy()
    installation.copy(later=DAY_US)
    before = installation.files("/full/")
    spine.lose(scope, [0])
    find_and_save(spine.database, spine.store, scope.org_id, by="start")
    spine.record(scope, *events("b"))
    installation.copy(later=30 * DAY_US)
    assert installation.files("/full/") == before
    with installation.restored() as there:
        assert there.done.result.missing == []
        assert [event.index for event in there.trail(scope)] == list(range(there.log(scope).size))


def test_doctor_says_that_the_place_has_the_copies_of_another_installation(sqlite_installation):
    installation = sqlite_installation
    installation.storage.put(OWNER, io.BytesIO(b"another installation"))
    installation.spine.organization("acme")
    with pytest.raises(TargetError, match="tallystick restore --replace"):
        installation.copy()
    assert "has copies of another installation" in state_of(installation).problem


def test_the_copies_of_another_installation_are_left_alone(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    spine.organization("acme")
    installation.copy()
    files = installation.files("")
    with spine.database.write() as connection:
        progress.stop_copies(connection)
        adopt_next(connection, installation.home, embedded=True)
    spine.store.change("TRUNCATE TABLE store_identity")
    spine.store.open()
    spine.identity.forget()
    spine.identity.check()
    with pytest.raises(TargetError, match="copies of another installation"):
        installation.copy()
    assert installation.files("") == files


def test_a_place_without_the_copies_of_before_is_not_written_to(sqlite_installation):
    installation = sqlite_installation
    installation.spine.organization("acme")
    installation.copy()
    shutil.rmtree(installation.home / "copies")
    with pytest.raises(TargetError, match="not the place of the copies before"):
        installation.copy()
    assert installation.files("") == []


def test_a_snapshot_has_every_table_that_neither_the_full_copy_nor_batches_bring_back(spine, tmp_path):
    spine.organization("acme")
    _taken_at, files = take_snapshot(
        spine.database, tmp_path / "snapshot", tables_of_snapshot(spine.database), lambda: None
    )
    with spine.database.read() as connection:
        there = set(inspect(connection).get_table_names())
    assert there - {control_database.table_name(file) for file in files} == (
        control_database.EXCLUDED_TABLES | LOG_TABLES
    )


WRITER = "0a1b2c3d"


def generation(day: int, *, complete: bool = True, snapshots: int = 0, writer: str = WRITER) -> Generation:
    made = parse_generation(generation_name(day, DAY + day * DAY_US, writer))
    assert made is not None
    made.full += [f"{made.name}/full/control/x", *([f"{made.name}/full/manifest.json"] if complete else [])]
    for number in range(snapshots):
        at = DAY + day * DAY_US + number * HOUR_US // 2
        made.snapshots.append((at, f"{made.name}/control-{number}.zip"))
    return made


def expired(*generations: Generation, before: int = DAY, abandoned_before: int = DAY) -> list[str]:
    """What is expired while the last of them is the current one."""
    return expired_keys(generations, generations[-1].name, WRITER, before=before, abandoned_before=abandoned_before)


def test_every_moment_within_the_retention_can_be_restored_and_nothing_else_is_kept():
    days = [generation(day) for day in range(4)]
    found = expired(*days, before=DAY + 2 * DAY_US - 1)
    assert found == days[0].keys  # the second one covers the moment
    assert found[0].endswith("manifest.json")
    assert expired(*days) == []


def test_an_interrupted_full_copy_is_deleted_and_the_present_one_is_not():
    broken, current = generation(0, complete=False), generation(1, complete=False)
    assert expired(broken, current) == broken.keys


def test_what_another_server_has_not_finished_is_left_alone_for_two_days():
    of_other, current = generation(0, complete=False, writer="99999999"), generation(1)
    assert expired(of_other, current) == []
    assert expired(of_other, current, abandoned_before=DAY + 1) == of_other.keys


def test_of_an_earlier_generation_the_last_snapshot_of_each_hour_is_kept():
    earlier, current = generation(0, snapshots=4), generation(1, snapshots=4)
    assert expired(earlier, current) == [key for _at, key in earlier.snapshots[::2]]
