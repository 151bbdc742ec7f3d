"""Strict parsing and verification of signed notes (C2SP signed-note, tlog-checkpoint, tlog-cosignature; Ed25519)."""

import re
from base64 import b64decode, b64encode
from binascii import Error
from collections.abc import Sequence
from hashlib import sha256
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

ED25519, COSIGNATURE = 0x01, 0x04
HASH_BYTES = 32
MAX_SIGNATURES = 100
MAX_BYTES = 1_000_000
_SIZE = re.compile(r"0|[1-9][0-9]{0,19}", re.ASCII)
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_COSIGNED_BYTES = 8 + 64


class Unsigned(Exception):
    """The note is malformed, or not signed by one of the given keys; the text says which."""


class Key(NamedTuple):
    """A verifier key (C2SP signed-note), from a line `name+id+base64`; kind 1 signs logs, kind 4 is a witness."""

    name: str
    key_id: bytes
    kind: int
    public: bytes

    @classmethod
    def read(cls, line: str) -> "Key":
        """Parse a key; ValueError unless it is a verifier key of a known kind."""
        name, plus, rest = line.strip().partition("+")
        written_id, second_plus, written = rest.partition("+")
        if not (name and plus and second_plus) or _has_space(name) or not _KEY_ID.fullmatch(written_id):
            raise ValueError("a key must be written as name+id+base64, as GET /v1/ledger/key returns it")
        raw = _decoded(written)
        if raw is None or not raw:
            raise ValueError("the key's last part is not base64")
        if raw[0] not in (ED25519, COSIGNATURE):
            raise ValueError(f"the key is of kind {raw[0]}, which this verifier does not know")
        if len(raw) != 1 + HASH_BYTES:
            raise ValueError("the key does not have the length of an Ed25519 key")
        key_id = sha256(name.encode() + b"\n" + raw).digest()[:4]
        if key_id.hex() != written_id:
            raise ValueError("the key is mistyped: its id does not match")
        return cls(name, key_id, raw[0], raw[1:])

    def verifies(self, body: str, signature: bytes) -> bool:
        """Whether this is the key's signature of the note's text."""
        message = body.encode()
        if self.kind == COSIGNATURE:
            if len(signature) != _COSIGNED_BYTES:
                return False
            at = int.from_bytes(signature[:8], "big")
            message, signature = f"cosignature/v1\ntime {at}\n".encode() + message, signature[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class VerifiedNote(NamedTuple):
    """A note with valid signatures: its text, and its known signers, a witness with the time it signed (in s)."""

    body: str
    signers: list[tuple[Key, int | None]]


class SignedCheckpoint(NamedTuple):
    """A checkpoint that its log signed: origin, size, root (32 bytes), and witnesses by name and time (in s)."""

    origin: str
    size: int
    root: bytes
    witnesses: list[tuple[str, int]]


def open_note(text: str, keys: Sequence[Key]) -> VerifiedNote:
    """Verify a note; Unsigned unless it is well formed, a given key signed it, and no given key's signature is invalid.

    Keys are matched by name and id together; signatures of other keys are ignored, as signed-note demands.
    """
    if len(text) > MAX_BYTES or any(ord(letter) < 0x20 and letter != "\n" for letter in text):
        raise Unsigned("the note is too long or contains control characters")
    body, separator, block = text.rpartition("\n\n")
    if not separator or not block.endswith("\n"):
        raise Unsigned("the note has no signatures, or does not end with a newline")
    body += "\n"
    lines = block[:-1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise Unsigned(f"the note has more than {MAX_SIGNATURES} signatures")
    known = {(key.name, key.key_id): key for key in keys}
    signers: list[tuple[Key, int | None]] = []
    for line in lines:
        name, raw = _signature(line)
        key = known.get((name, raw[:4]))
        if key is None or any(key == other for other, _ in signers):
            continue
        if not key.verifies(body, raw[4:]):
            raise Unsigned(f"the signature of {name} is invalid")
        signers.append((key, int.from_bytes(raw[4:12], "big") if key.kind == COSIGNATURE else None))
    if not signers:
        raise Unsigned("none of the given keys signed this")
    return VerifiedNote(body, signers)


def read_checkpoint(body: str) -> tuple[str, int, bytes]:
    """Parse the text of a checkpoint into origin, size and root; Unsigned when it is malformed."""
    lines = body.split("\n")
    if len(lines) < 4 or lines[-1] != "":
        raise Unsigned("a checkpoint must have an origin, a size and a root, each on a line")
    origin, size, root = lines[0], lines[1], _decoded(lines[2])
    if not origin or not _SIZE.fullmatch(size) or int(size) >= 1 << 64:
        raise Unsigned("the checkpoint has no origin, or its size is not a number")
    if root is None or len(root) != HASH_BYTES:
        raise Unsigned("the checkpoint's root is not 32 bytes in base64")
    if any(not line for line in lines[3:-1]):
        raise Unsigned("the checkpoint has an empty line")
    return origin, int(size), root


def open_checkpoint(text: str, keys: Sequence[Key]) -> SignedCheckpoint:
    """Verify a checkpoint; Unsigned unless a key of the log that it names signed it."""
    opened = open_note(text, keys)
    origin, size, root = read_checkpoint(opened.body)
    if not any(key.kind == ED25519 and key.name == origin for key, _ in opened.signers):
        raise Unsigned(f"the checkpoint belongs to the log {origin}, and none of your keys for that log signed it")
    return SignedCheckpoint(origin, size, root, [(key.name, at) for key, at in opened.signers if at is not None])


def _signature(line: str) -> tuple[str, bytes]:
    if not line.startswith("— "):
        raise Unsigned("a line after the note's text is not a signature")
    name, separator, written = line[2:].partition(" ")
    raw = _decoded(written)
    if not separator or not name or _has_space(name) or "+" in name or raw is None or len(raw) < 5:
        raise Unsigned("a signature of the note is malformed")
    return name, raw


def _has_space(name: str) -> bool:
    return any(letter.isspace() for letter in name)


def _decoded(text: str) -> bytes | None:
    """Decode canonical base64; None for anything else."""
    try:
        raw = b64decode(text, validate=True)
    except (Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None
