"""Migrate: brings the control database to the schema of this version."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.engine import make_url

from tallystick.database import postgresql
from tallystick.database.damage import has_no_tables
from tallystick.database.engine import Database
from tallystick.errors import SettingsError

# Two nodes that start at once on PostgreSQL: the second waits here and finds nothing left to do.
_ADVISORY_LOCK = 8_317_402_119


# Revisions of development versions; the first release began with 0014.
_BEFORE_FIRST_RELEASE = frozenset(f"{number:04}" for number in range(1, 14))


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Run the migrations that are missing, in one transaction.

    SettingsError if the database has a revision that this version does not know.
    """
    with database.write() as connection:
        if not database.is_sqlite:
            postgresql.be_patient(connection)  # a migration, also of the other node, may take longer than a request
            connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _ADVISORY_LOCK})
        current = revision_of(connection)
        if current is not None and is_before_first_release(current):
            raise SettingsError(
                f"The control database has schema {current}, of a version before the first release, which cannot be "
                "upgraded. Export what you need with the version that made it, then start this one with a new database."
            )
        if current is not None and not knows(current):
            raise SettingsError("The control database was made by a newer version of Tallystick. Start that version.")
        config = _config()
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


def is_before_first_release(revision: str) -> bool:
    """Whether a development version, which cannot be upgraded, made a schema of this revision."""
    return revision in _BEFORE_FIRST_RELEASE


def revision_of(connection: Connection) -> str | None:
    """The revision of the database's schema; None for an empty database."""
    return MigrationContext.configure(connection).get_current_revision()


def is_new(database_url: str) -> bool:
    """Whether the database of this URL has no tables; a SQLite file is not created."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        return has_no_tables(Path(url.database or ""))
    database = Database(database_url, pool_size=1, patience=postgresql.COMMAND)
    try:
        with database.read() as connection:
            return revision_of(connection) is None
    finally:
        database.close()


def newest() -> str:
    """The newest revision that this version knows."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def knows(revision: str) -> bool:
    """Whether this version can start from that revision."""
    return revision in {one.revision for one in ScriptDirectory.from_config(_config()).walk_revisions()}
