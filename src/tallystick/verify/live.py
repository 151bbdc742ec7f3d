"""The check of a running server: its checkpoint's signature, consistency with an older one, and all its entries."""

import json
import urllib.error
import urllib.parse
import urllib.request
from base64 import b64decode
from binascii import Error
from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Any

from tallystick.verify.notes import Key, SignedCheckpoint, Unsigned, open_checkpoint
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tallystick.verify.tree import HASH_BYTES, TreeBuilder, Unproven, check_consistency

TIMEOUT_SECONDS = 30
TILE_WIDTH = 256
MAX_BYTES = 16 << 20
_ENTRY_LENGTH = (32).to_bytes(2, "big")
_ENTRY_STEP = 34
ABOVE_ENTRIES = 8  # the tree level of the hash of a full tile of entries
NOT_FOUND = 404


class Unreachable(Exception):
    """The server did not return what was requested; the text says why, `status` is the HTTP status (0: none)."""

    def __init__(self, detail: str, status: int = 0) -> None:
        super().__init__(detail)
        self.status = status


class Server:
    """A server's HTTP API with one key."""

    def __init__(self, url: str, api_key: str) -> None:
        if urllib.parse.urlsplit(url).scheme not in ("http", "https"):
            raise Unreachable("a server's address must begin with https:// or http://")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {api_key}", "User-Agent": "tallystick-verify"}

    def get(self, path: str, accept: str = "*/*") -> bytes:
        """GET a path; returns the body's bytes. Unreachable."""
        asked = urllib.request.Request(self._url + path, headers=self._headers | {"Accept": accept})  # noqa: S310
        try:
            with urllib.request.urlopen(asked, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
                content: bytes = answer.read(MAX_BYTES)
                return content
        except urllib.error.HTTPError as error:
            raise Unreachable(f"{path} answered {error.code}: {_detail(error.read(MAX_BYTES))}", error.code) from None
        except (OSError, ValueError) as error:
            raise Unreachable(f"{self._url} does not answer: {error}") from None


def check_server(
    server: Server,
    keys: Sequence[Key],
    report: Report,
    older: SignedCheckpoint | None = None,
    events: Iterable[str] = (),
) -> tuple[SignedCheckpoint, str] | None:
    """Check a server's whole log, and the proofs of these events; returns its checkpoint and note, if it is signed."""
    note = server.get("/v1/ledger/checkpoint").decode()
    try:
        checkpoint = open_checkpoint(note, keys)
    except Unsigned as error:
        report.add_problem(str(error))
        return None
    report.facts.append(f"{checkpoint.origin}, {checkpoint.size:,} entries")
    if older is not None:
        _check_growth(server, report, older, checkpoint)
    _check_entries(server, report, checkpoint)
    for event_id in events:
        _check_event(server, keys, report, event_id)
    return checkpoint, note


def _check_growth(server: Server, report: Report, older: SignedCheckpoint, checkpoint: SignedCheckpoint) -> None:
    if older.origin != checkpoint.origin:
        report.add_problem(f"the older checkpoint belongs to another log, {older.origin}")
        return
    if older.size > checkpoint.size:
        report.add_problem(f"the log was truncated: it had {older.size} entries, now it has {checkpoint.size}")
        return
    lines = server.get(f"/v1/ledger/consistency?first={older.size}&second={checkpoint.size}").decode().split()
    try:
        proof = [b64decode(line, validate=True) for line in lines]
        check_consistency(older.size, checkpoint.size, older.root, checkpoint.root, proof)
    except (Unproven, Error) as error:
        report.add_problem(str(error))
        return
    report.facts.append(f"begins with the {older.size:,} entries of the older checkpoint")


def _check_entries(server: Server, report: Report, checkpoint: SignedCheckpoint) -> None:
    folding, gone = TreeBuilder(), 0
    for position in range(-(-checkpoint.size // TILE_WIDTH)):
        width = min(TILE_WIDTH, checkpoint.size - position * TILE_WIDTH)
        part = "" if width == TILE_WIDTH else f".p/{width}"
        try:
            content = server.get(f"/v1/ledger/tile/entries/{_number(position)}{part}")
        except Unreachable as refused:
            if refused.status != NOT_FOUND or part:
                raise
            folding.push(ABOVE_ENTRIES, [_hash_above(server, position, checkpoint.size)])
            gone += width
            continue
        if len(content) != width * _ENTRY_STEP:
            report.add_problem(
                f"the server returned another number than {width} entries from {position * TILE_WIDTH} on"
            )
            return
        leaves: list[bytes] = []
        for at in range(0, len(content), _ENTRY_STEP):
            if content[at : at + 2] != _ENTRY_LENGTH:
                report.add_problem(f"the entries from {position * TILE_WIDTH} on do not have 32 bytes each")
                return
            leaves.append(sha256(b"\0" + content[at + 2 : at + _ENTRY_STEP]).digest())
        folding.push(0, leaves)
    if folding.root() == checkpoint.root:
        if gone:
            report.facts.append(f"{gone:,} entries have expired: the hashes above them were used instead")
        report.facts.append(f"all {'other ' if gone else ''}entries give the signed root")
    else:
        report.add_problem("the entries do not give the signed root")


def _hash_above(server: Server, position: int, size: int) -> bytes:
    """The hash of a full tile of entries, from the tile above it."""
    above, place = divmod(position, TILE_WIDTH)
    width = min(TILE_WIDTH, size // TILE_WIDTH - above * TILE_WIDTH)
    part = "" if width == TILE_WIDTH else f".p/{width}"
    content = server.get(f"/v1/ledger/tile/1/{_number(above)}{part}")
    if len(content) != width * HASH_BYTES:
        raise Unreachable(f"the tile above the entries from {position * TILE_WIDTH} on does not have {width} hashes")
    return content[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def _check_event(server: Server, keys: Sequence[Key], report: Report, event_id: str) -> None:
    try:
        answer = json.loads(server.get(f"/v1/audit-logs/{urllib.parse.quote(event_id)}/proof", "application/json"))
        text, event = str(answer["proof"]), dict(answer["event"])
    except (ValueError, KeyError, TypeError) as error:
        raise Unreachable(f"the proof of {event_id} is malformed: {error!r}") from None
    if event.get("id") != event_id:
        report.add_problem(f"the server returned the proof of another event than {event_id}")
        return
    check_proof(text, keys, report, event=event)


def _number(position: int) -> str:
    groups = f"{position:,}".split(",")
    return "/".join([f"x{group:0>3}" for group in groups[:-1]] + [f"{groups[-1]:0>3}"])


def _detail(content: bytes) -> str:
    try:
        said: Any = json.loads(content)
        return str(said["detail"])
    except (ValueError, KeyError, TypeError):
        return content[:200].decode(errors="replace")
