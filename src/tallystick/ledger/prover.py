"""Checkpoints, tiles, inclusion proofs and consistency proofs of one organization's log."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tallystick import ids
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, NotFound
from tallystick.events.record import StoredEvent
from tallystick.ledger import log as ledger_log
from tallystick.ledger.nodes import EntriesExpired, Nodes
from tallystick.ledger.notes import hash_lines
from tallystick.ledger.signer import Checkpoint, Signer, last_checkpoint
from tallystick.merkle import remains
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS, PartValues, entry_of
from tallystick.merkle.tiles import Tile, width_of
from tallystick.merkle.tree import HASH_BYTES, consistency_proof, inclusion_proof
from tallystick.query.scope import Scope

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_ENTRY_LENGTH = ENTRY_BYTES.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Proof:
    """An inclusion proof: the hashes (32 bytes each) from the leaf at `index` to the root of the checkpoint."""

    index: int
    hashes: Sequence[bytes]
    checkpoint: Checkpoint


class Prover:
    """Reads one organization's log within a scope.

    Every method blocks and may raise Unavailable (`log_frozen`, `log_damaged`).
    """

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer

    def vkeys(self, scope: Scope) -> list[str]:
        """The verifier keys (C2SP signed-note) of the keys that sign now, the current one first."""
        return [key.vkey for key in self._signer.keys(scope.org_id)]

    def keys(self, scope: Scope) -> list[tuple[str, int | None]]:
        """Each verifier key with the time (µs since 1970) until which it signs, None for the current key."""
        return [(key.vkey, key.signs_until) for key in self._signer.keys(scope.org_id)]

    def latest_inclusion(self, scope: Scope, index: int) -> Proof | None:
        """The inclusion proof under the last signed checkpoint, None if that does not cover it. Signs nothing."""
        with self._database.read() as connection:
            last = last_checkpoint(connection, scope.org_id)
            if last is None or last.size <= index:
                return None
            return Proof(index, inclusion_proof(index, last.size, Nodes(connection, scope.org_id)), last)

    def checkpoint(self, scope: Scope, *, covering: int = 0) -> Checkpoint:
        """The last signed checkpoint of at least `covering` entries; signs one if there is none."""
        return self._signer.checkpoint(scope.org_id, covering=covering)

    def size(self, scope: Scope) -> int:
        """The number of committed entries."""
        with self._database.read() as connection:
            return ledger_log.read(connection, scope.org_id).size

    def tile(self, scope: Scope, tile: Tile) -> bytes:
        """The bytes of a tile or entry bundle (C2SP tlog-tiles), of any width up to the current one.

        NotFound (`no_tile`) when the log is too short for it, or its entries were deleted by age.
        """
        level = 0 if tile.level == "entries" else tile.level
        with self._database.read() as connection:
            size = ledger_log.read(connection, scope.org_id).size
            if tile.width > width_of(level, tile.position, size):
                raise NotFound(f"A log of {size} entries has no such tile, or none of this width.", code="no_tile")
            nodes = Nodes(connection, scope.org_id)
            stored = nodes.entries(tile.position) if tile.level == "entries" else nodes.tile(level, tile.position)
        hashes = stored[: tile.width * HASH_BYTES]
        if len(hashes) < tile.width * HASH_BYTES:
            raise NotFound("The entries of this tile were deleted after their retention.", code="no_tile")
        if tile.level != "entries":
            return hashes
        return b"".join(_ENTRY_LENGTH + hashes[at : at + ENTRY_BYTES] for at in range(0, len(hashes), ENTRY_BYTES))

    def consistency(self, scope: Scope, first: int, second: int) -> list[bytes]:
        """The proof (RFC 9162 §2.1.4) that the log of `second` entries begins with the log of `first` entries.

        BadRequest unless first ≤ second ≤ size; NotFound (`no_tile`) when the entries in between were deleted by age.
        """
        with self._database.read() as connection:
            size = ledger_log.read(connection, scope.org_id).size
            if not first <= second <= size:
                raise BadRequest(
                    f"first must not exceed second, and second must not exceed the {size} entries of the log.",
                    code="bad_parameter",
                    parameter="first" if first > second else "second",
                )
            try:
                return consistency_proof(first, second, Nodes(connection, scope.org_id))
            except EntriesExpired as gone:
                raise NotFound(
                    f"{gone.detail} No proof between these sizes can be made any more; ask for other sizes.",
                    code="no_tile",
                ) from None

    def inclusion(self, scope: Scope, index: int) -> Proof:
        """The inclusion proof of the entry at `index`; signs a checkpoint if none covers it yet."""
        checkpoint = self._signer.checkpoint(scope.org_id, covering=index + 1)
        with self._database.read() as connection:
            hashes = inclusion_proof(index, checkpoint.size, Nodes(connection, scope.org_id))
        return Proof(index, hashes, checkpoint)


def proof_text(proof: Proof, event: StoredEvent) -> str:
    """The proof as C2SP tlog-proof; its `extra` holds the `opening` of the entry."""
    extra = b64encode(msgspec.json.encode(opening(event))).decode()
    return f"{PROOF_HEADER}\nextra {extra}\nindex {proof.index}\n{hash_lines(proof.hashes)}\n{proof.checkpoint.note}"


def opening(event: StoredEvent) -> dict[str, object]:
    """The values that the entry hashes: event id, time of receipt (µs since 1970), the four commitments in base64.

    Reveals nothing of the event's content.
    """
    commitments = _commitments(event)
    return {
        "id": ids.encode("evt", event.id),
        "received_at": event.received_at,
        "commitments": dict(
            zip(commitments._fields, (b64encode(one).decode() for one in commitments), strict=True),
        ),
    }


def evidence(event: StoredEvent) -> dict[str, object]:
    """The event as a line of events.ndjson: the four parts as the exact texts that were committed to, and the seed.

    An event that lost parts has, instead of the seed, the salts of its remaining parts and the commitments of the
    others.
    """
    head = {"index": event.index, "id": ids.encode("evt", event.id), "received_at": event.received_at}
    texts: dict[str, object] = dict(zip(PARTS, (part.decode() for part in _parts(event)), strict=True))
    if not event.remains:
        return {**head, "seed": b64encode(event.seed).decode(), **texts}
    gone = remains.lost_parts(event.remains)
    known = {part: b64encode(slot).decode() for part, slot in zip(PARTS, remains.slots(event.remains), strict=True)}
    return {
        **head,
        "salts": {part: known[part] for part in PARTS if part not in gone},
        "commitments": {part: known[part] for part in gone},
        **texts,
        **dict.fromkeys(gone),
    }


def entry_of_event(event: StoredEvent) -> bytes:
    """The log entry (32 bytes), computed from the event as it is stored now."""
    return entry_of(event.id, event.received_at, _commitments(event))


def _commitments(event: StoredEvent) -> PartValues:
    return remains.commitments(event.remains, event.seed, _parts(event))


def _parts(event: StoredEvent) -> PartValues:
    return PartValues(event.what, event.target, event.who, event.details)
