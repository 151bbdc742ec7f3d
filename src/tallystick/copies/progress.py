"""What the control database knows of continuous copies: where they are, how far they are, and why the last failed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, delete, insert, select, update

from tallystick.backup.manifest import LogEntry
from tallystick.copies.batch_copies import CopiedLog
from tallystick.copies.tables import copied_logs, copies

ONLY_ROW = 1


@dataclass(frozen=True, slots=True)
class CopyState:
    """The present generation, the latest time in a name, and until when everything is copied (µs since 1970)."""

    place: str
    generation: str
    revision: str
    full_at: int | None
    named_at: int
    copied_at: int
    snapshot_at: int | None
    problem: str


def read_state(connection: Connection) -> CopyState | None:
    """The state; None where copies were never made."""
    row = connection.execute(select(copies)).first()
    return None if row is None else CopyState(*row[1:])


def begin_copies(connection: Connection, place: str, *, now: int) -> CopyState:
    """Note that copies are made in this place from now on; there is none yet."""
    connection.execute(delete(copies))
    values = {"place": place, "generation": "", "revision": "", "named_at": 0, "copied_at": now, "problem": ""}
    connection.execute(insert(copies).values(copies_id=ONLY_ROW, **values))
    return CopyState(place, "", "", None, 0, now, None, "")


def begin_generation(
    connection: Connection, generation: str, revision: str, full_at: int, kept: Iterable[LogEntry]
) -> None:
    """Note that a full copy is complete: each log is copied as far as the control database in it goes."""
    connection.execute(delete(copied_logs))
    rows = [{"org_id": log.org_id, "copied_end": log.size} for log in kept]
    if rows:
        connection.execute(insert(copied_logs), rows)
    values = {"generation": generation, "revision": revision, "snapshot_at": full_at, "problem": ""}
    connection.execute(update(copies).values(**values, full_at=full_at, named_at=full_at))


def note_batches(connection: Connection, copied: Sequence[CopiedLog], named_at: int, copied_at: int | None) -> None:
    """Note how far these logs are copied, and until when all are (µs since 1970), if they are."""
    connection.execute(update(copies).values(named_at=named_at))
    for log in copied:
        mine = copied_logs.c.org_id == log.org_id
        if not connection.execute(update(copied_logs).where(mine).values(copied_end=log.end)).rowcount:
            connection.execute(insert(copied_logs).values(org_id=log.org_id, copied_end=log.end))
    if copied_at is not None:
        connection.execute(update(copies).values(copied_at=copied_at, problem=""))


def note_snapshot(connection: Connection, taken_at: int, named_at: int) -> None:
    """Note the moment of the last snapshot (µs since 1970), and the time in its name."""
    connection.execute(update(copies).values(snapshot_at=taken_at, named_at=named_at))


def note_problem(connection: Connection, problem: str) -> None:
    """Note why the last round failed."""
    connection.execute(update(copies).values(problem=problem[:300]))


def stop_copies(connection: Connection) -> None:
    """Forget the state: copies are off, and begin anew if they are made again."""
    connection.execute(delete(copies))
    connection.execute(delete(copied_logs))
