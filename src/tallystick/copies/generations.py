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

The number of a generation and those of its files say their order, since a clock may be wrong and be put right. The
times say which moment each holds. The letters at the end of a generation's name are its writer: each deletes what it
has left unfinished itself, and what others have only after days.

000012-20261129T153200.123456Z-1a2b3c4d/full/…                a backup as of that time: manifest.json, control/…, …
<generation>/events-0000000345-20261129T153210.654321Z.zst    batches committed until then
<generation>/control-0000000346-20261129T153230.000001Z.zip   a snapshot of the control database
erasures/<node id>                                            the list of erasures of each node
tallystick-copies                                             whose copies these are, and who writes them
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from tallystick.backup.manifest import FILE, BackupManifest
from tallystick.clock import HOUR_US, from_us, to_us
from tallystick.destinations.file_storage import FileStorage, read_small
from tallystick.errors import Conflict

FULL = "full"
ERASURES = "erasures/"
MOST_ERASURES = 1 << 30  # bytes of one list
_TIME = "%Y%m%dT%H%M%S.%fZ"
_TIME_NAME = r"\d{8}T\d{6}\.\d{6}Z"
# Without numbers and writer, as the first version named them, they come first.
_GENERATION = re.compile(rf"(?:(\d{{6}})-)?({_TIME_NAME})(?:-([0-9a-f]{{8}}))?", re.ASCII)
_FILE = re.compile(rf"(events|control)-(?:(\d{{10}})-)?({_TIME_NAME})\.(?:zst|zip)", re.ASCII)

_NEVER = 1 << 62
_LARGEST_MANIFEST = 256 << 20


def generation_name(number: int, at_us: int, writer: str) -> str:
    """The name of a generation whose full copy is as of `at_us` (µs since 1970)."""
    return f"{number:06d}-{_time_name(at_us)}-{writer}"


def batches_key(generation: str, number: int, at_us: int) -> str:
    """The key of batches that were committed until `at_us` (µs since 1970)."""
    return f"{generation}/events-{number:010d}-{_time_name(at_us)}.zst"


def snapshot_key(generation: str, number: int, at_us: int) -> str:
    """The key of a snapshot of the control database at `at_us` (µs since 1970)."""
    return f"{generation}/control-{number:010d}-{_time_name(at_us)}.zip"


@dataclass(slots=True)
class Generation:
    """One generation: its number, the moment of its full copy (µs since 1970), its writer, and its files.

    Batches and snapshots are (moment, key), in order. Moments are as `list_generations` corrects them.
    """

    name: str
    number: int
    begun_at: int
    writer: str
    full: list[str] = field(default_factory=list)
    batches: list[tuple[int, str]] = field(default_factory=list)
    snapshots: list[tuple[int, str]] = field(default_factory=list)

    @property
    def is_complete(self) -> bool:
        """Whether the full copy has its manifest, which is written last."""
        return f"{self.name}/{FULL}/{FILE}" in self.full

    @property
    def keys(self) -> list[str]:
        """Every file, the manifest first: without it nothing else is used."""
        since = [key for _at, key in (*self.batches, *self.snapshots)]
        return sorted(self.full, key=lambda key: not key.endswith(f"/{FILE}")) + since


def parse_generation(name: str) -> Generation | None:
    """The generation of this name, without files; None for another name."""
    match = _GENERATION.fullmatch(name)
    if match is None or (at := _parse_time(match[2])) is None:
        return None
    return Generation(name, int(match[1] or 0), at, match[3] or "")


def list_generations(storage: FileStorage) -> list[Generation]:
    """All generations in order, without files of other names; TargetError.

    A moment that is later than one after it is that of a clock which was ahead: it counts as the later one's.
    """
    found: dict[str, Generation] = {}
    files: dict[str, list[tuple[int, int, str]]] = {}
    for key in storage.keys(""):
        name, _, file = key.partition("/")
        generation = found.get(name) or parse_generation(name)
        if generation is None:
            continue
        if file.startswith(f"{FULL}/"):
            generation.full.append(key)
        elif (match := _FILE.fullmatch(file)) and (at := _parse_time(match[3])) is not None:
            files.setdefault(name, []).append((int(match[2] or 0), at, key))
        else:
            continue
        found[name] = generation
    ordered = sorted(found.values(), key=lambda one: (one.number, one.begun_at, one.name))
    earliest = _NEVER
    for generation in reversed(ordered):
        reached = _NEVER
        for _number, at, key in sorted(files.get(generation.name, ()), reverse=True):
            reached = min(reached, at)
            kind = generation.batches if key.endswith(".zst") else generation.snapshots
            kind.insert(0, (reached, key))
        earliest = generation.begun_at = min(earliest, reached, generation.begun_at)
    return ordered


def read_full_manifest(storage: FileStorage, generation: Generation) -> BackupManifest:
    """The manifest of the full copy. Conflict if it was changed; TargetError."""
    key = f"{generation.name}/{FULL}/{FILE}"
    try:
        return msgspec.json.decode(read_small(storage, key, _LARGEST_MANIFEST), type=BackupManifest)
    except msgspec.DecodeError as error:
        raise Conflict(f"{key} cannot be read ({error}). Restore to a moment before it with --at.") from None


def expired_keys(
    generations: Iterable[Generation], current: str, writer: str, *, before: int, abandoned_before: int
) -> list[str]:
    """What no restore to a moment since `before` (µs since 1970) needs, beside the `current` generation.

    Of earlier generations that are needed only the last snapshot of each hour is. What `writer` has left unfinished
    goes at once; what others have, if it was begun before `abandoned_before`.
    """
    others = [one for one in generations if one.name != current]
    # The newest of those that began before covers `before` and what follows.
    covering = max((place for place, one in enumerate(others) if one.is_complete and one.begun_at <= before), default=0)
    expired: list[str] = []
    for place, one in enumerate(others):
        if not one.is_complete:
            is_over = one.writer in ("", writer) or one.begun_at < abandoned_before
        else:
            is_over = place < covering
        if is_over:
            expired += one.keys
        elif one.is_complete:
            last = {at // HOUR_US: key for at, key in one.snapshots}
            expired += [key for _at, key in one.snapshots if key not in last.values()]
    return expired


def _time_name(at_us: int) -> str:
    return f"{from_us(at_us):{_TIME}}"


def _parse_time(name: str) -> int | None:
    try:
        return to_us(datetime.strptime(name, _TIME).replace(tzinfo=UTC))
    except ValueError:
        return None
