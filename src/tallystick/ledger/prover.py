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
from tallystick.ledger.nodes import Nodes
from tallystick.ledger.notes import hash_lines
from tallystick.ledger.signer import Checkpoint, Signer
from tallystick.merkle.commitment import ENTRY_BYTES, entry_of, part_commitments
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
            return consistency_proof(first, second, Nodes(connection, scope.org_id))

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
    commitments = part_commitments(event.seed, (event.what, event.target, event.who, event.details))
    return {
        "id": ids.encode("evt", event.id),
        "received_at": event.received_at,
        "commitments": dict(
            zip(commitments._fields, (b64encode(one).decode() for one in commitments), strict=True),
        ),
    }


def evidence(event: StoredEvent) -> dict[str, object]:
    """The event as a verifier needs it: the four parts as the exact texts that were committed to, and the seed."""
    return {
        "index": event.index,
        "id": ids.encode("evt", event.id),
        "received_at": event.received_at,
        "seed": b64encode(event.seed).decode(),
        "what": event.what.decode(),
        "target": event.target.decode(),
        "who": event.who.decode(),
        "details": event.details.decode(),
    }


def entry_of_event(event: StoredEvent) -> bytes:
    """The entry that the event, as it is stored now, commits to (32 bytes)."""
    parts = (event.what, event.target, event.who, event.details)
    return entry_of(event.id, event.received_at, part_commitments(event.seed, parts))
