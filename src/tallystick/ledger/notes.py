"""Writing of signed notes, checkpoints and verifier keys (C2SP signed-note, tlog-checkpoint)."""

from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

ED25519 = b"\x01"
KEY_ID_BYTES = 4


def key_id(name: str, public: bytes) -> bytes:
    """The key ID of signed-note (4 bytes), which tells the keys of one name apart."""
    return sha256(name.encode() + b"\n" + ED25519 + public).digest()[:KEY_ID_BYTES]


def vkey(name: str, public: bytes) -> str:
    """The verifier key of signed-note, as text: name, key ID in hex, base64 of type and public key (32 bytes)."""
    return f"{name}+{key_id(name, public).hex()}+{b64encode(ED25519 + public).decode()}"


def checkpoint_body(origin: str, size: int, root: bytes) -> str:
    """The text of a tlog-checkpoint that is signed: origin, number of entries, root (32 bytes) in base64."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def hash_lines(hashes: Iterable[bytes]) -> str:
    """The hashes of a proof in base64, one on each line."""
    return "".join(f"{b64encode(one).decode()}\n" for one in hashes)


def signed_note(body: str, name: str, keys: list[Ed25519PrivateKey]) -> str:
    """The signed note: the body, an empty line, one signature line for each key."""
    lines = []
    for key in keys:
        signature = key_id(name, key.public_key().public_bytes_raw()) + key.sign(body.encode())
        lines.append(f"— {name} {b64encode(signature).decode()}\n")
    return f"{body}\n{''.join(lines)}"
