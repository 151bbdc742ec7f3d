"""Bounds on how long PostgreSQL is waited for: by the server that answers, and here for one that does not.

A server that hangs, and a network that swallows packets, never say so: each wait for an answer ends here by itself, and
the connection with it.
"""

from collections.abc import Generator
from typing import Any, NamedTuple, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection

R = TypeVar("R")
CONNECT_SECONDS = 5
GRACE_SECONDS = 5.0  # for the server to say itself that a statement took too long
# The network: a peer that does not acknowledge what was sent, or that is silent on an idle connection, is gone.
NETWORK = {
    "connect_timeout": CONNECT_SECONDS, "tcp_user_timeout": 20_000, "keepalives": 1, "keepalives_idle": 20,
    "keepalives_interval": 5, "keepalives_count": 3,
}  # fmt: skip


class Patience(NamedTuple):
    """Seconds after which PostgreSQL is given up; 0: never.

    `answer`: a statement. `lock`: a statement that waits for a row which another transaction has locked
    (`is_lock_timeout`). `idle`: a transaction between two statements.
    """

    answer: float = 0
    lock: float = 0
    idle: float = 0

    def settings(self) -> dict[str, int]:
        """The settings of the session, in milliseconds."""
        names = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
        return {name: round(seconds * 1000) for name, seconds in zip(names, self, strict=True)}


ENDLESS = Patience()
COMMAND = Patience(answer=600, lock=60)  # of a command that a person waits for


class DeadlineConnection(psycopg.Connection[Any]):
    """A connection on which each wait for an answer ends after `answer_seconds`; None: never."""

    answer_seconds: float | None = None

    def wait(self, gen: Generator[Any, Any, R], interval: float = 0.1, timeout: float | None = None) -> R:
        try:
            return super().wait(gen, interval, timeout or self.answer_seconds)
        except psycopg.OperationalError:
            if self.pgconn.transaction_status == TransactionStatus.ACTIVE:
                self.close()  # the answer may still come, and must not be taken for that of the next statement
            raise


def limit(engine: Engine, patience: Patience) -> None:
    """Let every connection of the engine have these bounds. What the URL says itself stays."""

    def connect(_dialect: Any, _record: Any, arguments: list[Any], options: dict[str, Any]) -> DeadlineConnection:
        made = DeadlineConnection.connect(*arguments, **(NETWORK | options))
        made.answer_seconds = patience.answer + GRACE_SECONDS if patience.answer else None
        return made

    def set_up(connection: DeadlineConnection, _record: Any) -> None:
        connection.autocommit = True
        for name, milliseconds in patience.settings().items():
            if milliseconds:
                connection.execute(f"SET {name} = {milliseconds}".encode())
        connection.autocommit = False

    event.listen(engine, "do_connect", connect)
    event.listen(engine, "connect", set_up)


def be_patient(connection: Connection) -> None:
    """Wait for ever in this transaction, and close its connection at the end."""
    for name in ENDLESS.settings():
        connection.exec_driver_sql(f"SET LOCAL {name} = 0")
    driver = connection.connection.driver_connection
    if isinstance(driver, DeadlineConnection):
        driver.answer_seconds = None
    connection.detach()


def is_outage(error: Exception) -> bool:
    """Whether the control database, SQLite or PostgreSQL, failed in a way that may pass by itself."""
    return isinstance(error, OperationalError | NoConnection) or bool(getattr(error, "connection_invalidated", False))


def is_cut_off(error: Exception) -> bool:
    """Whether a statement failed because the connection was lost, or none could be made."""
    cause = getattr(error, "orig", None)
    is_unanswered = isinstance(cause, psycopg.OperationalError) and cause.sqlstate is None
    return is_unanswered or bool(getattr(error, "connection_invalidated", False))
