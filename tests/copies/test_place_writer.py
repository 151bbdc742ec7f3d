"""Two servers of one installation and one place of copies: only one of them writes."""

import io

import pytest

from tallystick import telemetry
from tallystick.clock import DAY_US, HOUR_US
from tallystick.copies import progress
from tallystick.copies.generations import list_generations
from tallystick.copies.place_writer import OWNER, OtherWriter, read_owner, refuse_lost_data
from tallystick.copies.tables import copies
from tallystick.database.engine import Database
from tallystick.database.migrate import is_new, upgrade
from tallystick.errors import SettingsError
from tallystick.settings import Settings
from tests.copies.copies_driver import SECRET, Installation
from tests.copies.test_copier import state_of
from tests.copies.test_restore import events


def renew(installation: Installation) -> None:
    """One round in which the token of the place is due."""
    installation.copier._writer._renewed_at = float("-inf")
    installation.copy()


def test_a_restored_server_goes_on_in_the_place_of_the_lost_one_and_that_one_stops_if_it_comes_back(
    sqlite_installation,
):
    installation = sqlite_installation
    scope = installation.begin()
    with installation.restored() as there:
        installation.copier_of(there).step()
    first, second = list_generations(installation.storage)
    assert first.writer != second.writer
    before = installation.files("")
    installation.spine.record(scope, *events("a"))
    for _ in range(2):
        with pytest.raises(OtherWriter, match="restored or cloned"):
            installation.copy(later=DAY_US)
    assert installation.files("") == before
    assert "Another server" in state_of(installation).problem
    assert telemetry.copies_other_writer._value.get() == 1
    installation.storage.put(OWNER, io.BytesIO(b""))  # the operator decides
    installation.copy()
    assert len(installation.files("/events-")) == 1
    assert telemetry.copies_other_writer._value.get() == 0


def test_a_drill_takes_no_place_in_which_the_server_still_copies(sqlite_installation):
    installation = sqlite_installation
    installation.begin()
    with installation.restored() as there:
        drill = installation.copier_of(there)
        renew(installation)
        before = installation.files("")
        with pytest.raises(OtherWriter, match="to a place of its own"):
            drill.step()
        assert installation.files("") == before
    renew(installation)
    assert state_of(installation).problem == ""


def test_a_cloned_control_database_is_noticed(sqlite_installation):
    installation = sqlite_installation
    spine = installation.spine
    installation.begin()
    with spine.database.read() as connection:
        cloned = dict(connection.execute(copies.select()).one()._mapping)
    renew(installation)
    renew(installation)
    with spine.database.write() as connection:
        connection.execute(copies.update().values(**cloned))
    with pytest.raises(OtherWriter):
        installation.copy()


@pytest.mark.parametrize("step", ["note_token", "put"])
def test_a_crash_while_the_token_is_renewed_leaves_the_place_to_its_writer(sqlite_installation, monkeypatch, step):
    installation = sqlite_installation
    installation.begin()
    with monkeypatch.context() as patch, pytest.raises(ZeroDivisionError):
        patch.setattr(
            progress if step == "note_token" else installation.storage, step, lambda *_arguments, **_named: 1 / 0
        )
        renew(installation)
    installation.copy()
    owner = read_owner(installation.storage)
    assert owner is not None
    assert owner.token == state_of(installation).token


def test_a_server_deletes_what_it_has_left_unfinished_and_nothing_of_another(sqlite_installation):
    installation = sqlite_installation
    installation.begin()
    (generation,) = list_generations(installation.storage)
    own = generation.name.replace("000001-", "000002-")
    theirs = own.replace(generation.writer, "99999999")
    for name in (theirs, own):
        installation.storage.put(f"{name}/full/control/x", io.BytesIO(b"x"))
    installation.copy(later=2 * HOUR_US)  # the files are listed again
    assert (installation.files(theirs), installation.files(own)) == ([f"{theirs}/full/control/x"], [])
    installation.copy(later=3 * DAY_US)
    assert installation.files(theirs) == []


def test_a_new_installation_does_not_start_beside_the_copies_of_a_lost_one(sqlite_installation, tmp_path):
    installation = sqlite_installation
    environ = {"DATA_DIR": str(tmp_path / "new"), "SECRET_KEY": SECRET, "COPIES_DIR": str(tmp_path / "copies")}
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    refuse_lost_data(settings)  # a place without copies
    installation.spine.organization("acme")
    installation.copy()
    with pytest.raises(SettingsError, match="tallystick restore"):
        refuse_lost_data(settings)
    assert not (tmp_path / "new").exists()
    settings.data_dir.mkdir()
    database = Database(settings.database_url)
    upgrade(database)
    database.close()
    refuse_lost_data(settings)  # it was an installation before the copies were there


def test_a_postgresql_database_with_tables_is_not_new(postgresql_url):
    assert not is_new(postgresql_url)


def test_a_new_installation_does_not_start_where_the_place_of_copies_cannot_be_read(tmp_path):
    (tmp_path / "copies").write_bytes(b"no directory")
    environ = {"DATA_DIR": str(tmp_path / "new"), "SECRET_KEY": SECRET, "COPIES_DIR": str(tmp_path / "copies")}
    with pytest.raises(SettingsError, match="cannot be seen"):
        refuse_lost_data(Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()}))
