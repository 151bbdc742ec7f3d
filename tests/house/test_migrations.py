"""The migrations make exactly the tables that the packages declare."""

import importlib
import pkgutil

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import tallystick
from tallystick.database.migrate import upgrade
from tallystick.database.tables import metadata


def _tables():
    for module in pkgutil.walk_packages(tallystick.__path__, "tallystick."):
        if module.name.rpartition(".")[2] in ("tables", "leases", "write"):
            importlib.import_module(module.name)
    return metadata


def test_a_migrated_database_has_every_declared_table_column_and_index(database):
    with database.read() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, _tables()) == []


def test_upgrading_again_changes_nothing(database):
    upgrade(database)
    with database.read() as connection:
        assert compare_metadata(MigrationContext.configure(connection), _tables()) == []


def test_every_table_with_an_organization_begins_with_it():
    """So that its primary key and indexes lead with the organization, and no statement can leave it out unnoticed."""
    misplaced = [
        table.name
        for table in _tables().tables.values()
        if "org_id" in table.columns and table.columns[0].name != "org_id"
    ]
    assert misplaced == []
