"""File modes of the data directory: readable by its owner alone (directories 0700, files 0600).

New files get these modes from the umask of the process, which the command line sets, native code included. The
functions here are for what was there before: made by an earlier version, by a package manager, or by hand.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import structlog

from tallystick.settings import Settings
from tallystick.work.disk_space import local_paths

_OTHERS = stat.S_IRWXG | stat.S_IRWXO

logger = structlog.get_logger(__name__)


def open_to_others(settings: Settings) -> Iterator[Path]:
    """Files and directories of the installation that other accounts of the machine have a right to, outermost first."""
    for path in _installed_paths(settings):
        with suppress(OSError):  # a running server removes files meanwhile
            mode = path.lstat().st_mode
            # The mode of a link means nothing.
            if mode & _OTHERS and not stat.S_ISLNK(mode):
                yield path


def close_to_others(settings: Settings) -> None:
    """Take these rights from everybody but the owner. What cannot be changed is logged and stops nothing."""
    closed, refused = 0, []
    for path in open_to_others(settings):
        with suppress(OSError):
            path.chmod(stat.S_IMODE(path.lstat().st_mode) & ~_OTHERS)
        with suppress(OSError):
            # Some file systems answer that they did it, and have no modes.
            if path.lstat().st_mode & _OTHERS:
                refused.append(path)
            else:
                closed += 1
    if closed:
        logger.warning("data_directory_closed_to_others", data_dir=str(settings.data_dir), files=closed)
    if refused:
        logger.warning(
            "data_directory_open_to_others", files=len(refused), first=str(refused[0]),
            advice="Other accounts of this machine can read it, and its mode cannot be changed. See tallystick doctor.",
        )  # fmt: skip


def _installed_paths(settings: Settings) -> Iterator[Path]:
    """Every file and directory of the data directory and of databases elsewhere; a directory before its content."""
    database_file, events_folder = local_paths(settings)
    roots = [settings.data_dir]
    with suppress(OSError):
        # Of a large disk elsewhere, say; deeper links are the event store's own, into the same directory.
        roots += [path for path in sorted(settings.data_dir.iterdir()) if path.is_symlink()]
    if database_file is not None:
        roots += [Path(f"{database_file}{end}") for end in ("", "-wal", "-shm")]
    if events_folder is not None:
        roots.append(events_folder)
    seen: set[Path] = set()
    for root in (path.resolve() for path in roots):
        if root in seen:
            continue
        seen.add(root)
        yield root
        for place, folders, files in os.walk(root):
            yield from (Path(place, name) for name in (*folders, *files))
