"""A bundle made again with what its events lost since: the same entries, tree and checkpoint, and later records.

Nothing of it needs the entries in the log, which may be past their tail: only the records are proven anew, in a
checkpoint of now that goes along.
"""

import zipfile
from base64 import b64decode
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Any, BinaryIO

import msgspec

from tallystick import clock, ids
from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.ledger.bundle import README, put_file, record_line
from tallystick.ledger.nodes import UnheldNodes
from tallystick.ledger.prover import Prover, entry_of_event, evidence
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS
from tallystick.merkle.remains import NO_SEED, SLOT_BYTES, after_losing, mask_of, named
from tallystick.query.scope import Scope

TOGETHER = 2_000
LATER = "records.checkpoint"
_KEPT = ("entries.bin", "proof.json", "checkpoint")
_decode = msgspec.json.Decoder(dict[str, Any]).decode
Losing = Callable[[int], int]
"""The parts (bits) that the event at an index must not hold."""


class NotAsItWas(ValueError):
    """What is in the bundle is not what the log was told: somebody changed it."""


def events_in(bundle: BinaryIO) -> Iterator[list[StoredEvent]]:
    """The events of a bundle, block by block, each compared with its entry; bare indexes are left out. NotAsItWas.

    `occurred_at` is 0 where the part that says it was erased.
    """
    try:
        with zipfile.ZipFile(bundle) as opened, opened.open("events.ndjson") as lines, opened.open(_KEPT[0]) as entries:
            block: list[StoredEvent] = []
            for line in lines:
                entry = entries.read(ENTRY_BYTES)
                found = _decode(line)
                if found.keys() == {"index"}:
                    continue
                event = _event_of(found)
                if entry_of_event(event) != entry:
                    raise NotAsItWas(f"event {event.index} is not the one of its entry")
                block.append(event)
                if len(block) >= TOGETHER:
                    yield block
                    block = []
            if block:
                yield block
    except (zipfile.BadZipFile, msgspec.DecodeError, KeyError, TypeError, EOFError) as error:
        raise NotAsItWas(f"it is not a whole bundle: {type(error).__name__}") from None


def without(event: StoredEvent, mask: int) -> StoredEvent:
    """What is left of an event that loses these parts."""
    parts = (event.what, event.target, event.who, event.details)
    remains = after_losing(mask, event.remains, event.seed, parts)
    return msgspec.structs.replace(event, seed=NO_SEED, remains=remains, **dict.fromkeys(named(mask), b""))


class Reducer:
    """Makes bundles of one organization again."""

    def __init__(self, database: Database, prover: Prover, scope: Scope) -> None:
        self._checkpoint = prover.checkpoint(scope, covering=prover.size(scope))
        self._nodes = UnheldNodes(database, scope.org_id)

    @property
    def size(self) -> int:
        """Records below this index can be proven."""
        return self._checkpoint.size

    def reduce(self, source: BinaryIO, target: IO[bytes], losing: Losing, records: Iterable[StoredEvent]) -> None:
        """Write to `target` what is left of the bundle. `records`: all that explains what is missing in it."""
        made: dict[str, Any] = {}
        with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
            made["events.ndjson"] = put_file(new, "events.ndjson", _lines(source, losing))
            for name in _KEPT:
                with old.open(name) as file:
                    made[name] = put_file(new, name, _content(file))
            made[LATER] = put_file(new, LATER, [self._checkpoint.note.encode()])
            proven = (record_line(one, self._nodes, self.size) for one in records if one.index < self.size)
            made["records.ndjson"] = put_file(new, "records.ndjson", proven)
            made["README.txt"] = put_file(new, "README.txt", [README.encode()])
            manifest = _decode(old.read("manifest.json"))
            manifest |= {"files": made, "made_again_at": clock.rfc3339(clock.now_us())}
            put_file(new, "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2), b"\n"])


def _content(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 16):
        yield block


def _lines(source: BinaryIO, losing: Losing) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for block in events_in(source):
        left = (without(event, mask) if (mask := losing(event.index)) else event for event in block)
        yield b"".join(encode(evidence(event)) + b"\n" for event in left)


def _event_of(line: Mapping[str, Any]) -> StoredEvent:
    """The event that `prover.evidence` made this line of."""
    parts = {part: b"" if line[part] is None else line[part].encode() for part in PARTS}
    what = _decode(parts["what"]) if parts["what"] else {}
    remains = b"" if "seed" in line else _remains(line)
    return StoredEvent(
        line["index"],
        ids.decode("evt", line["id"]),
        line["received_at"],
        _time_of(what.get("timestamp")),
        **parts,
        seed=NO_SEED if remains else b64decode(line["seed"]),
        remains=remains,
    )


def _time_of(stamp: str | None) -> int:
    return 0 if stamp is None else clock.to_us(msgspec.convert(stamp, type=datetime))


def _remains(line: Mapping[str, Any]) -> bytes:
    known = {**line["salts"], **line["commitments"]}
    slots = (b64decode(known[part]).ljust(SLOT_BYTES, b"\0") for part in PARTS)
    return bytes([mask_of(line["commitments"])]) + b"".join(slots)
