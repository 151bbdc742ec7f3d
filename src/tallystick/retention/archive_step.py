"""The three files of one archived step: their names, the manifest, and the columns of the Parquet table."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import msgspec
import pyarrow as pa

from tallystick import clock, ids
from tallystick.clock import rfc3339
from tallystick.destinations.file_storage import Checksum
from tallystick.events.copies import record_of
from tallystick.events.record import StoredEvent
from tallystick.query.scope import Scope

FORMAT = "tallystick-archive/1"
_NAME = re.compile(r"(org_[0-9a-z]{26})/(\d{4,}/\d{12,}-[0-9a-f]{12})\.(zip|parquet)", re.ASCII)
_TIME = pa.timestamp("us", "UTC")
_TEXTS = (
    "action", "category", "status", "description", "actor_type", "actor_id", "actor_email", "actor_name",
    "resource_type", "resource_id", "resource_name", "ip_address", "session_id", "request_id",
)  # fmt: skip
SCHEMA = pa.schema(
    [("index", pa.int64()), ("id", pa.string()), ("occurred_at", _TIME), ("received_at", _TIME)]
    + [(name, pa.string()) for name in (*_TEXTS, "what", "target", "who", "details")]
)


class ArchiveStep(msgspec.Struct, frozen=True, order=True):
    """The location of a step: the organization's `folder`, and its `name`: `<year>/<first index>-<random>`."""

    folder: str
    name: str

    @classmethod
    def new(cls, scope: Scope, year: str, first: int) -> Self:
        """A new step with a unique name."""
        return cls(folder_of(scope), f"{year}/{first:012d}-{ids.new_uuid(clock.now_us()).hex[-12:]}")

    def key(self, ending: str) -> str:
        """The key of its file with this ending: `zip`, `parquet` or `json`."""
        return f"{self.folder}/{self.name}.{ending}"


def folder_of(scope: Scope) -> str:
    """The folder of an organization."""
    return ids.encode("org", scope.org_id.bytes)


def steps_in(keys: Iterable[str]) -> tuple[list[ArchiveStep], list[str]]:
    """The steps whose bundles are among these keys, in order, and the keys of tables without a bundle."""
    named = [(ArchiveStep(found[1], found[2]), found[3]) for key in keys if (found := _NAME.fullmatch(key))]
    steps = {step for step, ending in named if ending == "zip"}
    return sorted(steps), [step.key(ending) for step, ending in named if ending == "parquet" and step not in steps]


class ArchiveManifest(msgspec.Struct):
    """The manifest of a step: its events as indexes, and the SHA-256 and size of its other files."""

    format: str
    organization: str
    before: str
    events: int
    indexes: str
    made_at: str
    files: dict[str, dict[str, Any]]

    @classmethod
    def of(
        cls, scope: Scope, step: ArchiveStep, before: int, events: int, text: str, sums: Mapping[str, Checksum]
    ) -> Self:
        """The manifest of a step that is written now."""
        return cls(FORMAT, folder_of(scope), rfc3339(before), events, text, rfc3339(clock.now_us()), _files(step, sums))

    def with_checksums(self, step: ArchiveStep, sums: Mapping[str, Checksum]) -> Self:
        """The manifest with the checksums of rewritten files."""
        return msgspec.structs.replace(self, files=_files(step, sums), made_at=rfc3339(clock.now_us()))

    def matches(self, step: ArchiveStep, ending: str, of: Checksum) -> bool:
        """Whether the manifest lists this checksum for the file."""
        return bool(self.files.get(step.key(ending).rpartition("/")[2], {}).get("sha256") == of.sha256)

    def content(self) -> bytes:
        """The content of the manifest file: JSON."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def events_table(events: Sequence[StoredEvent]) -> pa.Table:
    """The events as a table: searchable columns, and the four parts as JSON text."""
    found = [record_of(event) for event in events]
    columns: dict[str, Any] = {
        "index": pa.array([event.index for event in events], pa.int64()),
        "id": pa.array([ids.encode("evt", event.id) for event in events], pa.string()),
        "occurred_at": pa.array([event.occurred_at for event in events], pa.int64()).cast(_TIME),
        "received_at": pa.array([event.received_at for event in events], pa.int64()).cast(_TIME),
    }
    columns |= {name: pa.array([getattr(one, name) for one in found], pa.string()) for name in _TEXTS}
    for name in ("what", "target", "who", "details"):
        columns[name] = pa.array([getattr(event, name).decode() for event in events], pa.string())
    return pa.table(columns, schema=SCHEMA)


def _files(step: ArchiveStep, sums: Mapping[str, Checksum]) -> dict[str, dict[str, Any]]:
    return {
        step.key(ending).rpartition("/")[2]: {"sha256": one.sha256, "bytes": one.bytes} for ending, one in sums.items()
    }
