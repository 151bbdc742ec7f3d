"""The check of one event's proof: a C2SP tlog-proof, alone or with the event's parts."""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tallystick.verify.entries import Malformed, entry_of, entry_of_opening, read_object
from tallystick.verify.notes import Key, SignedCheckpoint, Unsigned, open_checkpoint
from tallystick.verify.report import Report
from tallystick.verify.tree import Unproven, check_inclusion, leaf_hash

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 64
MAX_LINE = 65_536
_INDEX = re.compile(r"index (0|[1-9][0-9]{0,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A parsed proof; `extra` holds the decoded bytes of its line, None without one. Nothing is verified yet."""

    extra: bytes | None
    index: int
    hashes: list[bytes]
    checkpoint: str


def read_proof(text: str) -> TlogProof:
    """Parse a proof; Malformed unless it follows C2SP tlog-proof."""
    head, separator, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines.pop(0) != HEADER:
        raise Malformed(f"a proof must begin with {HEADER} and have an empty line before its checkpoint")
    if any(len(line) > MAX_LINE for line in lines):
        raise Malformed("a line of the proof is too long")
    extra = None
    if lines and lines[0].startswith("extra "):
        extra = _bytes(lines.pop(0).removeprefix("extra "))
    index = _INDEX.fullmatch(lines.pop(0)) if lines else None
    if index is None:
        raise Malformed("the proof has no index")
    hashes = [_bytes(line) for line in lines]
    if len(hashes) > MAX_HASHES or any(len(one) != 32 for one in hashes):
        raise Malformed("a proof must have at most 64 hashes of 32 bytes each")
    return TlogProof(extra, int(index[1]), hashes, checkpoint)


def check_proof(
    text: str, keys: Sequence[Key], report: Report, *, event: dict[str, Any] | None = None
) -> SignedCheckpoint | None:
    """Check a proof, and that it belongs to the event, if one is given in the form of the proof's JSON."""
    try:
        proof = read_proof(text)
        checkpoint = open_checkpoint(proof.checkpoint, keys)
    except (Malformed, Unsigned) as error:
        report.add_problem(str(error))
        return None
    try:
        entry, lost = entry_of(event) if event is not None else (None, [])
        opened = entry_of_opening(read_object(proof.extra.decode())) if proof.extra is not None else entry
        if opened is None:
            raise Malformed("neither the proof nor another file contains the event or its opening")
        if entry is not None and event is not None and (event["index"] != proof.index or entry != opened):
            raise Malformed("the proof belongs to another event")
        check_inclusion(proof.index, checkpoint.size, leaf_hash(opened), proof.hashes, checkpoint.root)
    except (Malformed, Unproven, UnicodeDecodeError) as error:
        report.add("altered", proof.index)
        report.add_problem(f"event {proof.index}: {error}")
        return checkpoint
    report.add("verified", proof.index)
    if lost:
        report.facts.append(f"the event has no {', '.join(lost)} any more: a bundle shows which erasure removed it")
    if event is None:
        report.facts.append(
            "only id, time of receipt and commitments were checked: use the JSON form to check the parts"
        )
    return checkpoint


def parse_hashes(said: object) -> list[bytes]:
    """Decode a list of hashes in base64; Malformed."""
    if type(said) is not list or len(said) > MAX_HASHES:
        raise Malformed("hashes must be a list")
    return [_bytes(one) if type(one) is str else b"" for one in said]


def _bytes(text: str) -> bytes:
    try:
        raw = b64decode(text, validate=True)
    except (Error, ValueError):
        raise Malformed("a line of the proof is not base64") from None
    if b64encode(raw).decode() != text:
        raise Malformed("a line of the proof is not canonical base64")
    return raw
