"""What the commands that restore have in common."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.backup.restore import Progress
from tallystick.cli.store_access import progress_bar
from tallystick.cli.terminal import CommandFailed
from tallystick.settings import Settings
from tallystick.store.errors import StoreError

ReplaceOption = Annotated[bool, typer.Option("--replace", help="Move the contents of the data directory aside.")]
WithoutKeyOption = Annotated[
    bool, typer.Option("--without-key", help="Restore without the secret key. Nothing can be signed after that.")
]


@contextmanager
def locked_data_dir(settings: Settings) -> Iterator[Progress]:
    """Holds the data directory, which is created, for a restore; yields what shows its progress."""
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with lock_data_dir(settings.data_dir), progress_bar() as progress:
        try:
            yield progress
        except StoreError as error:
            raise CommandFailed(f"The event store cannot be used: {error}") from None
