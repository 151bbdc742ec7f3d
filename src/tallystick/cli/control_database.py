"""Opens the control database for operator commands, even while a server runs."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import OperationalError

from tallystick.access.audit import Caller
from tallystick.cli.terminal import CommandFailed, NoInstallation
from tallystick.copies.place_writer import refuse_lost_data
from tallystick.database.damage import damage_named
from tallystick.database.engine import Database
from tallystick.database.migrate import is_new, upgrade
from tallystick.database.postgresql import COMMAND
from tallystick.settings import Settings

CLI_CALLER = Caller(source="cli")


def installed_settings(*, make: bool = True) -> Settings:
    """The settings of an installation that is there already; NoInstallation otherwise, and then nothing is made.

    `make`: its secret key, if it has none yet.
    """
    settings = Settings.load(os.environ, make=False)
    refuse_lost_data(settings)
    try:
        absent = is_new(settings.database_url)
    except OperationalError as error:
        raise _unavailable(error) from None
    if absent:
        where = settings.data_dir if settings.database_url.startswith("sqlite") else "this database"
        raise NoInstallation(
            f"There is no installation in {where}. Set TALLYSTICK_DATA_DIR or TALLYSTICK_DATABASE_URL to that of your "
            "server, or begin one: tallystick serve, demo, or org create."
        )
    return Settings.load(os.environ) if make else settings


@contextmanager
def control_database(*, make: bool = True, begin: bool = False) -> Iterator[Database]:
    """The control database of the settings, migrated to the current version; closed at the end.

    Raises NoInstallation where there is none, and makes nothing; with `begin` it begins one. `make`: the secret key, if
    there is none yet.
    """
    if begin:
        settings = Settings.load(os.environ)
        refuse_lost_data(settings)
    else:
        settings = installed_settings(make=make)
    database = Database(settings.database_url, pool_size=1, patience=COMMAND)
    try:
        with damage_named(settings.database_url):
            upgrade(database)
            yield database
    except OperationalError as error:
        raise _unavailable(error) from None
    finally:
        database.close()


def _unavailable(error: OperationalError) -> CommandFailed:
    return CommandFailed(
        f"The control database is not available ({error.orig}). "
        "Check TALLYSTICK_DATABASE_URL and that the database is running."
    )
