"""A PostgreSQL that hangs holds nothing for longer than the patience of the work that waits for it."""

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from tallystick.database.engine import Database, is_lock_timeout
from tallystick.database.migrate import upgrade
from tallystick.database.postgresql import GRACE_SECONDS, Patience, is_outage
from tallystick.errors import Unavailable
from tallystick.store.events import EventStore
from tests.fixtures.databases import TEMPLATE
from tests.fixtures.postgresql import PostgreSQL
from tests.fixtures.spine import Spine

PATIENCE = Patience(answer=2, lock=1, idle=2)
BOUND_SECONDS = 120  # on a busy machine; without the bounds, nothing here ends


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not answer is given up as soon as the server would have given up itself."""
    assert GRACE_SECONDS > 0
    monkeypatch.setattr("tallystick.database.postgresql.GRACE_SECONDS", 0.5)


@pytest.fixture
def url(postgresql_template: PostgreSQL) -> Iterator[str]:
    """The URL of a database of its own: a backend that stood still may have locks for a while."""
    name = f"hangs_{uuid4().hex}"
    yield postgresql_template.create(name, template=TEMPLATE)
    postgresql_template.drop(name)


@pytest.fixture
def opened(url: str) -> Iterator[Database]:
    """The database as a server opens it, with less patience."""
    made = Database(url, pool_size=2, patience=PATIENCE)
    yield made
    made.close()


@contextmanager
def hanging(database: Database) -> Iterator[None]:
    """The backend of the pool's connection stands still."""
    with database.read() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def ask(database: Database) -> int:
    with database.read() as connection:
        return int(connection.execute(text("SELECT 1")).scalar_one())


def test_a_statement_that_takes_too_long_fails_and_the_connection_goes_on(opened: Database) -> None:
    with pytest.raises(OperationalError, match="statement timeout"), opened.read() as connection:
        connection.execute(text(f"SELECT pg_sleep({BOUND_SECONDS})"))
    assert ask(opened) == 1


def test_a_backend_that_stands_still_is_given_up_and_another_one_answers(opened: Database) -> None:
    began = time.monotonic()
    with hanging(opened):
        with suppress(OperationalError):  # the first look at the connection of the pool may find it already
            ask(opened)
        assert ask(opened) == 1
    assert time.monotonic() - began < BOUND_SECONDS


def test_a_backend_that_stands_still_in_a_transaction_fails_it(opened: Database) -> None:
    began = time.monotonic()
    with pytest.raises(OperationalError), opened.write() as connection:
        pid = connection.execute(text("SELECT pg_backend_pid()")).scalar_one()
        os.kill(pid, signal.SIGSTOP)
        try:
            connection.execute(text("SELECT 1"))
        finally:
            os.kill(pid, signal.SIGCONT)
    assert time.monotonic() - began < BOUND_SECONDS
    assert ask(opened) == 1


def test_a_row_that_another_transaction_has_locked_is_waited_for_shortly(opened: Database, url: str) -> None:
    other = Database(url, pool_size=1)
    with other.write() as connection:
        connection.execute(text("CREATE TABLE locked_rows (a int)"))
        connection.execute(text("INSERT INTO locked_rows VALUES (1)"))
    with other.write() as holder:
        holder.execute(text("SELECT a FROM locked_rows FOR UPDATE"))
        with pytest.raises(OperationalError) as raised, opened.write() as connection:
            connection.execute(text("UPDATE locked_rows SET a = 2"))
        assert is_lock_timeout(raised.value)
    other.close()


def test_a_server_that_stands_still_in_a_transaction_loses_its_locks(opened: Database, url: str) -> None:
    other = Database(url, pool_size=1)
    with opened.write() as connection:
        connection.execute(text("CREATE TABLE locked_rows (a int)"))
        connection.execute(text("INSERT INTO locked_rows VALUES (1)"))
    with pytest.raises(SQLAlchemyError) as raised, opened.write() as holder:  # it stands still here
        holder.execute(text("SELECT a FROM locked_rows FOR UPDATE"))
        with other.write() as connection:
            connection.execute(text("UPDATE locked_rows SET a = 2"))
        holder.execute(text("SELECT 1"))
    assert is_outage(raised.value)
    other.close()


def test_a_migration_may_take_longer_than_a_request(opened: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade(opened)

    def slow(*_arguments: object) -> None:
        connection = _arguments[0].attributes["connection"]  # type: ignore[attr-defined]
        connection.execute(text("SELECT pg_sleep(4)"))

    monkeypatch.setattr("tallystick.database.migrate.command.upgrade", slow)
    upgrade(opened)
    with pytest.raises(OperationalError, match="statement timeout"), opened.read() as connection:
        connection.execute(text(f"SELECT pg_sleep({BOUND_SECONDS})"))


class Swallowing:
    """A proxy on 127.0.0.1 that can stop passing anything on, in both directions, without closing anything."""

    def __init__(self, port: int) -> None:
        self._target = ("127.0.0.1", port)
        self._passes = threading.Event()
        self._passes.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(self._target)
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    def _pass_on(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(1 << 16):
                self._passes.wait()
                other.sendall(data)
        for end in (one, other):
            end.close()

    @contextmanager
    def silent(self) -> Iterator[None]:
        """Nothing is passed on meanwhile."""
        self._passes.clear()
        try:
            yield
        finally:
            self._passes.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def proxied(url: str, postgresql: PostgreSQL) -> Iterator[tuple[Database, Swallowing]]:
    proxy = Swallowing(postgresql.port)
    through = url.replace(f":{postgresql.port}/", f":{proxy.port}/") + "?connect_timeout=2"
    made = Database(through, pool_size=2, patience=PATIENCE)
    yield made, proxy
    made.close()
    proxy.close()


def test_a_network_that_swallows_packets_is_given_up_and_the_next_request_comes_through(
    proxied: tuple[Database, Swallowing],
) -> None:
    database, proxy = proxied
    assert ask(database) == 1
    began = time.monotonic()
    with proxy.silent(), pytest.raises(OperationalError):
        ask(database)
    assert time.monotonic() - began < BOUND_SECONDS
    assert ask(database) == 1


def test_recording_answers_503_while_the_database_hangs_and_goes_on_after_it(
    proxied: tuple[Database, Swallowing], store: EventStore, tmp_path: Path
) -> None:
    database, proxy = proxied
    spine = Spine(database, store, tmp_path)
    try:
        one, other = spine.organization(), spine.organization("globex")
        with proxy.silent():
            waiting = [spine.begin(scope, {"action": "user.login"}) for scope in (one, other)]
            for answer in waiting:
                with pytest.raises((Unavailable, OperationalError)) as raised:
                    answer.result(BOUND_SECONDS)
                # The API answers 503 `database_down` to an OperationalError, which reading before the commit may raise.
                assert isinstance(raised.value, OperationalError) or raised.value.code == "database_down"
        assert spine.record(one, {"action": "user.login"}).last_index > 0
    finally:
        spine.close()
