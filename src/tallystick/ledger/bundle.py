"""The evidence bundle: one zip of events with everything that proves them, verifiable without this server.

Memory stays bounded: events are written as they arrive, entries and hashes wait in temporary files.
"""

import hashlib
import json
import tempfile
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import IO, Any

import msgspec

from tallystick import clock
from tallystick.database.engine import Database
from tallystick.events.record import StoredEvent
from tallystick.ledger.nodes import DetachedNodes, Nodes
from tallystick.ledger.prover import Prover, evidence
from tallystick.merkle.commitment import ENTRY_BYTES
from tallystick.merkle.tiles import TILE_WIDTH
from tallystick.merkle.tree import cover, inclusion_proof
from tallystick.query.scope import Scope

FORMAT = "tallystick-bundle/1"
LEVEL = 3
MEMORY_BYTES = 4 << 20  # of entries and of hashes, before they go to a file

README = """\
This is evidence from a Tallystick audit trail. It can be checked without the server it came from, and offline:

    tallystick verify THIS.zip --key 'NAME+HEX+BASE64'

or, with nothing but Python and the package cryptography, by the one file tallystick-verify.pyz:

    python tallystick-verify.pyz THIS.zip --key 'NAME+HEX+BASE64'

The key must come from somewhere else than from whoever gave you this file: noted when the log began, or from
GET /v1/ledger/key over a connection that you trust. A key that lay in here would prove nothing.

events.ndjson   one event on each line: its index in the log, its id, when it was received (microseconds since
                1970 UTC), its seed, and its four parts (what, target, who, details) as the exact texts that were
                committed to. A part that was erased is null and its commitment stands there. A line with an index
                alone is an event that is gone.
entries.bin     for each of these lines the 32 bytes that stand in the log:
                salt_p  = SHA-256("tallystick/salt/v1" 0x00 | p | seed)[:16]             p = one byte, 1 to 4
                C_p     = SHA-256("tallystick/part/v1" 0x00 | p | salt_p | part p)
                entry   = SHA-256("tallystick/event/v1" 0x00 | id (16 bytes, a UUIDv7) | received_at (u64, big
                          endian) | C_1 | C_2 | C_3 | C_4)
proof.json      the nodes of the RFC 6962 tree that cover all other entries, in order: with the entries here they
                give the root in the checkpoint. (leaf = SHA-256(0x00 | entry), node = SHA-256(0x01 | left | right);
                each gap is covered by as few perfect subtrees as its place allows, first to last.)
checkpoint      the log's name, its size and its root, signed (C2SP tlog-checkpoint, signed-note, Ed25519).
records.ndjson  the records of erasures, purges and changes of the retention, each with its own inclusion proof in
                the same checkpoint, or in records.checkpoint if that is here: somebody was erased after the bundle
                was made, and it was made again without them. They explain what is missing.
manifest.json   what was asked for, counts, who made this and when, and the SHA-256 of every file.
attached/       other documents, if there are any. Their SHA-256 stand in manifest.json; the log proves them only
                where an event in here names the same SHA-256.

"kind" in proof.json says what this can show. A range holds every event between two indexes: nothing was left
out there. Filtered events are proven one by one; that there are no others is not.
"""


@dataclass(frozen=True, slots=True)
class Selection:
    """The content of a bundle: with `first` and `end` all events with first ≤ index < end, otherwise those of a filter.

    `filter` maps parameter names to the requested values; it and `made_by` are copied into the manifest. So is what
    `holes` returns when the events were read: ranges of indexes whose events the server lacks, by why.
    """

    first: int | None = None
    end: int | None = None
    filter: Mapping[str, Any] = field(default_factory=dict)
    made_by: Mapping[str, str] = field(default_factory=dict)
    holes: Callable[[], Mapping[str, Sequence[tuple[int, int]]]] = dict


class BundleWriter:
    """Writes bundles of one organization, of events that the caller reads in order of index."""

    def __init__(self, database: Database, prover: Prover) -> None:
        self._database = database
        self._prover = prover

    def write(
        self,
        target: IO[bytes],
        scope: Scope,
        selection: Selection,
        events: Iterable[list[StoredEvent]],
        records: Iterable[StoredEvent] = (),
        attached: Iterable[tuple[str, bytes]] = (),
    ) -> dict[str, Any]:
        """Write the bundle to `target`, which need not be seekable, and return its manifest.

        `records` are the erasure, purge and retention records that explain missing parts; `attached` are names and
        contents of further documents. Signs a checkpoint if none covers the events. Filtered events that were
        recorded after the call began are left out. ValueError when the events are not in order of index.
        """
        end = self._prover.size(scope) if selection.end is None else selection.end
        checkpoint = self._prover.checkpoint(scope, covering=end)
        made: dict[str, dict[str, Any]] = {}
        head: dict[str, Any] = {"format": FORMAT, "kind": "filtered", "size": checkpoint.size}
        shown: Iterable[Iterable[StoredEvent | int]] = events
        if selection.end is not None:
            head |= {"kind": "range", "first": selection.first or 0, "end": selection.end}
            shown = _filled(events, selection.first or 0, selection.end)
        walk = _EntryCollector(DetachedNodes(self._database, scope.org_id), checkpoint.size)
        with walk, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as bundle:
            walk.begin(head.get("first", 0))
            made["events.ndjson"] = add_file(bundle, "events.ndjson", _lines(walk, shown))
            walk.finish()
            made["entries.bin"] = add_file(bundle, "entries.bin", _blocks(walk.entries))
            made["proof.json"] = add_file(bundle, "proof.json", _proof(head, walk.hashes))
            made["checkpoint"] = add_file(bundle, "checkpoint", [checkpoint.note.encode()])
            proven = (record_line(one, walk.nodes, checkpoint.size) for one in records if one.index < checkpoint.size)
            made["records.ndjson"] = add_file(bundle, "records.ndjson", proven)
            made["README.txt"] = add_file(bundle, "README.txt", [README.encode()])
            for name, content in attached:
                made[f"attached/{name}"] = add_file(bundle, f"attached/{name}", [content])
            manifest = {
                **head,
                "origin": checkpoint.note.partition("\n")[0],
                "filter": dict(selection.filter),
                "events": walk.count,
                "made_at": clock.rfc3339(clock.now_us()),
                "made_by": dict(selection.made_by),
                **selection.holes(),
                "files": made,
            }
            add_file(bundle, "manifest.json", [msgspec.json.format(msgspec.json.encode(manifest), indent=2), b"\n"])
        return manifest


class _EntryCollector:
    """Divides the log into entries that are in the bundle and tree nodes that cover all others.

    From left to right, `entries` and `hashes` together span the leaves [0, size) exactly once. A verifier that folds
    both gets the signed root, so no entry can be added, left out or moved. A gap of n entries costs at most
    2 log2(n) nodes. One tile of entries is held in memory.
    """

    def __init__(self, nodes: Nodes, size: int) -> None:
        self.nodes = nodes
        self.size = size
        self.count = 0
        self.entries: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
        self.hashes: IO[bytes] = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115
        self._at = 0
        self._tile = (-1, b"")

    def __enter__(self) -> "_EntryCollector":
        return self

    def __exit__(self, *_: object) -> None:
        self.entries.close()
        self.hashes.close()

    def begin(self, first: int) -> None:
        """Cover the entries before `first`."""
        self._cover(first)
        self._at = first

    def show(self, index: int) -> bool:
        """Include the entry at `index`; False when the entry itself has expired, so that a node covers it instead."""
        if index < self._at:
            raise ValueError(f"index {index} follows {self._at - 1}: events of a bundle must be in order of index")
        position, place = divmod(index, TILE_WIDTH)
        if self._tile[0] != position:
            self._tile = (position, self.nodes.entries(position))
        entry = self._tile[1][place * ENTRY_BYTES : (place + 1) * ENTRY_BYTES]
        if not entry:
            return False
        self._cover(index)
        self.entries.write(entry)
        self._at = index + 1
        self.count += 1
        return True

    def finish(self) -> None:
        """Cover the entries after the last event, and rewind both files for reading."""
        self._cover(self.size)
        self.entries.seek(0)
        self.hashes.seek(0)

    def _cover(self, end: int) -> None:
        for level, index in cover(self._at, end):
            self.hashes.write(self.nodes(level, index))


def _filled(events: Iterable[list[StoredEvent]], first: int, end: int) -> Iterator[list[StoredEvent | int]]:
    """The events of a range, with the bare index in place of each event that is missing."""
    at = first
    for block in events:
        row: list[StoredEvent | int] = []
        for event in block:
            if not at <= event.index < end:
                raise ValueError(f"index {event.index} is not in the expected range from {at} to {end - 1}")
            row += [*range(at, event.index), event]
            at = event.index + 1
        yield row
    for start in range(at, end, TILE_WIDTH):
        yield list(range(start, min(start + TILE_WIDTH, end)))


def _lines(walk: _EntryCollector, events: Iterable[Iterable[StoredEvent | int]]) -> Iterator[bytes]:
    encode = msgspec.json.Encoder().encode
    for block in events:
        lines: list[bytes] = []
        for event in block:
            if isinstance(event, int):
                if walk.show(event):
                    lines.append(b'{"index":%d}\n' % event)
            elif event.index < walk.size and walk.show(event.index):
                lines.append(encode(evidence(event)) + b"\n")
        yield b"".join(lines)


def _blocks(file: IO[bytes]) -> Iterator[bytes]:
    while block := file.read(1 << 16):
        yield block


def _proof(head: Mapping[str, Any], hashes: IO[bytes]) -> Iterator[bytes]:
    """The content of proof.json, with one hash on each line, so that a reader can stream it."""
    yield json.dumps(head).encode()[:-1] + b', "hashes": ['
    between = b"\n"
    while node := hashes.read(32):
        yield between + b'"' + b64encode(node) + b'"'
        between = b",\n"
    yield b"\n]}\n"


def record_line(event: StoredEvent, nodes: Nodes, size: int) -> bytes:
    """A line of records.ndjson: the event with its inclusion proof (base64 hashes) in the tree of `size` entries."""
    hashes = [b64encode(one).decode() for one in inclusion_proof(event.index, size, nodes)]
    return msgspec.json.encode({**evidence(event), "hashes": hashes}) + b"\n"


def add_file(bundle: zipfile.ZipFile, name: str, blocks: Iterable[bytes]) -> dict[str, Any]:
    """Add a file to the zip, block by block; returns its SHA-256 (hex) and size as the manifest lists them.

    The modification time is fixed, so that equal content gives an equal zip. Entries are not compressed: hashes do not
    get smaller.
    """
    digest, count = hashlib.sha256(), 0
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_STORED if name == "entries.bin" else zipfile.ZIP_DEFLATED
    with bundle.open(info, "w", force_zip64=True) as file:
        for block in blocks:
            digest.update(block)
            count += len(block)
            file.write(block)
    return {"sha256": digest.hexdigest(), "bytes": count}
