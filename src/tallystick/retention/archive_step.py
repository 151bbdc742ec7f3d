"""One step of the archive: its three files, by which names they go, and the table that is written as Parquet."""

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


class Step(msgspec.Struct, frozen=True, order=True):
    """Where a step is: `folder` is the organization's, `name` its year and what follows, without an ending."""

    folder: str
    name: str

    @classmethod
    def new(cls, scope: Scope, year: str, first: int) -> Self:
        """One that was never there."""
        return cls(folder_of(scope), f"{year}/{first:012d}-{ids.new_uuid(clock.now_us()).hex[-12:]}")

    def key(self, ending: str) -> str:
        """The key of its `zip`, `parquet` or `json`."""
        return f"{self.folder}/{self.name}.{ending}"


def folder_of(scope: Scope) -> str:
    """The folder of an organization."""
    return ids.encode("org", scope.org_id.bytes)


def steps_in(keys: Iterable[str]) -> tuple[list[Step], list[str]]:
    """The steps whose bundles are among these keys, in order, and tables without one; all else is not ours."""
    named = [(Step(found[1], found[2]), found[3]) for key in keys if (found := _NAME.fullmatch(key))]
    steps = {step for step, ending in named if ending == "zip"}
    return sorted(steps), [step.key(ending) for step, ending in named if ending == "parquet" and step not in steps]


class Manifest(msgspec.Struct):
    """What a step holds, and the SHA-256 of its other files."""

    format: str
    organization: str
    before: str
    events: int
    indexes: str
    made_at: str
    files: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, scope: Scope, step: Step, before: int, events: int, text: str, sums: Mapping[str, Checksum]) -> Self:
        """That of a step that was written now."""
        return cls(FORMAT, folder_of(scope), rfc3339(before), events, text, rfc3339(clock.now_us()), _files(step, sums))

    def with_sums(self, step: Step, sums: Mapping[str, Checksum]) -> Self:
        """The same of other files."""
        return msgspec.structs.replace(self, files=_files(step, sums), made_at=rfc3339(clock.now_us()))

    def says(self, step: Step, ending: str, of: Checksum) -> bool:
        """Whether this is the file that was written."""
        return bool(self.files.get(step.key(ending).rpartition("/")[2], {}).get("sha256") == of.sha256)

    def content(self) -> bytes:
        """The file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=2) + b"\n"


def table_of(events: Sequence[StoredEvent]) -> pa.Table:
    """The events as a table: columns that one searches by, and the four parts."""
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


def _files(step: Step, sums: Mapping[str, Checksum]) -> dict[str, dict[str, Any]]:
    return {
        step.key(ending).rpartition("/")[2]: {"sha256": one.sha256, "bytes": one.bytes} for ending, one in sums.items()
    }
