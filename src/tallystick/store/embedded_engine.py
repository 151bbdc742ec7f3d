"""Starts the embedded engine so that a broken data part of the table of events is said, and is not left out silently.

With `max_suspicious_broken_parts = 0` the engine refuses a table that has a part with missing, cut or unreadable files.
If it met such a table while it starts, it would not start at all, and its error would not name the table. So the table
is marked as detached before the start, and attached by a statement of its own.
"""

import re
import tempfile
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError

from tallystick.durable import replace_file, sync_folder
from tallystick.store.errors import StoreError, TableRefused, is_refusal
from tallystick.store.source_parts import has_sources, replace_by_sources, restore_sources
from tallystick.store.unwritten_files import set_unwritten_aside

Connect = Callable[[Mapping[str, Any]], Client]
"""Makes a client of the engine; the options are those of the engine, beside the usual ones."""

NONE, ENGINES_OWN, ANY_NUMBER = 0, 100, 1_000_000  # of broken parts that the engine leaves out of a table
_DIRECTORIES = (
    "SELECT arrayJoin(data_paths) FROM system.tables WHERE database = currentDatabase() AND name LIKE {tables:String}"
)
_TABLES = Path("metadata/default")
_LIMIT = re.compile(r"max_suspicious_broken_parts = \d+")
_BROKEN = re.compile(r"Detaching broken part \S*/(\S+) \(size")


class EmbeddedEngine:
    """The engine of this process, which starts with its first client and ends with its last one."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._clients = 0
        # The stores whose table of events the engine refused, each with the broken parts; until this process ends, or
        # they are set aside, nothing else changes that.
        self._refused: dict[Path, list[str]] = {}

    def connect(self, place: Path, connect: Connect) -> Client:
        """A client of the store in the directory `place`; TableRefused if its table of events has broken parts."""
        with self._lock:
            if place in self._refused:
                raise TableRefused(self._refused[place])
            client = connect({}) if self._clients else self._start(place, connect)
            self._clients += 1
            return client

    def close(self, client: Client) -> None:
        """Close a client of `connect`."""
        with self._lock:
            client.close()
            self._clients -= 1

    def set_broken_aside(self, place: Path, connect: Connect) -> None:
        """Move the parts for which the table is refused to its folder `detached`; the table then works without them."""
        with self._lock:
            self._refused.pop(place, None)
            _prepare(place, ANY_NUMBER)
            _attach(place, connect, {}).close()

    def _start(self, place: Path, connect: Connect) -> Client:
        try:
            restore_sources(place)
            set_unwritten_aside(place)
            _prepare(place, NONE)
        except OSError as error:
            raise StoreError(f"the embedded engine cannot be started: {error}") from error
        while True:
            try:
                return _attach(place, connect, {})
            except ClickHouseError as error:
                if not is_refusal(error):
                    raise
                broken = _broken_parts(place, connect)
                # A process may have ended before it checked a merge (store/merged_parts.py).
                if not broken or not all(has_sources(place, part) for part in broken):
                    self._refused[place] = broken
                    raise TableRefused(broken) from error
            for part in broken:
                replace_by_sources(place, part)


def _flag(place: Path) -> Path:
    """The file beside the statement of the table of events that keeps the engine from loading it at its start."""
    return place / _TABLES / "events.sql.detached"


def _prepare(place: Path, most_broken: int) -> None:
    """Mark the table of events as detached, and write how many broken parts it may have.

    No other table may refuse anything: after an exchange of tables, the old one still has the setting for a moment.
    """
    for file in (place / _TABLES).glob("*.sql"):
        statement = file.read_text(encoding="utf-8")
        is_events = file.name == "events.sql"
        changed = _LIMIT.sub(f"max_suspicious_broken_parts = {most_broken if is_events else ENGINES_OWN}", statement)
        if is_events and _LIMIT.search(statement) is None:
            changed = statement.replace("\nSETTINGS ", f"\nSETTINGS max_suspicious_broken_parts = {most_broken}, ", 1)
        if changed != statement:
            with replace_file(file, file.with_name(f"{file.name}.tmp")) as new:
                new.write(changed.encode())
        if is_events:
            _flag(place).touch()


def _attach(place: Path, connect: Connect, options: Mapping[str, Any]) -> Client:
    """Start the engine, and load the table of events if there is one."""
    try:
        client = connect(options)
    except BaseException:
        _flag(place).unlink(missing_ok=True)  # another process may have the store open
        raise
    if _flag(place).exists():
        try:
            client.command("ATTACH TABLE IF NOT EXISTS events")
        except BaseException:
            client.close()
            raise
        _flag(place).unlink(missing_ok=True)
    return client


def _broken_parts(place: Path, connect: Connect) -> list[str]:
    """The parts for which the engine refuses the table, by name: only its log has them."""
    with tempfile.TemporaryDirectory() as directory:
        log = Path(directory) / "engine.log"
        try:
            _attach(place, connect, {"logger.log": str(log), "logger.async": 0, "log-level": "error"}).close()
        except ClickHouseError:
            return sorted(set(_BROKEN.findall(log.read_text(encoding="utf-8", errors="replace"))))
    return []


def sync_names(client: Client, tables: str) -> None:
    """Synchronize the names of the data parts of the tables that match the pattern.

    The engine synchronizes the files of a part and then gives the part its name, which a power cut could take.
    """
    for row in client.query(_DIRECTORIES, parameters={"tables": tables}).result_rows:
        with suppress(FileNotFoundError):  # dropped meanwhile
            sync_folder(Path(row[0]))


EMBEDDED_ENGINE = EmbeddedEngine()
