"""What the log answers to those who do not believe it: checkpoints, tiles and proofs, of one organization."""

from base64 import b64encode
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from tallystick import ids
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, NotFound
from tallystick.events.record import StoredEvent
from tallystick.ledger import log as ledger_log
from tallystick.ledger.nodes import EntriesGone, Nodes
from tallystick.ledger.notes import hash_lines
from tallystick.ledger.signer import Checkpoint, Signer, last_checkpoint
from tallystick.merkle import remains
from tallystick.merkle.commitment import ENTRY_BYTES, PARTS, Four, entry_of
from tallystick.merkle.tiles import Tile, width_of
from tallystick.merkle.tree import HASH_BYTES, consistency_proof, inclusion_proof
from tallystick.query.scope import Scope

PROOF_HEADER = "c2sp.org/tlog-proof@v1"
_ENTRY_LENGTH = ENTRY_BYTES.to_bytes(2, "big")


@dataclass(frozen=True, slots=True)
class Proof:
    """That an event stands at its index under a checkpoint: the hashes from its leaf to the root."""

    index: int
    hashes: Sequence[bytes]
    checkpoint: Checkpoint


class Prover:
    """Answers within a scope. Every method blocks and may raise Unavailable (`log_frozen`, `log_damaged`)."""

    def __init__(self, database: Database, signer: Signer) -> None:
        self._database = database
        self._signer = signer

    def vkeys(self, scope: Scope) -> list[str]:
        """The keys that sign this log now, the current one first."""
        return [key.vkey for key in self._signer.keys(scope.org_id)]

    def keys(self, scope: Scope) -> list[tuple[str, int | None]]:
        """The same, each with the time (microseconds) until which it signs; None for the current one."""
        return [(key.vkey, key.signs_until) for key in self._signer.keys(scope.org_id)]

    def known_inclusion(self, scope: Scope, index: int) -> Proof | None:
        """By the last checkpoint that there is; None while none covers the entry. Nothing is signed for this."""
        with self._database.read() as connection:
            last = last_checkpoint(connection, scope.org_id)
            if last is None or last.size <= index:
                return None
            return Proof(index, inclusion_proof(index, last.size, Nodes(connection, scope.org_id)), last)

    def checkpoint(self, scope: Scope, *, covering: int = 0) -> Checkpoint:
        """The last signed checkpoint, of at least so many entries."""
        return self._signer.checkpoint(scope.org_id, covering=covering)

    def size(self, scope: Scope) -> int:
        """How many entries the log has now."""
        with self._database.read() as connection:
            return ledger_log.read(connection, scope.org_id).size

    def tile(self, scope: Scope, tile: Tile) -> bytes:
        """The tile's bytes, also of a width that it has outgrown; NotFound (`no_tile`) where the log is shorter."""
        level = 0 if tile.level == "entries" else tile.level
        with self._database.read() as connection:
            size = ledger_log.read(connection, scope.org_id).size
            if tile.width > width_of(level, tile.position, size):
                raise NotFound(f"A log of {size} entries has no such tile, or none as wide.", code="no_tile")
            nodes = Nodes(connection, scope.org_id)
            stored = nodes.entries(tile.position) if tile.level == "entries" else nodes.tile(level, tile.position)
        hashes = stored[: tile.width * HASH_BYTES]
        if len(hashes) < tile.width * HASH_BYTES:
            raise NotFound("This tile is past its retention.", code="no_tile")
        if tile.level != "entries":
            return hashes
        return b"".join(_ENTRY_LENGTH + hashes[at : at + ENTRY_BYTES] for at in range(0, len(hashes), ENTRY_BYTES))

    def consistency(self, scope: Scope, first: int, second: int) -> list[bytes]:
        """The hashes that show the log at size `second` to begin with the log at size `first`."""
        with self._database.read() as connection:
            size = ledger_log.read(connection, scope.org_id).size
            if not first <= second <= size:
                raise BadRequest(
                    f"first must not be larger than second, nor second than the log's {size} entries.",
                    code="bad_parameter",
                    parameter="first" if first > second else "second",
                )
            try:
                return consistency_proof(first, second, Nodes(connection, scope.org_id))
            except EntriesGone as gone:
                raise NotFound(
                    f"{gone.detail} Between these sizes the log cannot be shown any more; take those of others.",
                    code="no_tile",
                ) from None

    def inclusion(self, scope: Scope, index: int) -> Proof:
        """That the entry at `index` is in the log; a checkpoint is signed if none covers it yet."""
        checkpoint = self._signer.checkpoint(scope.org_id, covering=index + 1)
        with self._database.read() as connection:
            hashes = inclusion_proof(index, checkpoint.size, Nodes(connection, scope.org_id))
        return Proof(index, hashes, checkpoint)


def proof_text(proof: Proof, event: StoredEvent) -> str:
    """The proof as C2SP tlog-proof. Its `extra` opens the entry as far as to the commitments, and no further."""
    extra = b64encode(msgspec.json.encode(opening(event))).decode()
    return f"{PROOF_HEADER}\nextra {extra}\nindex {proof.index}\n{hash_lines(proof.hashes)}\n{proof.checkpoint.note}"


def opening(event: StoredEvent) -> dict[str, object]:
    """What the entry is made of, without a word of the event: id, time of receipt, the four commitments."""
    commitments = _commitments(event)
    return {
        "id": ids.encode("evt", event.id),
        "received_at": event.received_at,
        "commitments": dict(
            zip(commitments._fields, (b64encode(one).decode() for one in commitments), strict=True),
        ),
    }


def evidence(event: StoredEvent) -> dict[str, object]:
    """The event as a verifier needs it: the four parts as the exact texts that were committed to, and the seed.

    Of an event that lost parts: the salts of those it has, and the commitments of those it has not.
    """
    head = {"index": event.index, "id": ids.encode("evt", event.id), "received_at": event.received_at}
    texts: dict[str, object] = dict(zip(PARTS, (part.decode() for part in _parts(event)), strict=True))
    if not event.remains:
        return {**head, "seed": b64encode(event.seed).decode(), **texts}
    gone = remains.lost(event.remains)
    known = {part: b64encode(slot).decode() for part, slot in zip(PARTS, remains.slots(event.remains), strict=True)}
    return {
        **head,
        "salts": {part: known[part] for part in PARTS if part not in gone},
        "commitments": {part: known[part] for part in gone},
        **texts,
        **dict.fromkeys(gone),
    }


def entry_of_event(event: StoredEvent) -> bytes:
    """The entry that the event, as it is stored now, commits to (32 bytes)."""
    return entry_of(event.id, event.received_at, _commitments(event))


def _commitments(event: StoredEvent) -> Four:
    return remains.commitments(event.remains, event.seed, _parts(event))


def _parts(event: StoredEvent) -> Four:
    return Four(event.what, event.target, event.who, event.details)
