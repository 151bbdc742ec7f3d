"""The check of an evidence bundle: events, entries, tree, signature, and the records that explain what is missing."""

import hashlib
import io
import re
import zipfile
import zlib
from base64 import b64decode
from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import IO, Any

from tallystick.verify.entries import Malformed, entry_of, read_line, read_object, read_pairs
from tallystick.verify.event_checks import ENTRY_BYTES, Block, BlockResult, check_blocks, processes_for
from tallystick.verify.notes import Key, SignedCheckpoint, Unsigned, open_checkpoint
from tallystick.verify.records import ProvenRecords
from tallystick.verify.report import IndexRanges, Report
from tallystick.verify.tree import TreeBuilder, cover

FILES = ("events.ndjson", "entries.bin", "proof.json", "checkpoint", "records.ndjson", "README.txt", "manifest.json")
ATTACHED = re.compile(r"attached/[A-Za-z0-9._-]{1,100}", re.ASCII)  # documents that the log does not cover
# In a bundle that was rewritten after an erasure: the newer checkpoint that proves its records.
RECORDS_CHECKPOINT = "records.checkpoint"
MAX_SMALL_FILE = 1 << 20
MAX_LINE = 1 << 20
READ_BYTES = 1 << 18
_HASH_LINE = re.compile(rb'"([A-Za-z0-9+/]{43}=)",?\n', re.ASCII)


def check_bundle(
    file: IO[bytes],
    keys: Sequence[Key],
    report: Report,
    older: SignedCheckpoint | None = None,
    *,
    parallel: bool = False,
) -> SignedCheckpoint | None:
    """Check a bundle and add the results to the report; returns its checkpoint if it could be read and was signed.

    With `older`, also check that the log begins with that checkpoint's entries. With `parallel`, a large bundle is
    checked in several processes, which import the program's main module again.
    """
    try:
        with zipfile.ZipFile(file) as bundle:
            return _BundleCheck(bundle, report, parallel).run(keys, older)
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        report.invalidate(f"the zip is damaged: {error}")
    except (Malformed, Unsigned, UnicodeDecodeError) as error:
        report.invalidate(str(error))
    return None


class _BundleCheck:
    """The check of one bundle's files.

    Reads every file once, in pieces, and hashes it meanwhile; only then is the hash compared with the manifest.
    """

    def __init__(self, bundle: zipfile.ZipFile, report: Report, parallel: bool) -> None:
        self._parallel = parallel
        self._bundle = bundle
        self._report = report
        names = bundle.namelist()
        self._attached = [name for name in names if ATTACHED.fullmatch(name)]
        self._newer = [RECORDS_CHECKPOINT] if RECORDS_CHECKPOINT in names else []
        if sorted(names) != sorted({*FILES, *self._attached, *self._newer}):
            raise Malformed(f"a bundle holds {', '.join(FILES)}, once each, documents in attached/, and nothing else")
        self._manifest = read_object(self._read_small("manifest.json"))
        self._opened: dict[str, _HashedReader] = {}

    def run(self, keys: Sequence[Key], older: SignedCheckpoint | None) -> SignedCheckpoint:
        """Check everything; returns the bundle's checkpoint. Malformed or Unsigned when it cannot be checked."""
        checkpoint = open_checkpoint(self._read_small("checkpoint"), keys)
        self._check_small_files()
        self._check_attached()
        self._add_holes()
        records = ProvenRecords(self._records_checkpoint(checkpoint, keys), self._report)
        lines = (line for some in self._lines("records.ndjson") for line in some.split(b"\n")[:-1])
        for number, line in enumerate(lines, 1):
            records.add_line(line.decode(), f"line {number} of records.ndjson")
        records.validate()
        nodes = _ProofNodes(self._open("proof.json"))
        first, end = self._range(nodes.head, checkpoint)
        walk = _LogCheck(checkpoint, records, nodes, self._report, first, end, older)
        processes = processes_for(self._bundle.getinfo("events.ndjson").file_size) if self._parallel else 1
        with closing(check_blocks(self._events(), processes)) as examined:
            walk.check_events(examined)
        nodes.finish()
        self._compare_digests()
        walk.check_roots()
        return checkpoint

    def _records_checkpoint(self, checkpoint: SignedCheckpoint, keys: Sequence[Key]) -> SignedCheckpoint:
        """The checkpoint that proves the records: the one of the events, or a newer one of the same log."""
        if not self._newer:
            return checkpoint
        later = open_checkpoint(self._read_small(RECORDS_CHECKPOINT), keys)
        if later.origin != checkpoint.origin or later.size < checkpoint.size:
            raise Malformed(f"{RECORDS_CHECKPOINT} is not a newer checkpoint of the same log")
        if later.size == checkpoint.size and later.root != checkpoint.root:
            raise Malformed(f"{RECORDS_CHECKPOINT} contradicts the checkpoint")
        self._report.facts.append(f"rewritten later: its records are proven by a checkpoint of {later.size} entries")
        return later

    def _range(self, head: dict[str, Any], checkpoint: SignedCheckpoint) -> tuple[int, int | None]:
        kind, size = head.get("kind"), head.get("size")
        if size != checkpoint.size or kind not in ("range", "filtered"):
            raise Malformed("proof.json does not belong to this checkpoint")
        if kind == "filtered":
            self._report.facts.append("filtered: each event is proven, but not that no event was left out")
            return 0, None
        first, end = head.get("first"), head.get("end")
        if type(first) is not int or type(end) is not int or not 0 <= first <= end <= checkpoint.size:
            raise Malformed("the range in proof.json is not within this log")
        if first < end:
            self._report.facts.append(f"a range: every event from {first} to {end - 1} is included or explained")
        return first, end

    def _add_holes(self) -> None:
        """Say which events the server lacked when it made the bundle, as it says itself in the manifest."""
        for name, words in (("missing", "missing, among"), ("lost", "lost for good, at")):
            if name in self._manifest:
                ranges = IndexRanges(read_pairs(self._manifest[name]))
                self._report.facts.append(f"made without events that the server says were {words} {ranges}")

    def _open(self, name: str) -> "_HashedReader":
        self._opened[name] = _HashedReader(self._bundle.open(name))
        return self._opened[name]

    def _events(self) -> Iterator[Block]:
        entries = self._open("entries.bin")
        for lines in self._lines("events.ndjson"):
            count = ENTRY_BYTES * lines.count(b"\n")
            some = entries.read(count)
            if len(some) != count:
                raise Malformed("entries.bin has fewer entries than events.ndjson lines")
            yield Block(lines, some)
        if entries.read(1):
            raise Malformed("entries.bin has more entries than events.ndjson lines")

    def _lines(self, name: str) -> Iterator[bytes]:
        """The file in pieces of complete lines."""
        file, begun = self._open(name), b""
        while read := file.read(READ_BYTES):
            lines, end, rest = read.rpartition(b"\n")
            if end:
                yield begun + lines + end
                begun = rest
            else:
                begun += rest
            if len(begun) > MAX_LINE:
                break
        if begun:
            raise Malformed(f"{name} has a line that is too long or has no newline")

    def _read_small(self, name: str) -> str:
        with self._bundle.open(name) as file:
            content = file.read(MAX_SMALL_FILE + 1)
        if len(content) > MAX_SMALL_FILE:
            raise Malformed(f"{name} is too large")
        return content.decode()

    def _check_small_files(self) -> None:
        for name in ("checkpoint", "README.txt", *self._newer):
            self._compare(name, hashlib.sha256(self._read_small(name).encode()).hexdigest())

    def _check_attached(self) -> None:
        for name in self._attached:
            with self._bundle.open(name) as file:
                self._compare(name, _HashedReader(file).digest())
        if self._attached:
            number = len(self._attached)
            noun = "document matches" if number == 1 else "documents match"
            self._report.facts.append(f"{number} attached {noun} manifest.json; this does not prove their content")

    def _compare_digests(self) -> None:
        for name, opened in self._opened.items():
            self._compare(name, opened.digest())

    def _compare(self, name: str, digest: str) -> None:
        files = self._manifest.get("files")
        said = files.get(name) if type(files) is dict else None
        if type(said) is not dict or said.get("sha256") != digest:
            self._report.add_problem(f"{name} does not match its SHA-256 in manifest.json")


class _LogCheck:
    """The check of the log from its first entry to the last: events against entries, entries against the root.

    Entries of the bundle and covering nodes of proof.json are folded into one tree from left to right. Memory holds one
    block and the tree's peaks. Runs of verified events are reported as ranges; only events that are not whole, or that
    a record names, are looked at one by one, since in a large bundle nearly all events are whole.
    """

    def __init__(
        self,
        checkpoint: SignedCheckpoint,
        records: ProvenRecords,
        nodes: "_ProofNodes",
        report: Report,
        first: int,
        end: int | None,
        older: SignedCheckpoint | None,
    ) -> None:
        self._checkpoint = checkpoint
        self._records = records
        self._nodes = nodes
        self._report = report
        self._end = end
        self._older = older
        self._folding = TreeBuilder(older.size if older is not None else None)
        self._leaves: list[bytes] = []
        self._next = first

    def check_events(self, examined: Iterator[tuple[Block, BlockResult]]) -> None:
        """Check all blocks of events, in order, and cover everything in between."""
        if self._end is not None:
            self._cover(self._next)
        for block, found in examined:
            self._check_block(block, found)
        if self._end is not None:
            if self._next > self._end:
                raise Malformed("events.ndjson has events beyond the range")
            self._add_missing(self._next, self._end)
        self._cover(self._checkpoint.size)

    def _check_block(self, block: Block, found: BlockResult) -> None:
        """Check one block of events."""
        gone, next_index, size = self._records.next_missing(self._next), self._next, self._checkpoint.size
        run = next_index  # the first index of the current run of verified events
        lines: list[bytes] = []
        for at, (index, is_whole, leaf) in enumerate(zip(*found, strict=True)):
            if not next_index <= index < size:
                raise Malformed(f"index {index} in events.ndjson is out of order or not in the log")
            if index > next_index:
                self._add_verified(run, next_index)
                run = index
                if self._end is not None:
                    self._add_missing(next_index, index)
                self._cover(index)
            self._leaves.append(leaf)
            next_index = index + 1
            if index >= gone:
                gone = self._records.next_missing(index)
            if is_whole and index < gone:
                continue
            self._add_verified(run, index)
            run = next_index
            lines = lines or block.lines.split(b"\n")
            self._check_event(index, read_line(lines[at]), block.entries[at * ENTRY_BYTES : (at + 1) * ENTRY_BYTES])
        self._add_verified(run, next_index)
        self._next = next_index
        self._flush()

    def check_roots(self) -> None:
        """Compare the root with the signed one, and the root at the older checkpoint's size with that one."""
        if self._folding.root() != self._checkpoint.root:
            self._report.invalidate(
                "the entries and the tree do not give the signed root: something was altered, added, removed or moved, "
                "and no event of this bundle is proven"
            )
        older = self._older
        if older is None:
            return
        if older.origin != self._checkpoint.origin:
            self._report.add_problem(f"the older checkpoint belongs to another log, {older.origin}")
        elif older.size > self._checkpoint.size:
            self._report.add_problem(
                f"the older checkpoint has {older.size} entries, this one {self._checkpoint.size}: "
                "the log was truncated, or the bundle is older than the checkpoint"
            )
        elif self._folding.watched_root is None:
            self._report.add_problem(
                f"this bundle does not give the root at {older.size} entries; compare with --url, or with a bundle of "
                "the range from 0"
            )
        elif self._folding.watched_root != older.root:
            self._report.add_problem(f"the first {older.size} entries differ from those of the older checkpoint")
        else:
            self._report.facts.append(f"begins with the {older.size} entries of the older checkpoint")

    def _check_event(self, index: int, event: dict[str, Any], entry: bytes) -> None:
        """Check an event that is missing or lost parts, that a record names, or that does not match its entry."""
        report, records = self._report, self._records
        if event.keys() == {"index"}:
            self._add_missing(index, index + 1)
            return
        try:
            found, lost = entry_of(event)
        except Malformed as error:
            report.add("altered", index)
            report.add_problem(f"event {index}: {error}")
            return
        if found != entry:
            report.add("altered", index)
            return
        kept = [part for part in ("what", "target", "who", "details") if part not in lost]
        present = records.contradicting_record(index, kept)
        if present is not None:
            report.add_problem(
                f"the record {present.index} ({present.action}) says that {index} is gone, yet it is here"
            )
        if not lost:
            report.add("verified", index)
            return
        erasure = records.erasure_of(index, lost)
        if erasure is None:
            report.add("unexplained", index)
        else:
            report.explain("erased", erasure.index, index)

    def _add_verified(self, first: int, end: int) -> None:
        if first < end:
            self._report.add("verified", first, end - 1)

    def _add_missing(self, first: int, end: int) -> None:
        for start, last, purge in self._records.purges_within(first, end):
            if purge is None:
                self._add_unpurged(start, last + 1)
            else:
                self._report.explain("expired", purge.index, start, last)

    def _add_unpurged(self, first: int, end: int) -> None:
        for start, last, loss in self._records.losses_within(first, end):
            if loss is None:
                self._report.add("unexplained", start, last)
            else:
                self._report.explain("lost", loss.index, start, last)

    def _flush(self) -> None:
        if self._leaves:
            self._folding.push(0, self._leaves[:])
            self._leaves.clear()

    def _cover(self, end: int) -> None:
        self._flush()
        for level in cover(self._folding.size, end):
            self._folding.push(level, [self._nodes.take()])


class _ProofNodes:
    """Reads proof.json line by line: a head, then one hash on each line."""

    def __init__(self, file: "_HashedReader") -> None:
        self._file = file
        line = file.readline(MAX_SMALL_FILE).decode()
        if not line.endswith(' "hashes": [\n'):
            raise Malformed("proof.json does not begin with its head and a list of hashes")
        self.head = read_object(line[:-1] + "]}")

    def take(self) -> bytes:
        """The next hash; Malformed when there is none."""
        found = _HASH_LINE.fullmatch(self._file.readline(100))
        if found is None:
            raise Malformed("proof.json has too few hashes")
        return b64decode(found[1])

    def finish(self) -> None:
        """Check that all hashes were read."""
        rest = self._file.read(100)
        if rest.strip() != b"]}":
            raise Malformed("proof.json has too many hashes")


class _HashedReader:
    """A file that is hashed while it is read."""

    def __init__(self, file: IO[bytes]) -> None:
        self._sha256 = hashlib.sha256()
        self._file = io.BufferedReader(_DigestTap(file, self._sha256), 1 << 16)
        self.read = self._file.read
        self.readline = self._file.readline

    def digest(self) -> str:
        """The SHA-256 (hex) of the whole file; reads the rest."""
        while self.read(1 << 16):
            pass
        return self._sha256.hexdigest()


class _DigestTap(io.RawIOBase):
    """Passes a file through and hashes it, below the buffer that reads lines."""

    def __init__(self, file: IO[bytes], digest: Any) -> None:
        self._source = file
        self._digest = digest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        block = self._source.read(len(buffer))
        self._digest.update(block)
        buffer[: len(block)] = block
        return len(block)
