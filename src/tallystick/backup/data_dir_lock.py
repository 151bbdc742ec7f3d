"""The lock of the data directory: one server or one restore at a time; where it listens, and the mark of its key."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tallystick.errors import SettingsError

LOCK = "server.lock"


@contextmanager
def lock_data_dir(data_dir: Path) -> Iterator[None]:
    """Hold the lock; SettingsError while another process holds it."""
    path = data_dir / LOCK
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise SettingsError(
                f"Another Tallystick server uses {data_dir}. Stop it, or give this one its own TALLYSTICK_DATA_DIR."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def write_address(data_dir: Path, url: str, key_mark: str) -> None:
    """Record where the server listens and the mark of its secret key; for the process that holds the lock."""
    with (data_dir / LOCK).open("a") as file:
        file.write(f"\n{url}\n{key_mark}")


def server_address(data_dir: Path) -> str | None:
    """The URL at which the process that holds the lock listens; None where it recorded none."""
    return _recorded_line(data_dir, 1)


def server_key_mark(data_dir: Path) -> str | None:
    """The mark of the secret key of the server that holds the lock; None where it recorded none."""
    return _recorded_line(data_dir, 2)


def _recorded_line(data_dir: Path, number: int) -> str | None:
    lines = (data_dir / LOCK).read_text().splitlines() if is_locked(data_dir) else []
    return lines[number] if len(lines) > number else None


def is_locked(data_dir: Path) -> bool:
    """Whether a process holds the lock now."""
    path = data_dir / LOCK
    if not path.exists():
        return False
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
