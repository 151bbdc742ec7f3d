"""Rewriting of a bundle after an erasure: erased parts are removed; entries, tree nodes and checkpoint stay.

Works without the entries in the log, which may have expired: only the records that explain missing parts are proven
again, in a newer checkpoint (`records.checkpoint`) that is added to the bundle.
"""

import zipfile
import zlib
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import islice
from typing import IO, Any, BinaryIO

import msgspec

from tallystick import clock, ids
from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.ledger.bundle import README, add_file, record_line
from tallystick.ledger.nodes import DetachedNodes
from tallystick.ledger.prover import Prover, entry_of_event, evidence
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS
from tallystick.merkle.remains import NO_SEED, SLOT_BYTES, mask_of, parts_of, remains_without
from tallystick.query.scope import Scope

BLOCK_EVENTS = 2_000
LATER = "records.checkpoint"
_COPIED = ("entries.bin", "proof.json", "checkpoint")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
LostParts = Callable[[int], int]
"""For an index, the parts (as bits) that must be removed from that event."""


class BundleAltered(ValueError):
    """The content of the bundle does not match its log entries: it was changed after it was written."""


def events_in(bundle: BinaryIO) -> Iterator[list[StoredEvent]]:
    """The events of a bundle in blocks, without bare indexes; BundleAltered when one does not match its entry.

    `occurred_at` is 0 when the part that holds the time was erased.
    """
    try:
        with (
            zipfile.ZipFile(bundle) as opened,
            opened.open("events.ndjson") as lines,
            opened.open(_COPIED[0]) as entries,
        ):
            block: list[StoredEvent] = []
            for line in lines:
                entry = entries.read(ENTRY_BYTES)
                found = _decode(line)
                if found.keys() == {"index"}:
                    continue
                event = _event_of(found)
                if entry_of_event(event) != entry:
                    raise BundleAltered(f"event {event.index} does not match its log entry")
                block.append(event)
                if len(block) >= BLOCK_EVENTS:
                    yield block
                    block = []
            if block:
                yield block
    except (zipfile.BadZipFile, msgspec.DecodeError, KeyError, TypeError, EOFError) as error:
        raise BundleAltered(f"the bundle is incomplete or damaged: {type(error).__name__}") from None


def unproven_events(bundle: BinaryIO) -> Iterator[list[StoredEvent]]:
    """The deletion records and the events of a bundle in blocks, as they stand there: the caller compares them.

    Lines that are no event are left out. BundleAltered where the bundle cannot be read on.
    """
    try:
        with zipfile.ZipFile(bundle) as opened:
            for name in ("records.ndjson", "events.ndjson"):
                with opened.open(name) as lines:
                    found = (event for line in lines if (event := _unproven_event(line)) is not None)
                    while block := list(islice(found, BLOCK_EVENTS)):
                        yield block
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError) as error:
        raise BundleAltered(f"the bundle is incomplete or damaged: {type(error).__name__}") from None


def _unproven_event(line: bytes) -> StoredEvent | None:
    try:
        found = _event_of(_decode(line))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return found if type(found.index) is int and found.index >= 0 else None


def without(event: StoredEvent, mask: int) -> StoredEvent:
    """The event without the parts of `mask`, whose commitments move to its remains."""
    parts = (event.what, event.target, event.who, event.details)
    remains = remains_without(mask, event.remains, event.seed, parts)
    return msgspec.structs.replace(event, seed=NO_SEED, remains=remains, **dict.fromkeys(parts_of(mask), b""))


class BundleReducer:
    """Rewrites bundles of one organization; each instance signs and uses one checkpoint."""

    def __init__(self, database: Database, prover: Prover, scope: Scope) -> None:
        self._checkpoint = prover.checkpoint(scope, covering=prover.size(scope))
        self._nodes = DetachedNodes(database, scope.org_id)

    @property
    def size(self) -> int:
        """Records below this index can be proven."""
        return self._checkpoint.size

    def reduce(self, source: BinaryIO, target: IO[bytes], losing: LostParts, records: Iterable[StoredEvent]) -> None:
        """Write the bundle of `source` to `target` without the erased parts.

        `records` must explain everything that is missing in the result, also by earlier erasures.
        """
        made: dict[str, Any] = {}
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            made["events.ndjson"] = add_file(new, "events.ndjson", _lines(source, losing))
            for name in _COPIED:
                with old.open(name) as file:
                    made[name] = add_file(new, name, _content(file))
            made[LATER] = add_file(new, LATER, [self._checkpoint.note.encode()])
            proven = (record_line(one, self._nodes, self.size) for one in records if one.index < self.size)
            made["records.ndjson"] = add_file(new, "records.ndjson", proven)
            made["README.txt"] = add_file(new, "README.txt", [README.encode()])
            manifest = _decode(old.read("manifest.json"))
            manifest |= {"files": made, "made_again_at": clock.rfc3339(clock.now_us())}
            add_file(new, "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2), b"\n"])


def _content(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 16):
        yield block


def _lines(source: BinaryIO, losing: LostParts) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for block in events_in(source):
        left = (without(event, mask) if (mask := losing(event.index)) else event for event in block)
        yield b"".join(encode(evidence(event)) + b"\n" for event in left)


def _event_of(line: Mapping[str, Any]) -> StoredEvent:
    """The event of a line that `prover.evidence` wrote."""
    parts = {part: b"" if line[part] is None else line[part].encode() for part in PARTS}
    what = _decode(parts["what"]) if parts["what"] else {}
    remains = b"" if "seed" in line else _remains(line)
    return StoredEvent(
        line["index"],
        ids.decode("evt", line["id"]),
        line["received_at"],
        _time_of(what.get("timestamp")),
        parts["what"],
        parts["target"],
        parts["who"],
        parts["details"],
        seed=NO_SEED if remains else b64decode(line["seed"]),
        remains=remains,
    )


def _time_of(stamp: str | None) -> int:
    return 0 if stamp is None else clock.to_us(msgspec.convert(stamp, type=datetime))


def _remains(line: Mapping[str, Any]) -> bytes:
    known = {**line["salts"], **line["commitments"]}
    slots = (b64decode(known[part]).ljust(SLOT_BYTES, b"\0") for part in PARTS)
    return bytes([mask_of(line["commitments"])]) + b"".join(slots)
