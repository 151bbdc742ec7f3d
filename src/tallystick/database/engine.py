"""Database connections and transactions."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast

import anyio
import anyio.to_thread
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError
from sqlalchemy.pool import QueuePool

from tallystick.database import postgresql
from tallystick.database.postgresql import ENDLESS, Patience
from tallystick.database.write_turns import turns_of

P = ParamSpec("P")
T = TypeVar("T")
BUSY_MILLISECONDS = 30_000


class Database:
    """The control database: `write()` for short transactions, `read()` for a consistent view.

    Both block: from the event loop use them through `run`, or in a thread pool of the work that they are part of. Its
    threads and connections are its own: work that must not wait for other work has a Database of its own.
    """

    def __init__(
        self,
        url: str,
        *,
        pool_size: int = 8,
        threads: int = 8,
        patience: Patience = ENDLESS,
        precedence: bool = False,
    ) -> None:
        """Up to twice `pool_size` connections, half of which stay open; `threads` for `run`.

        `patience`: how long PostgreSQL is waited for. On SQLite `precedence` shortens the wait for the turn to write.
        """
        parsed = make_url(url)
        self.is_sqlite = parsed.get_backend_name() == "sqlite"
        if not self.is_sqlite:
            parsed = parsed.set(drivername="postgresql+psycopg")
        elif parsed.database:
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.engine: Engine = create_engine(
            parsed,
            poolclass=QueuePool,
            pool_size=pool_size,
            max_overflow=pool_size,
            pool_pre_ping=not self.is_sqlite,
            # What an error says is logged, and a parameter may be a person's data.
            hide_parameters=True,
            connect_args={"check_same_thread": False} if self.is_sqlite else {},
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
        else:
            postgresql.limit(self.engine, patience)
        self._turns = turns_of(parsed.database) if self.is_sqlite else None
        self._precedence = precedence
        self._threads = anyio.CapacityLimiter(threads)

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction that may write; committed at the end, rolled back on an exception."""
        with self._turn(), self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            try:
                yield connection
            except BaseException:
                connection.rollback()
                raise
            connection.commit()

    def _turn(self) -> AbstractContextManager[None]:
        if self._turns is None:
            return nullcontext()
        return self._turns.turn(precedence=self._precedence, seconds=BUSY_MILLISECONDS / 1000)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """One consistent view; nothing that is written in it is kept."""
        with self.engine.connect() as connection:
            if self.is_sqlite:
                connection.exec_driver_sql("BEGIN")
            else:
                connection = connection.execution_options(isolation_level="REPEATABLE READ")
            try:
                yield connection
            finally:
                connection.rollback()

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `function(*args, **kwargs)`, called in one of this database's threads."""
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), limiter=self._threads)

    def connections(self) -> tuple[int, int]:
        """How many connections are in use, and how many can be."""
        pool = cast("QueuePool", self.engine.pool)
        return pool.checkedout(), 2 * pool.size()

    def close(self) -> None:
        self.engine.dispose()


def is_lock_timeout(error: Exception) -> bool:
    """Whether a statement failed because another transaction had locked a row for too long."""
    return isinstance(error, OperationalError) and getattr(error.orig, "sqlstate", None) == "55P03"


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the unit of work says BEGIN itself
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        f"busy_timeout={BUSY_MILLISECONDS}",
        "foreign_keys=ON",
        # What is deleted is overwritten where that costs no further page; `scrub` does the rest.
        "secure_delete=FAST",
        "cache_size=-16000",
        "wal_autocheckpoint=4000",
    ):
        connection.execute(f"PRAGMA {pragma}").close()
