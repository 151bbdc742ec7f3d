"""What the control database knows of continuous copies: where they are, how far they are, and why the last failed."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import Connection, delete, insert, select, update

from tallystick.copies.batch_copies import CopiedLog
from tallystick.copies.tables import copied_logs, copies
from tallystick.ledger.tables import logs

ONLY_ROW = 1


@dataclass(frozen=True, slots=True)
class CopyState:
    """The present generation, the number of the last file, and until when everything is copied (µs since 1970).

    The columns of the table say what each is.
    """

    place: str
    generation: str
    revision: str
    full_at: int | None
    copied_at: int
    snapshot_at: int | None
    problem: str
    number: int = 0
    writer: str = ""
    token: str = ""
    token_before: str = ""
    oldest_at: int | None = None


def read_state(connection: Connection) -> CopyState | None:
    """The state; None where copies were never made."""
    row = connection.execute(select(copies)).first()
    return None if row is None else CopyState(*row[1:])


def begin_copies(connection: Connection, place: str, *, now: int) -> CopyState:
    """Note that copies are made in this place from now on; there is none yet."""
    connection.execute(delete(copies))
    state = CopyState(place, "", "", None, now, None, "")
    connection.execute(insert(copies).values(copies_id=ONLY_ROW, **asdict(state)))
    return state


def note_token(connection: Connection, token: str, *, writer: str) -> None:
    """Note the token that is about to be written into the place; `writer` names this one if it has no name yet."""
    values = {"token": token, "token_before": copies.c.token}
    connection.execute(update(copies).values(values))
    connection.execute(update(copies).where(copies.c.writer == "").values(writer=writer))


def begin_anew(connection: Connection) -> None:
    """Note that the present generation cannot go on, and that what is committed from now on goes into the next one."""
    connection.execute(update(copies).values(revision=""))
    connection.execute(delete(copied_logs))
    connection.execute(insert(copied_logs).from_select(["org_id", "copied_end"], select(logs.c.org_id, logs.c.size)))


def note_generation(connection: Connection, generation: str, revision: str, full_at: int) -> None:
    """Note that a full copy as of `full_at` is complete; what was committed meanwhile is in its generation already."""
    values = {"generation": generation, "revision": revision, "snapshot_at": full_at, "problem": ""}
    connection.execute(update(copies).values(**values, full_at=full_at))


def note_batches(connection: Connection, copied: Sequence[CopiedLog], number: int, copied_at: int | None) -> None:
    """Note how far these logs are copied, and until when all are (µs since 1970), if they are."""
    connection.execute(update(copies).values(number=number))
    for log in copied:
        mine = copied_logs.c.org_id == log.org_id
        if not connection.execute(update(copied_logs).where(mine).values(copied_end=log.end)).rowcount:
            connection.execute(insert(copied_logs).values(org_id=log.org_id, copied_end=log.end))
    if copied_at is not None:
        connection.execute(update(copies).values(copied_at=copied_at, problem=""))


def note_snapshot(connection: Connection, taken_at: int | None, number: int) -> None:
    """Note the moment of the last snapshot (µs since 1970), if it can be restored, and the number of its file."""
    connection.execute(update(copies).values(number=number))
    if taken_at is not None:
        connection.execute(update(copies).values(snapshot_at=taken_at))


def note_oldest(connection: Connection, oldest_at: int | None) -> None:
    """Note the moment of the oldest generation that is left (µs since 1970)."""
    connection.execute(update(copies).values(oldest_at=oldest_at))


def note_problem(connection: Connection, problem: str) -> None:
    """Note why the last round failed."""
    connection.execute(update(copies).values(problem=problem[:300]))


def stop_copies(connection: Connection) -> None:
    """Forget the state: copies are off, and begin anew if they are made again."""
    connection.execute(delete(copies))
    connection.execute(delete(copied_logs))
