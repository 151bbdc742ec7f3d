"""The files of continuous copies by generation: their names, and what a restore to a moment needs of them.

- A *full copy* once a day, in the format of a backup. It begins a *generation*, and a restore needs nothing older. So
  generations are deleted whole, and what was purged or erased leaves the copies with them.
- *Batches*: what was committed since, from the journal or its tail, as it was committed.
- *Snapshots* of the control database, without what batches and the full copy hold.

A restore fills the databases from the full copy, replaces what the newest snapshot holds, and appends the batches to
the logs as they were appended first, which gives the same indexes and roots. This is one way for SQLite, PostgreSQL,
chDB and ClickHouse. Streaming the file of SQLite (Litestream) would be another program, for one of the two control
databases, and would say nothing of the event store. The engine's own incremental `BACKUP` is refused by the embedded
engine (it has no `backups.allowed_path`), and needs every earlier one, which keeps erased data for as long.

20261129T153200.123456Z/full/…                               a backup: manifest.json, control/…, events/…
20261129T153200.123456Z/events-20261129T153210.654321Z.zst   batches committed until then
20261129T153200.123456Z/control-20261129T153230.000001Z.zip  a snapshot of the control database
erasures/<node id>                                           the list of erasures of each node
tallystick-copies                                            whose copies these are: the id of the event store
"""

import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from uuid import UUID

from tallystick.backup.manifest import FILE
from tallystick.clock import HOUR_US, from_us, to_us
from tallystick.destinations.address_guard import TargetError
from tallystick.destinations.file_storage import FileMissing, FileStorage

FULL = "full"
ERASURES = "erasures/"
OWNER = "tallystick-copies"
_TIME = "%Y%m%dT%H%M%S.%fZ"
_TIME_NAME = r"(\d{8}T\d{6}\.\d{6}Z)"
_NAME = re.compile(rf"{_TIME_NAME}/(?:(full)/.+|(events|control)-{_TIME_NAME}\.(?:zst|zip))", re.ASCII)


def time_name(at_us: int) -> str:
    """A time (µs since 1970) in the name of a file; the order of names is the order of times."""
    return f"{from_us(at_us):{_TIME}}"


def batches_key(generation: str, at_us: int) -> str:
    """The key of batches that were committed until `at_us` (µs since 1970)."""
    return f"{generation}/events-{time_name(at_us)}.zst"


def snapshot_key(generation: str, at_us: int) -> str:
    """The key of a snapshot of the control database at `at_us` (µs since 1970)."""
    return f"{generation}/control-{time_name(at_us)}.zip"


@dataclass(slots=True)
class Generation:
    """One generation: its name, the files of the full copy, and (time in µs since 1970, key) of everything since."""

    name: str
    full: list[str] = field(default_factory=list)
    batches: list[tuple[int, str]] = field(default_factory=list)
    snapshots: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the full copy has its manifest, which is written last."""
        return f"{self.name}/{FULL}/{FILE}" in self.full

    @property
    def begun_at(self) -> int:
        """The moment of the full copy."""
        return _time_of(self.name)

    @property
    def keys(self) -> list[str]:
        """Every file, the manifest first: without it nothing else is used."""
        since = [key for _at, key in (*self.batches, *self.snapshots)]
        return sorted(self.full, key=lambda key: not key.endswith(f"/{FILE}")) + since


def check_owner(storage: FileStorage, store_id: UUID, *, is_known: bool) -> None:
    """Raise TargetError unless the copies here are of this installation; a new place becomes its own.

    `is_known`: whether this installation has made copies here before.
    """
    content = io.BytesIO()
    try:
        storage.get(OWNER, content)
    except FileMissing:
        if is_known:
            raise TargetError(
                f"{storage.where} is not the place of the copies before: it has no file {OWNER}. Check that the disk "
                "is mounted and the bucket is the same. If its files were removed on purpose, create an empty file of "
                "that name."
            ) from None
    owner = content.getvalue().decode("utf-8", errors="replace").strip()
    if owner not in ("", str(store_id)):
        raise TargetError(
            f"{storage.where} has copies of another installation. If this data directory is new because that one was "
            "lost, stop the server and bring it back: tallystick restore --replace. Otherwise set "
            "TALLYSTICK_COPIES_DIR to a place of its own."
        )
    if owner == "":
        storage.put(OWNER, io.BytesIO(f"{store_id}\n".encode()))


def list_generations(storage: FileStorage) -> list[Generation]:
    """All generations in the order of their names, without files of other names; TargetError."""
    found: dict[str, Generation] = {}
    for key in storage.keys(""):
        if (match := _NAME.fullmatch(key)) is None:
            continue
        name, full, kind, at = match.groups()
        if not _is_time(name) or not _is_time(at or name):
            continue
        generation = found.setdefault(name, Generation(name))
        if full:
            generation.full.append(key)
        else:
            (generation.batches if kind == "events" else generation.snapshots).append((_time_of(at), key))
    return [found[name] for name in sorted(found)]


def expired_keys(generations: Iterable[Generation], current: str, before: int) -> list[str]:
    """What no restore to a moment since `before` (µs since 1970) needs, beside the `current` generation.

    Of earlier generations that are needed only the last snapshot of each hour is.
    """
    others = [one for one in generations if one.name != current]
    whole = [one for one in others if one.is_complete]
    # The newest of those that began before covers `before` and what follows.
    covering = max((one.begun_at for one in whole if one.begun_at <= before), default=0)
    expired: list[str] = []
    for one in others:
        if not one.is_complete or (one.begun_at < covering):
            expired += one.keys
        else:
            last = {at // HOUR_US: key for at, key in sorted(one.snapshots)}
            expired += [key for _at, key in one.snapshots if key not in last.values()]
    return expired


def _is_time(name: str) -> bool:
    try:
        _time_of(name)
    except ValueError:
        return False
    return True


def _time_of(name: str) -> int:
    return to_us(datetime.strptime(name, _TIME).replace(tzinfo=UTC))
