"""`tallystick store`: says which event store belongs to the control database, and checks its files."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.cli.control_database import control_database
from tallystick.cli.terminal import CommandFailed, say
from tallystick.ingest.store_identity import adopt_next
from tallystick.settings import Settings
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.store.read_back import active_parts, broken_parts, detach_part

app = typer.Typer()
store = typer.Typer(no_args_is_help=True, help="Check the event store, or accept another one where it is lost.")
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


@store.command()
def check(
    set_aside: Annotated[
        bool, typer.Option("--set-aside", help="Take damaged data parts out, so that all other events can be read.")
    ] = False,
) -> None:
    """Read all files of the event store, and name the data parts that are damaged.

    Stop the server first if the event store is embedded. The events of a part that is set aside are missing from then
    on: the server names them when it starts. The files stay in the folder `detached` of the table. The exit status is 1
    if damaged parts are left.
    """
    settings = Settings.load(os.environ)
    with _opened(settings) as events:
        parts = sorted(active_parts(events))
        damaged = broken_parts(events, parts)
        for part in damaged if set_aside else ():
            detach_part(events, part)
    if not damaged:
        say(f"All {len(parts):,} data parts are whole.")
        return
    named = f"{len(damaged):,} of {len(parts):,} data parts are damaged: {', '.join(damaged)}."
    if not set_aside:
        raise CommandFailed(f"{named} To take them out: tallystick store check --set-aside")
    say(f"{named} They are set aside. Start the server: it says which events are missing.")


@contextmanager
def _opened(settings: Settings) -> Iterator[EventStore]:
    """The event store of the settings; CommandFailed if it cannot be used."""
    events = EventStore(settings.events_url)
    try:
        if events.embedded:
            with lock_data_dir(settings.data_dir):
                yield events
        else:
            yield events
    except StoreError as error:
        raise CommandFailed(f"The event store does not answer: {str(error)[:300]}") from error
    finally:
        events.close()
