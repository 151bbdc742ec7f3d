"""The signer: a thread that signs a checkpoint of each log that grew, and signs on demand."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import structlog
from sqlalchemy import Connection, bindparam, insert, select, update
from sqlalchemy.exc import IntegrityError

from tallystick import clock, telemetry
from tallystick.database.engine import Database
from tallystick.errors import TallystickError, Unavailable
from tallystick.ledger import log as ledger_log
from tallystick.ledger.high_water import Mark, Marks
from tallystick.ledger.keys import Keyring, SigningKey
from tallystick.ledger.log import LedgerDamaged, Log
from tallystick.ledger.nodes import EntriesGone, Nodes
from tallystick.ledger.notes import checkpoint_body, signed
from tallystick.ledger.tables import checkpoints, logs, signing_keys
from tallystick.work.background import Background
from tallystick.work.leases import Lease

LEASE = "signer"
LEASE_SECONDS = 30
PACE_SECONDS = 1.0
TOGETHER = 50  # logs signed in one transaction: short, since recording waits for it on SQLite
_LAST = (
    select(checkpoints.c.size, checkpoints.c.root, checkpoints.c.note, checkpoints.c.made_at)
    .where(checkpoints.c.org_id == bindparam("org"), checkpoints.c.note.is_not(None))
    .order_by(checkpoints.c.size.desc())
    .limit(1)
)
_KEYED = select(signing_keys.c.org_id).where(
    signing_keys.c.org_id.in_(bindparam("orgs", expanding=True)), signing_keys.c.signs_until.is_(None)
)
logger = structlog.get_logger(__name__)


class Checkpoint(NamedTuple):
    """A size, its root (32 bytes), and the signed note that says both; `made_at` in microseconds."""

    size: int
    root: bytes
    note: str
    made_at: int


class Signer(Background):
    """Signs what is committed, nothing else. Every method blocks; `checkpoint` is called from worker threads.

    Before anything is signed the log must agree with its own row, with the last checkpoint, and with the
    high-water mark; one that does not is frozen.
    """

    def __init__(self, database: Database, keyring: Keyring, data_dir: Path) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("signing", idle_seconds=PACE_SECONDS, breath_seconds=PACE_SECONDS, lease=lease)
        self._database = database
        self._keyring = keyring
        self._marks = Marks(data_dir)
        self._signed: dict[UUID, int] = {}
        self._one_at_a_time = threading.Lock()

    def open(self) -> None:
        """Read the marks, and freeze every log that is behind its own: before anything is recorded or signed."""
        self._marks.open()
        with self._database.read() as connection:
            found = connection.execute(select(logs.c.org_id).where(logs.c.frozen_reason.is_(None))).scalars().all()
        for org_id in found:
            try:
                with self._database.read() as connection:
                    problem = self._behind_mark(ledger_log.read(connection, org_id), Nodes(connection, org_id))
            except LedgerDamaged as damage:
                problem = damage.detail
            if problem is not None:
                self._freeze(org_id, problem)

    def checkpoint(self, org_id: UUID, *, covering: int = 0) -> Checkpoint:
        """The last checkpoint, of at least `covering` entries (no more than there are).

        A new one is signed when the last does not cover them, or when it is older than a second and the
        log has grown. Of a frozen log the last one is given; Unavailable (`log_frozen`) where that is not enough.
        """
        with self._database.read() as connection:
            log = ledger_log.read(connection, org_id)
            last = last_checkpoint(connection, org_id)
        if last is not None and last.size >= covering:
            young = clock.now_us() - last.made_at < PACE_SECONDS * clock.SECOND_US
            if young or last.size >= log.size or log.frozen_reason is not None:
                return last
        self.sign([org_id])
        with self._database.read() as connection:
            last = last_checkpoint(connection, org_id)
        if last is None or last.size < covering:
            ledger_log.refuse_frozen(log)
            raise Unavailable("No checkpoint covers this yet; ask again.", code="no_checkpoint")
        return last

    def keys(self, org_id: UUID) -> Sequence[SigningKey]:
        """The keys that sign now, the current one first; the first is made here if there is none."""
        now = clock.now_us()
        with self._database.read() as connection:
            found = self._keyring.signing(connection, org_id, now=now)
        if found:
            return found
        with self._database.write() as connection:
            self._keyring.prepare(connection, org_id, now=now)
            return self._keyring.signing(connection, org_id, now=now)

    def close(self) -> None:
        """Sign what grew until now: so that an older copy is noticed to the last event."""
        self.try_step()
        super().close()

    def step(self) -> bool:
        """Sign every log that grew since its last checkpoint; False when none did."""
        if not self.may_work(clock.now_us()):
            return False
        with self._database.read() as connection:
            sizes = connection.execute(select(logs.c.org_id, logs.c.size).where(logs.c.frozen_reason.is_(None))).all()
        grown = [row.org_id for row in sizes if row.size > self._signed.get(row.org_id, 0)]
        for start in range(0, len(grown), TOGETHER):
            self.sign(grown[start : start + TOGETHER])
        return bool(grown)

    def sign(self, org_ids: Sequence[UUID]) -> None:
        """Sign each of these logs as it is committed now. What cannot be signed alone is said and left out."""
        with self._one_at_a_time:
            ready = self._prepared(org_ids)
            if not ready:
                return
            # First the marks: should the power fail now, they speak of what is committed all the same.
            self._marks.put([Mark(log.origin_id, log.size, log.root) for log, _ in ready])
            conflicting = self._keep(ready)
        for log in conflicting:
            self._freeze(log.org_id, f"A checkpoint of {log.size} entries with another root was made before.")
        self._signed.update({log.org_id: log.size for log, _ in ready})
        telemetry.checkpoints_signed_total.inc(len(ready) - len(conflicting))

    def _prepared(self, org_ids: Sequence[UUID]) -> list[tuple[Log, str]]:
        """Those of the logs that can be signed, as they are committed, and the notes that say so."""
        failed: dict[UUID, TallystickError] = {}
        self._make_keys(org_ids, failed)
        ready: list[tuple[Log, str]] = []
        with self._database.read() as connection:
            for org_id in org_ids:
                try:
                    if org_id not in failed:
                        ready.append(self._note(connection, org_id))
                except TallystickError as error:
                    failed[org_id] = error
        for org_id, problem in failed.items():
            if isinstance(problem, LedgerDamaged):
                self._freeze(org_id, problem.detail)
            else:
                logger.warning("not_signed", org_id=str(org_id), code=problem.code)
            if len(org_ids) == 1:
                raise problem
        return ready

    def _make_keys(self, org_ids: Sequence[UUID], failed: dict[UUID, TallystickError]) -> None:
        """The first key of those that have none."""
        with self._database.read() as connection:
            keyed = set(connection.execute(_KEYED, {"orgs": list(org_ids)}).scalars())
        for org_id in org_ids:
            try:
                if org_id not in keyed:
                    self.keys(org_id)
            except TallystickError as error:
                failed[org_id] = error

    def _note(self, connection: Connection, org_id: UUID) -> tuple[Log, str]:
        """The log, checked, and its checkpoint; LedgerDamaged."""
        keys = self._keyring.signing(connection, org_id, now=clock.now_us())
        log = ledger_log.read(connection, org_id)
        ledger_log.refuse_frozen(log)
        nodes = Nodes(connection, org_id)
        problem = _own_contradiction(connection, log, nodes) or self._behind_mark(log, nodes)
        if problem is not None:
            raise LedgerDamaged(problem)
        origin = keys[0].name
        return log, signed(checkpoint_body(origin, log.size, log.root), origin, [key.private for key in keys])

    def _keep(self, ready: Sequence[tuple[Log, str]]) -> list[Log]:
        """Write the notes down; those logs of which that size has another root."""
        now = clock.now_us()
        rows = [
            {"org_id": log.org_id, "size": log.size, "root": log.root, "made_at": now, "note": note}
            for log, note in ready
        ]
        with self._database.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(checkpoints), rows)
            except IntegrityError:  # of some there is one of that size
                return [log for (log, _), row in zip(ready, rows, strict=True) if not _kept_alone(connection, row)]
        return []

    def _behind_mark(self, log: Log, nodes: Nodes) -> str | None:
        mark = self._marks.of(log.origin_id)
        if mark is None:
            return None
        if mark.size > log.size:
            return (
                f"The log has {log.size} entries, yet {mark.size} were signed here before: the control database is "
                "older than that, perhaps a copy that was restored. Restore the newest copy and start again; until "
                "then nothing is recorded or signed."
            )
        try:
            signed_before = nodes.root(mark.size)
        except EntriesGone:  # the mark of a node that has not signed for years
            return None
        if signed_before != mark.root:
            return (
                f"The log's first {mark.size} entries have another root than was signed here before: the control "
                "database is another or was changed. Restore the newest copy and start again."
            )
        return None

    def _freeze(self, org_id: UUID, reason: str) -> None:
        logger.error("log_frozen", org_id=str(org_id), reason=reason)
        with self._database.write() as connection:
            ledger_log.freeze(connection, org_id, reason)
        telemetry.log_frozen.inc()


def last_checkpoint(connection: Connection, org_id: UUID) -> Checkpoint | None:
    """The signed checkpoint of the largest size."""
    row = connection.execute(_LAST, {"org": org_id}).one_or_none()
    return None if row is None else Checkpoint(*row)


def _kept_alone(connection: Connection, row: dict[str, Any]) -> bool:
    """Write one note down, or over the one of that size; False where that has another root."""
    place = (checkpoints.c.org_id == row["org_id"]) & (checkpoints.c.size == row["size"])
    known = connection.execute(select(checkpoints.c.root).where(place)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(checkpoints).values(row))
    elif known == row["root"]:
        connection.execute(update(checkpoints).where(place).values(note=row["note"], made_at=row["made_at"]))
    return known in (None, row["root"])


def _own_contradiction(connection: Connection, log: Log, nodes: Nodes) -> str | None:
    """What keeps the log from being signed: its row, its tiles and its last checkpoint must say the same."""
    if nodes.root(log.size) != log.root:
        return f"The tiles give another root at size {log.size} than the log's row has."
    last = last_checkpoint(connection, log.org_id)
    if last is None:
        return None
    if last.size > log.size:
        return f"The log has {log.size} entries, yet a checkpoint was signed at {last.size}."
    if nodes.root(last.size) != last.root:
        return f"The tiles give another root at size {last.size} than the checkpoint signed there."
    return None
