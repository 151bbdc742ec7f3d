"""Bringing the control database to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from tallystick.database.engine import Database
from tallystick.errors import SettingsError

# Two nodes that start at once on PostgreSQL: the second waits here and finds nothing left to do.
_ADVISORY_LOCK = 8_317_402_119


def config_for(connection: Connection) -> Config:
    """Alembic's configuration for this connection."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations that are missing, in one transaction. SettingsError if the database is newer than the code."""
    with database.write() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        config = config_for(connection)
        known = {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
        current = MigrationContext.configure(connection).get_current_revision()
        if current is not None and current not in known:
            raise SettingsError("The control database was made by a newer version of Tallystick. Start that version.")
        command.upgrade(config, revision)


def revision_of(connection: Connection) -> str | None:
    """The schema that the database has; None for none."""
    return MigrationContext.configure(connection).get_current_revision()


def newest() -> str:
    """The schema of this version."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return ScriptDirectory.from_config(config).get_current_head() or ""


def knows(revision: str) -> bool:
    """Whether this version can start from that schema."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return revision in {one.revision for one in ScriptDirectory.from_config(config).walk_revisions()}
