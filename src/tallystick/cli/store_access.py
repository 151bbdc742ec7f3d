"""Commands that use the event store: they open it, or ask the server that has the embedded one open."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import structlog
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from sqlalchemy import Connection

from tallystick.backup.data_dir_lock import is_locked, lock_data_dir
from tallystick.backup.request import DONE, FAILED, WANTED
from tallystick.cli.terminal import CommandFailed, stderr
from tallystick.database.engine import Database
from tallystick.settings import Settings
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore

PATIENCE_SECONDS = 30
LOOK_SECONDS = 0.2


@contextmanager
def opened_store(settings: Settings) -> Iterator[EventStore]:
    """The event store of the settings, with the lock of the data directory if it is embedded.

    CommandFailed if it cannot be used.
    """
    store = EventStore(settings.events_url)
    before = structlog.get_config()
    # Standard output is for the command's result.
    structlog.configure(logger_factory=lambda *_names: structlog.PrintLogger(sys.stderr))
    try:
        if store.embedded:
            settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            with lock_data_dir(settings.data_dir):
                yield store
        else:
            yield store
    except StoreError as error:
        raise CommandFailed(f"The event store cannot be used: {str(error)[:300]}") from error
    finally:
        structlog.configure(**before)
        store.close()


def is_open_elsewhere(settings: Settings) -> bool:
    """Whether a running server has the embedded event store open, so that it must do the work."""
    return settings.events_url.startswith("chdb:") and is_locked(settings.data_dir)


def wait_for_server(
    database: Database,
    settings: Settings,
    what: str,
    look: Callable[[Connection], Any],
    cancel: Callable[[Connection, str], object],
) -> Any:
    """Wait until the server has carried out a request; its row then. CommandFailed if it fails or the server ends.

    `what` names the work, `look` reads the request's row, `cancel` ends it with a reason.
    """
    began = time.monotonic()

    def give_up(why: str) -> None:
        with database.write() as connection:
            cancel(connection, why)

    try:
        with progress_bar() as progress:
            while True:
                with database.read() as connection:
                    row = look(connection)
                if row.state == DONE:
                    return row
                if row.state == FAILED:
                    raise CommandFailed(f"The {what} failed: {row.detail}")
                if not is_locked(settings.data_dir):
                    give_up(f"the server was stopped during the {what}")
                    raise CommandFailed(
                        f"The server stopped before the {what} was complete. Try again with or without a running "
                        "server."
                    )
                if row.state == WANTED and time.monotonic() - began > PATIENCE_SECONDS:
                    give_up("no server started it")
                    raise CommandFailed(f"The server did not start the {what} within 30 seconds. Check its log.")
                progress("events", row.events, row.of_events)
                time.sleep(LOOK_SECONDS)
    except KeyboardInterrupt:
        give_up("cancelled by the user")
        raise


@contextmanager
def progress_bar() -> Iterator[Any]:
    """A function (label, done, total) that updates a progress bar; draws nothing unless stderr is a terminal."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=stderr, transient=True, disable=not stderr.is_terminal) as shown_bar:
        task = shown_bar.add_task("…", total=None)

        def tell(what: str, done: int, total: int) -> None:
            shown_bar.update(task, description=what, completed=done, total=total or None)

        yield tell
