"""Signed notes as C2SP signed-note and tlog-checkpoint lay them out, from the signer's side."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"
KEY_ID_BYTES = 4


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes that tell the keys of one name apart."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_ID_BYTES]


def vkey(name: str, public: bytes) -> str:
    """The line by which people hold the key: name, key id, type and public key (32 bytes)."""
    return f"{name}+{key_id(name, public).hex()}+{b64encode(ED25519 + public).decode()}"


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """What is signed: the log, how many entries it has, their root."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def hash_lines(hashes: Iterable[bytes]) -> str:
    """Hashes as proofs hold them: base64, one on each line."""
    return "".join(f"{b64encode(one).decode()}\n" for one in hashes)


def signed(body: str, name: str, keys: list[Ed25519PrivateKey]) -> str:
    """The note: the body, an empty line, one signature for each key."""
    lines = []
    for key in keys:
        signature = key_id(name, key.public_key().public_bytes_raw()) + key.sign(body.encode())
        lines.append(f"— {name} {b64encode(signature).decode()}\n")
    return f"{body}\n{''.join(lines)}"
