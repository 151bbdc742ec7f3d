"""Which databases this version starts from."""

import pytest
from sqlalchemy import text

from tallystick.database.migrate import newest, revision_of, upgrade
from tallystick.errors import SettingsError


def _stamp(database, revision):
    with database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})


def test_an_empty_database_is_brought_to_the_newest_revision(database):
    with database.read() as connection:
        assert revision_of(connection) == newest()


@pytest.mark.parametrize("revision", ["0001", "0013"])
def test_a_database_from_before_the_first_release_is_refused_with_the_way_out(database, revision):
    _stamp(database, revision)
    with pytest.raises(SettingsError, match=rf"schema {revision}, of a version before the first release.*new database"):
        upgrade(database)
    with database.read() as connection:
        assert revision_of(connection) == revision


@pytest.mark.parametrize("revision", ["9999", "0000", "zzzz"])
def test_a_database_with_an_unknown_revision_is_refused_as_newer(database, revision):
    _stamp(database, revision)
    with pytest.raises(SettingsError, match="newer version of Tallystick"):
        upgrade(database)
