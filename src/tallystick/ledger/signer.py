"""The signer: a background thread that signs a checkpoint of each log that grew, and signs on demand."""

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
from tallystick.ledger.edges import LogEdge, read_edges
from tallystick.ledger.high_water import HighWaterMark, HighWaterMarks
from tallystick.ledger.keys import Keyring, SigningKey
from tallystick.ledger.log import LedgerDamaged, Log
from tallystick.ledger.nodes import EntriesExpired, Nodes
from tallystick.ledger.notes import checkpoint_body, signed_note
from tallystick.ledger.tables import checkpoints, logs, signing_keys
from tallystick.work.background import Background
from tallystick.work.leases import Lease
from tallystick.work.stop_signal import is_stopping

LEASE = "signer"
LEASE_SECONDS = 30
PACE_SECONDS = 1.0
BATCH_LOGS = 50  # logs signed in one transaction: short, since recording waits for it on SQLite
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
    """A size, its root (32 bytes), and the signed note (C2SP tlog-checkpoint); `made_at` in µs since 1970."""

    size: int
    root: bytes
    note: str
    made_at: int


class Signer(Background):
    """Signs committed sizes only. Every method blocks; `checkpoint` is called from worker threads.

    Before a log is signed, its tiles must agree with its row, with its last checkpoint, and with its high-water mark;
    a log that does not is frozen.
    """

    def __init__(self, database: Database, keyring: Keyring, data_dir: Path) -> None:
        lease = Lease(database, LEASE, seconds=LEASE_SECONDS)
        super().__init__("signing", idle_seconds=PACE_SECONDS, breath_seconds=PACE_SECONDS, lease=lease)
        self._database = database
        self._keyring = keyring
        self._marks = HighWaterMarks(data_dir)
        self._signed: dict[UUID, int] = {}
        self._signing_lock = threading.Lock()

    def open(self) -> None:
        """Read the high-water marks and freeze every log that contradicts its own; before recording and signing."""
        self._marks.open()
        with self._database.read() as connection:
            found = connection.execute(select(logs.c.org_id).where(logs.c.frozen_reason.is_(None))).scalars().all()
            problems = {edge.log.org_id: self._check_at_start(edge) for edge in read_edges(connection, found)}
        for org_id, problem in problems.items():
            if problem is not None:
                self._freeze(org_id, problem)

    def _check_at_start(self, edge: LogEdge) -> str | None:
        """What contradicts the mark, or None. A log whose end is signed and marked is not signed again."""
        log, mark, last = edge.log, self._marks.of(edge.log.origin_id), edge.checkpoint
        try:
            problem = self._compare_with_mark(log, edge.nodes)
        except LedgerDamaged as damage:
            return damage.detail
        if problem is None and mark is not None and last is not None and last.is_signed:
            self._signed[log.org_id] = log.size if mark.size == last.size == log.size else 0
        return problem

    def checkpoint(self, org_id: UUID, *, covering: int = 0) -> Checkpoint:
        """The last checkpoint of at least `covering` entries, which must not exceed the log's size.

        Signs a new one when the last does not cover them, or when it is older than a second and the log has grown.
        A frozen log is not signed: its last checkpoint is returned, or Unavailable (`log_frozen`) raised if that does
        not cover them.
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
            raise Unavailable("No checkpoint covers this event yet. Try again.", code="no_checkpoint")
        return last

    def keys(self, org_id: UUID) -> Sequence[SigningKey]:
        """The keys that sign now, the current one first; creates the first key if there is none."""
        now = clock.now_us()
        with self._database.read() as connection:
            found = self._keyring.active_keys(connection, org_id, now=now)
        if found:
            return found
        with self._database.write() as connection:
            self._keyring.prepare(connection, org_id, now=now)
            return self._keyring.active_keys(connection, org_id, now=now)

    def close(self) -> None:
        """Sign every log that grew, so that a restore of an older copy is noticed down to the last event."""
        self.try_step()
        super().close()

    def step(self) -> bool:
        """Sign every log that grew since its last checkpoint; False when none did."""
        if not self.may_work(clock.now_us()):
            return False
        with self._database.read() as connection:
            sizes = connection.execute(select(logs.c.org_id, logs.c.size).where(logs.c.frozen_reason.is_(None))).all()
        grown = [row.org_id for row in sizes if row.size > self._signed.get(row.org_id, 0)]
        for start in range(0, len(grown), BATCH_LOGS):
            if is_stopping():
                break
            self.sign(grown[start : start + BATCH_LOGS])
        return bool(grown)

    def sign(self, org_ids: Sequence[UUID]) -> None:
        """Sign these logs at their committed size.

        Of several logs, those that cannot be signed are logged and skipped; for a single one the error is raised.
        """
        with self._signing_lock:
            ready = self._prepare_notes(org_ids)
            if not ready:
                return
            # Marks first: after a power cut here they still name committed sizes. The other way round, a signed
            # checkpoint could be given out that no mark remembers.
            self._marks.append([HighWaterMark(log.origin_id, log.size, log.root) for log, _ in ready])
            conflicting = self._store(ready)
        for log in conflicting:
            self._freeze(log.org_id, f"A checkpoint of {log.size} entries with another root was signed before.")
        self._signed.update({log.org_id: log.size for log, _ in ready})
        telemetry.checkpoints_signed_total.inc(len(ready) - len(conflicting))

    def _prepare_notes(self, org_ids: Sequence[UUID]) -> list[tuple[Log, str]]:
        """The logs that can be signed, each with its signed note; freezes the damaged ones."""
        failed: dict[UUID, TallystickError] = {}
        self._make_keys(org_ids, failed)
        ready: list[tuple[Log, str]] = []
        with self._database.read() as connection:
            for org_id in org_ids:
                try:
                    if org_id not in failed:
                        ready.append(self._sign_log(connection, org_id))
                except TallystickError as error:
                    failed[org_id] = error
        for org_id, problem in failed.items():
            if isinstance(problem, LedgerDamaged):
                self._freeze(org_id, problem.detail)
            else:
                telemetry.signing_failures_total.inc()
                logger.warning("not_signed", org_id=str(org_id), code=problem.code)
            if len(org_ids) == 1:
                raise problem
        return ready

    def _make_keys(self, org_ids: Sequence[UUID], failed: dict[UUID, TallystickError]) -> None:
        """Create the first key of each log that has none; errors go into `failed`."""
        with self._database.read() as connection:
            keyed = set(connection.execute(_KEYED, {"orgs": list(org_ids)}).scalars())
        for org_id in org_ids:
            try:
                if org_id not in keyed:
                    self.keys(org_id)
            except TallystickError as error:
                failed[org_id] = error

    def _sign_log(self, connection: Connection, org_id: UUID) -> tuple[Log, str]:
        """Check a log and sign it; returns it with the note. LedgerDamaged when a check fails."""
        keys = self._keyring.active_keys(connection, org_id, now=clock.now_us())
        log = ledger_log.read(connection, org_id)
        ledger_log.refuse_frozen(log)
        nodes = Nodes(connection, org_id)
        problem = _check_against_itself(connection, log, nodes) or self._compare_with_mark(log, nodes)
        if problem is not None:
            raise LedgerDamaged(problem)
        origin = keys[0].name
        return log, signed_note(checkpoint_body(origin, log.size, log.root), origin, [key.private for key in keys])

    def _store(self, ready: Sequence[tuple[Log, str]]) -> list[Log]:
        """Store the notes; returns the logs that already have a checkpoint of that size with another root."""
        now = clock.now_us()
        rows = [
            {"org_id": log.org_id, "size": log.size, "root": log.root, "made_at": now, "note": note}
            for log, note in ready
        ]
        with self._database.write() as connection:
            try:
                with connection.begin_nested():
                    connection.execute(insert(checkpoints), rows)
            except IntegrityError:  # a log has a checkpoint of that size already: store one by one
                return [log for (log, _), row in zip(ready, rows, strict=True) if not _store_one(connection, row)]
        return []

    def _compare_with_mark(self, log: Log, nodes: Nodes) -> str | None:
        mark = self._marks.of(log.origin_id)
        if mark is None:
            return None
        if mark.size > log.size:
            return (
                f"The log has {log.size} entries, but {mark.size} were signed here before: the control database is "
                "older than that, perhaps restored from a backup. Restore the newest backup and start again; until "
                "then nothing is recorded or signed."
            )
        try:
            # That the tiles give the row's root was checked: at the start by `reconcile`, else for each signature.
            signed_before = log.root if mark.size == log.size else nodes.root(mark.size)
        except EntriesExpired:  # the mark of a node that has not signed for years
            return None
        if signed_before != mark.root:
            return (
                f"The log's first {mark.size} entries have a different root than the one signed here before: the "
                "control database is a different one, or was changed. Restore the newest backup and start again."
            )
        return None

    def _freeze(self, org_id: UUID, reason: str) -> None:
        logger.error("log_frozen", org_id=str(org_id), reason=reason)
        with self._database.write() as connection:
            ledger_log.freeze(connection, org_id, reason)


def last_checkpoint(connection: Connection, org_id: UUID) -> Checkpoint | None:
    """The signed checkpoint of the largest size, or None."""
    row = connection.execute(_LAST, {"org": org_id}).one_or_none()
    return None if row is None else Checkpoint(*row)


def _store_one(connection: Connection, row: dict[str, Any]) -> bool:
    """Insert one checkpoint or update the one of that size; False when that one has another root."""
    place = (checkpoints.c.org_id == row["org_id"]) & (checkpoints.c.size == row["size"])
    known = connection.execute(select(checkpoints.c.root).where(place)).scalar_one_or_none()
    if known is None:
        connection.execute(insert(checkpoints).values(row))
    elif known == row["root"]:
        connection.execute(update(checkpoints).where(place).values(note=row["note"], made_at=row["made_at"]))
    return known in (None, row["root"])


def _check_against_itself(connection: Connection, log: Log, nodes: Nodes) -> str | None:
    """A description of a contradiction between the log's row, tiles and last checkpoint, or None."""
    if nodes.root(log.size) != log.root:
        return f"The tiles give another root at size {log.size} than the log's row has."
    last = last_checkpoint(connection, log.org_id)
    if last is None:
        return None
    if last.size > log.size:
        return f"The log has {log.size} entries, but a checkpoint was signed at {last.size}."
    if nodes.root(last.size) != last.root:
        return f"The tiles give another root at size {last.size} than the checkpoint signed there."
    return None
