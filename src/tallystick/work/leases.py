"""Leases: a name, its holder, and an expiry time.

One lease has a meaning of its own: while a backup copies both databases, nothing is deleted for good. A backup takes
the control database first, then the event store; an event deleted in between would be missing from the copy without a
record that says so. Code that deletes events therefore asks `deletions_must_wait` in the transaction that decides to
delete, after the record of the deletion entered the log, so that the copy holds that record as well. The lease expires
by itself: a backup that died blocks deletions for ten minutes at most. Lost events that are brought back from the
journal's tail delay deletions in the same way, so that none comes back after its deletion; and so does the moment in
which a rebuilt table of events takes the place of the old one, which besides waits for deletions that have begun.

A lease is no fence by itself: a process may stand still at any line, and go on after another took over. The fence is
the row of the lease, in the transaction that matters (`require`): each term has a holder of its own, which no other
process and no later term has, and whoever goes ahead over an expired lease takes its row away. So `require` tells
exactly whether anything happened in between, whatever the clocks of both machines show. What cannot be in a transaction
of the control database, a write to the event store, requires the lease before it and again after it, and repairs what
came too late. Which work is fenced by what is listed in docs/operate/state.md.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

import structlog
from sqlalchemy import Column, Connection, String, Table, delete, insert, or_, select, update
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.database.tables import metadata, time_column
from tallystick.errors import Outage

logger = structlog.get_logger(__name__)

BACKUP_LEASE = "backup"
BACKUP_SECONDS = 600
RESTORE_LEASE = "restore_from_tail"
DELETING = "deleting_"  # the beginning of the names of leases for a deletion that has begun
DELETING_SECONDS = 600

leases = Table(
    "leases",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("holder", String(100), nullable=False),
    time_column("until"),
)


class LeaseLost(Outage):
    """Another process has taken the lease over: nothing that was begun under it may be finished."""


def hold(connection: Connection, name: str, holder: str, *, now: int, seconds: int) -> bool:
    """Take or renew the lease; False if another holder has it. `now` is in microseconds."""
    until = now + seconds * 1_000_000
    taken = connection.execute(
        update(leases)
        .where(leases.c.name == name, or_(leases.c.holder == holder, leases.c.until < now))
        .values(holder=holder, until=until)
    )
    if taken.rowcount:
        return True
    if connection.execute(select(leases.c.name).where(leases.c.name == name)).first() is not None:
        return False
    try:
        with connection.begin_nested():
            connection.execute(insert(leases).values(name=name, holder=holder, until=until))
    except IntegrityError:
        return False
    return True


def renew(connection: Connection, name: str, holder: str, *, now: int, seconds: int) -> bool:
    """Renew the lease, even if it has expired; False if it was taken, or ended by a deletion. `now` in microseconds."""
    mine = (leases.c.name == name) & (leases.c.holder == holder)
    return bool(connection.execute(update(leases).where(mine).values(until=now + seconds * 1_000_000)).rowcount)


def require(connection: Connection, name: str, holder: str) -> None:
    """Raise LeaseLost unless the lease is still the holder's; else nobody takes it before this transaction has ended.

    Call it within `Database.write`.
    """
    mine = select(leases.c.name).where(leases.c.name == name, leases.c.holder == holder)
    if connection.execute(mine.with_for_update()).first() is None:
        raise LeaseLost(f"another process has taken the lease {name} over")


def new_holder() -> str:
    """The name of a holder that nobody had before, with the id of this process."""
    return f"{os.getpid()}-{uuid4().hex[:12]}"


class Lease:
    """One process's hold on a name. Renewed when a third of its time is over, so that idle workers write nothing."""

    def __init__(self, database: Database, name: str, *, seconds: int) -> None:
        self._database = database
        self._name = name
        self._seconds = seconds
        self.term = new_holder()  # another one after the lease was lost, also if it was had again at once
        self._renewed_at: int | None = None

    def hold(self, now: int) -> bool:
        """Take or keep the lease; False if another holder has it. `now` is in microseconds."""
        if self._renewed_at is not None and 0 <= now - self._renewed_at < self._seconds * 1_000_000 // 3:
            return True
        self._renewed_at = None
        with self._database.write() as connection:
            if not renew(connection, self._name, self.term, now=now, seconds=self._seconds):
                self.term = new_holder()
                if not hold(connection, self._name, self.term, now=now, seconds=self._seconds):
                    return False
        self._renewed_at = now
        return True

    @property
    def is_held(self) -> bool:
        """Whether the lease was had when it was last asked for, and has not run out since."""
        return self._renewed_at is not None and 0 <= now_us() - self._renewed_at < self._seconds * 1_000_000

    def require(self, connection: Connection) -> None:
        """Raise LeaseLost if another process took the lease; else nobody takes it before this transaction has ended.

        A process may have stood still since it asked `hold`, for longer than the lease.
        """
        try:
            require(connection, self._name, self.term)
        except LeaseLost:
            self._renewed_at = None
            raise

    def end(self) -> None:
        """Release the lease early."""
        self._renewed_at = None
        end(self._database, self._name, self.term)


def give_up(connection: Connection, name: str, holder: str) -> None:
    """Release the lease early, in the caller's transaction."""
    connection.execute(delete(leases).where(leases.c.name == name, leases.c.holder == holder))


def end(database: Database, name: str, holder: str) -> None:
    """Release the lease when work stops; if that fails, the lease expires by itself."""
    try:
        with database.write() as connection:
            give_up(connection, name, holder)
    except SQLAlchemyError as error:
        logger.warning("lease_kept", lease=name, error=str(error))


def forget_all(connection: Connection) -> None:
    """Delete all leases, at the start of the only process there can be: every earlier holder is dead."""
    connection.execute(delete(leases))


def begin_backup(connection: Connection, holder: str, *, now: int) -> bool:
    """Take the backup lease; False while another backup holds it. `now` is in microseconds."""
    return hold(connection, BACKUP_LEASE, holder, now=now, seconds=BACKUP_SECONDS)


def renew_backup(connection: Connection, holder: str, *, now: int) -> bool:
    """Renew the backup lease; False if events may have been deleted since it expired."""
    return renew(connection, BACKUP_LEASE, holder, now=now, seconds=BACKUP_SECONDS)


def deletions_must_wait(connection: Connection, *, now: int | None = None) -> bool:
    """Whether a backup is running or lost events are brought back. `now` in microseconds, by default the time.

    Call it within `Database.write`: a lease that has expired is ended, so that its holder, should it go on, learns that
    something may have been deleted since.
    """
    now = now_us() if now is None else now
    waited_for = leases.c.name.in_((BACKUP_LEASE, RESTORE_LEASE))
    connection.execute(delete(leases).where(waited_for, leases.c.until < now))
    return connection.execute(select(leases.c.name).where(waited_for)).first() is not None


@contextmanager
def deleting(database: Database, must_wait: Callable[[Connection], bool] | None = None) -> Iterator[bool]:
    """Hold a lease that says that a deletion has begun; yields False if it must wait.

    `must_wait` says that; by default, `deletions_must_wait` does.

    It is held before the others are asked for, so that of a deletion and an exchange of tables at least one waits.
    """
    holder = uuid4().hex
    name = f"{DELETING}{holder}"
    with database.write() as connection:
        hold(connection, name, holder, now=now_us(), seconds=DELETING_SECONDS)
    try:
        with database.write() as connection:
            waits = (must_wait or deletions_must_wait)(connection)
        yield not waits
    finally:
        end(database, name, holder)


def deletions_have_begun(connection: Connection) -> bool:
    """Whether a process deletes or erases events now."""
    begun = select(leases.c.name).where(leases.c.name.startswith(DELETING, autoescape=True), leases.c.until >= now_us())
    return connection.execute(begun).first() is not None
