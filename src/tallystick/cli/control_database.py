"""Opens the control database for operator commands, even while a server runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from tallystick.access.audit import Caller
from tallystick.cli.terminal import CommandFailed
from tallystick.copies.place_writer import refuse_lost_data
from tallystick.database.damage import damage_named
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.database.postgresql import COMMAND
from tallystick.settings import Settings

CLI_CALLER = Caller(source="cli")


@contextmanager
def control_database(*, make: bool = True) -> Iterator[Database]:
    """The control database of the settings, migrated to the current version; closed at the end.

    `make`: the secret key, if there is none yet.
    """
    settings = Settings.load(os.environ, make=make)
    refuse_lost_data(settings)
    database = Database(settings.database_url, pool_size=1, patience=COMMAND)
    try:
        with damage_named(settings.database_url):
            upgrade(database)
            yield database
    except OperationalError as error:
        raise CommandFailed(
            f"The control database is not available ({error.orig}). "
            "Check TALLYSTICK_DATABASE_URL and that the database is running."
        ) from None
    finally:
        database.close()
