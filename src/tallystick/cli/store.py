"""`tallystick store`: says which event store belongs to the control database."""

import os

import typer

from tallystick.cli.control_database import control_database
from tallystick.cli.terminal import say
from tallystick.ingest.store_identity import adopt_next
from tallystick.settings import Settings

app = typer.Typer()
store = typer.Typer(no_args_is_help=True, help="Accept another event store.")
app.add_typer(store, name="store")


@store.callback()
def _group() -> None:
    pass


@store.command()
def adopt() -> None:
    """Accept the event store of the settings as it is, in place of the one that the server used before.

    Events that it does not have are missing from then on. If it is embedded, a server on another data directory ends.
    """
    settings = Settings.load(os.environ)
    with control_database() as database, database.write() as connection:
        adopt_next(connection, settings.data_dir, embedded=settings.events_url.startswith("chdb:"))
    say(
        "The event store of these settings is accepted: a running server goes on with it now, otherwise the next start."
    )
