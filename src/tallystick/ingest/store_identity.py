"""Which event store belongs to the control database, so that no other store is taken for it.

The control database has the id of the event store and, for an embedded one, the id of the node whose disk it is on. The
store has its id too, and the data directory has the node's, in a file beside the store. Both are compared at the start
and before every shipment, since `tallystick store adopt` or another server may have changed them:

- An embedded store of another node: the server ends. Each of two nodes would record into a store of its own.
- Another store on the same node, new or empty: the server records, and changes nothing in that store until the right
  one is back, or the operator accepts this one.
"""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import structlog
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.engine import make_url
from sqlalchemy.exc import IntegrityError

from tallystick import telemetry
from tallystick.database.damage import RESTORE, has_no_tables
from tallystick.database.engine import Database
from tallystick.durable import replace_file
from tallystick.errors import Conflict, SettingsError
from tallystick.ingest.tables import store_identity
from tallystick.store.errors import StoreError
from tallystick.store.events import NOTHING, EventStore
from tallystick.store.transfer import count

NODE_FILE = "node.id"
ONLY_ROW = 1
OTHER_NODE = (
    "The control database belongs to a server with another data directory, which has the events in its embedded event "
    "store."
)
OTHER_NODE_ADVICE = (
    "Start that server instead of this one; several servers need one ClickHouse server (TALLYSTICK_EVENTS_URL). "
    "If its disk is lost, restore the newest backup, or run here: tallystick store adopt"
)
OTHER_STORE = (
    "The event store is new, empty or another one than the control database belongs to. Events are recorded, and none "
    "is written to it."
)
OTHER_STORE_ADVICE = (
    "Bring the right store back (check TALLYSTICK_EVENTS_URL, TALLYSTICK_DATA_DIR and what is "
    "mounted there). If it is lost, fill an empty store from a copy: tallystick store restore-range COPY. To go on "
    "with this store as it is: tallystick store adopt"
)
Expected = Callable[[Connection], Mapping[UUID, int]]
"""For each organization the least number of events that the store must have."""
logger = structlog.get_logger(__name__)


class StoreIdentity:
    """Compares the ids of the event store and the node with those of the control database.

    Until they agree, the store refuses changes (`EventStore.guard`).
    """

    def __init__(self, database: Database, store: EventStore, data_dir: Path, expected: Expected) -> None:
        self._database = database
        self._store = store
        self._data_dir = data_dir
        self._expected = expected
        self._store_ids: list[UUID] = []
        self._lacks_events = False  # the store of an installation without ids
        self.on_other_node: Callable[[SettingsError], object] = lambda _error: None  # the server must end
        store.guard.refusal = "The id of the event store has not been compared yet."

    def forget(self) -> None:
        """Ask the store for its id again: another one may answer by now."""
        self._store_ids, self._lacks_events = [], False

    def check(self) -> UUID | None:
        """The store's id if it is the right one, else None, and the store refuses changes.

        An installation without ids gets them. SettingsError if the store belongs to another node.
        """
        if not self._store_ids:
            self._store_ids = self._store.identities()
        with self._database.read() as connection:
            row = _row(connection)
        try:
            found = self._compare(row)
        except SettingsError as error:
            self._refuse(error.detail)
            self.on_other_node(error)
            raise
        if found is None:
            self._refuse(f"{OTHER_STORE} {OTHER_STORE_ADVICE}")
        else:
            self._store.guard.refusal = ""
            telemetry.store_is_other.set(0)
        return found

    def is_accepted(self) -> bool:
        """Whether the store answers and is the right one; SettingsError if it belongs to another node."""
        try:
            return self.check() is not None
        except StoreError as error:
            logger.warning("store_not_checked", error=str(error)[:500])
            return False

    def _refuse(self, why: str) -> None:
        if self._store.guard.refusal != why:
            logger.error("event_store_not_accepted", reason=why)
        self._store.guard.refusal = why
        telemetry.store_is_other.set(1)

    def _compare(self, row: Row[Any] | None) -> UUID | None:
        if row is None:
            # Counting takes seconds in a large store.
            self._lacks_events = self._lacks_events or not self._has_the_events()
            return None if self._lacks_events else self._adopt(None)
        if not _belongs(row, self._store_ids, self._data_dir if self._store.embedded else None):
            return None
        if row.store_id is None or (self._store.embedded and row.node_id is None):
            return self._adopt(row)
        if self._store.embedded and read_node_id(self._data_dir) is None:  # only the file was lost
            write_node_id(self._data_dir, row.node_id)
        store_id: UUID = row.store_id
        return store_id

    def _has_the_events(self) -> bool:
        """Whether the store has at least as many events of each organization as it must have."""
        holdings = self._store.holdings()
        with self._database.read() as connection:
            expected = self._expected(connection)
        return all(holdings.get(org_id, NOTHING).events >= least for org_id, least in expected.items())

    def _adopt(self, row: Row[Any] | None) -> UUID | None:
        """Note this store, and this node if it is embedded; compare again if another server was quicker."""
        store_id = row.store_id if row is not None and row.store_id else self._store_ids[0]
        node_id = make_node_id(self._data_dir) if self._store.embedded else None
        with self._database.write() as connection:
            if not _write(connection, row, {"store_id": store_id, "node_id": node_id}):
                row = _row(connection)
                return None if row is None else self._compare(row)
        logger.info("event_store_accepted", store_id=str(store_id), node_id=str(node_id))
        return store_id


def does_belong(database: Database, store_ids: Collection[UUID], data_dir: Path | None) -> bool:
    """Whether a store with these ids is the one of the control database; True if that names none.

    `data_dir`: of an embedded store. SettingsError if it belongs to another node. Changes nothing.
    """
    with database.read() as connection:
        row = _row(connection)
    return row is None or _belongs(row, store_ids, data_dir)


def adopt_next(connection: Connection, data_dir: Path, *, embedded: bool) -> None:
    """Let the store that this node opens next be accepted as it is; a server of another node ends then."""
    values = {"store_id": None, "node_id": make_node_id(data_dir) if embedded else None}
    _write(connection, _row(connection), values)


def replace_lost_store(database: Database, store: EventStore, data_dir: Path) -> None:
    """Give an empty event store the id of the one that was lost, so that its events can be restored into it.

    Nothing changes in the right store; Conflict if another one holds events, SettingsError if it is of another node.
    """
    if does_belong(database, store.identities(), data_dir if store.embedded else None):
        return
    if count(store):
        raise Conflict(f"{OTHER_STORE} {OTHER_STORE_ADVICE}")
    with database.read() as connection:
        row = _row(connection)
    if row is not None:
        store.take_identity(row.store_id)


def refuse_lost_database(database_url: str, data_dir: Path) -> None:
    """Raise SettingsError if the SQLite file is damaged, or gone or empty beside a data directory in use."""
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        return
    file = Path(url.database or "")
    if has_no_tables(file) and (data_dir / NODE_FILE).exists():
        raise SettingsError(
            f"The control database {file} is {'empty' if file.exists() else 'gone'}, but {data_dir} belongs to one. "
            f"{RESTORE}. To begin anew, choose an empty TALLYSTICK_DATA_DIR."
        )


def read_node_id(data_dir: Path) -> UUID | None:
    """The id of the node that has this data directory; None if it has none yet."""
    try:
        return UUID((data_dir / NODE_FILE).read_text(encoding="ascii").strip())
    except FileNotFoundError:
        return None
    except ValueError:
        raise SettingsError(
            f"{data_dir / NODE_FILE} holds no node id. Remove it, and start the server again."
        ) from None


def write_node_id(data_dir: Path, node_id: UUID) -> None:
    """Keep the node's id in the data directory, in place of another."""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replace_file(data_dir / NODE_FILE, data_dir / f"{NODE_FILE}.new") as file:
        file.write(f"{node_id}\n".encode("ascii"))


def make_node_id(data_dir: Path) -> UUID:
    """The id of this node, made at the first call."""
    if (node_id := read_node_id(data_dir)) is None:
        node_id = uuid4()
        write_node_id(data_dir, node_id)
    return node_id


def _row(connection: Connection) -> Row[Any] | None:
    return connection.execute(select(store_identity)).first()


def _belongs(row: Row[Any], store_ids: Collection[UUID], data_dir: Path | None) -> bool:
    has_id = row.store_id in store_ids
    if data_dir is not None and row.node_id is not None:
        node_id = read_node_id(data_dir)
        if node_id != row.node_id and not (node_id is None and has_id):
            raise SettingsError(f"{OTHER_NODE} {OTHER_NODE_ADVICE}")
    return row.store_id is None or has_id


def _write(connection: Connection, row: Row[Any] | None, values: Mapping[str, object]) -> bool:
    """Write the row if it is as it was read; False if not."""
    if row is None:
        try:
            with connection.begin_nested():
                connection.execute(insert(store_identity).values(identity_id=ONLY_ROW, **values))
        except IntegrityError:
            return False
        return True
    as_read = [column.is_not_distinct_from(row._mapping[column.name]) for column in store_identity.columns]
    return bool(connection.execute(update(store_identity).where(*as_read).values(**values)).rowcount)
