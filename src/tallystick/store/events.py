"""The event store client: writing rows, asking which are there, and the basic ways of reading."""

import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, BinaryIO, NamedTuple, cast
from uuid import UUID

import pyarrow as pa
from clickhouse_connect.driver.client import Client

from tallystick.events.record import StoredEvent
from tallystick.store.change_progress import wait_for_changes
from tallystick.store.clients import Bounds, Clients
from tallystick.store.earlier_tables import definition_of
from tallystick.store.embedded_engine import sync_names
from tallystick.store.errors import StoreError, StoreTimeout, StoreUpgrading, TableRefused
from tallystick.store.rows import Group, arrow_stream, table_of
from tallystick.store.schema import COLUMNS, CREATE_SETTINGS, CREATED, SEARCH_TEXT, SETTINGS_WANTED
from tallystick.store.silence import Silence
from tallystick.store.versions import (
    TableVersion,
    check_server_version,
    comment_of,
    read_column_names,
    read_comment,
    read_version,
    version_of,
)  # fmt: skip

_READ = (
    "SELECT seq, UUIDToNum(id), toUnixTimestamp64Micro(received_at), toUnixTimestamp64Micro(occurred_at), "
    "what, target, who, details, seed, remains FROM events WHERE {where} {tail}"
)
Parameters = dict[str, Any]
Settings = Mapping[str, Any] | None  # of the engine, for one statement
LEAST_SECONDS = 0.01
PING_SECONDS = 5
VERSION_SECONDS = 1.0
_PIECE = 1 << 20
_STREAMED = 1024  # rows of a streamed block: the largest events have 64 MB
_ROWS = 4096  # in a block: the largest events fill a quarter of a gigabyte


class Holding(NamedTuple):
    """What the store holds of an organization: distinct indexes, rows (more where some stand twice), highest index."""

    events: int
    rows: int
    highest: int


NOTHING = Holding(0, 0, -1)


class StoreGuard:
    """Refuses to change events while `refusal` has a reason: the store is not the one that this installation uses.

    `has_space`: whether the disk of an embedded store has space. On a full one, the engine reports success for a table
    definition and for a change of rows that it wrote to empty files, with which it does not start again.
    `is_usable`: whether the present statements work with the table; if not, nothing is read or changed until it is
    rebuilt, which a server asks anew once a second: another one may have done it.
    """

    def __init__(self) -> None:
        self.refusal = ""
        self.has_space: Callable[[], bool] = lambda: True
        self.is_usable = True
        self.asked_at = 0.0

    def check(self) -> None:
        """Raise StoreError if events must not be changed."""
        if self.refusal:
            raise StoreError(self.refusal)
        self.check_space()

    def check_space(self) -> None:
        """Raise StoreError if the disk has too little space for anything that the engine writes."""
        if not self.has_space():
            raise StoreError("the disk of the event store has too little free space")


class EventStore:
    """The searchable events. Every method blocks and may raise StoreError; call them from worker threads.

    Writing has a client of its own, so that no query delays new events on their way into the store.
    """

    def __init__(
        self, url: str, bounds: Bounds | None = None, *, shared: "EventStore | None" = None, any_version: bool = False
    ) -> None:
        """`shared`: another EventStore of the same store, whose writing client, guard and damage this one uses.

        `any_version`: of work that knows what every version of the table has.
        """
        self._any_version = any_version
        self._url = url
        self._bounds = bounds or Bounds()
        self.embedded = url.startswith("chdb:")
        # The damaged data parts that statements met, each with the engine's message.
        self.damage: dict[str, str] = shared.damage if shared else {}
        self.guard: StoreGuard = shared.guard if shared else StoreGuard()
        self._silence: Silence = shared._silence if shared else Silence(self._bounds.answer_seconds)
        one = replace(self._bounds, clients=1)
        self._readers = Clients(url, self._bounds, self._silence, self.damage)
        self._writers: Clients = shared._writers if shared else Clients(url, one, self._silence, self.damage)
        self._pinger = Clients(url, replace(one, answer_seconds=PING_SECONDS), self._silence)

    def with_readers(self, clients: int, *, any_version: bool = False) -> "EventStore":
        """This event store with reading clients of its own, for work that others must not wait for."""
        return EventStore(self._url, replace(self._bounds, clients=clients), shared=self, any_version=any_version)

    def connections(self) -> tuple[int, int]:
        """How many clients read now, and how many can at once."""
        return self._readers.connections()

    def open(self) -> None:
        """Create the missing tables. Safe to call again, and from several nodes.

        SettingsError if the table of events cannot be brought to the version of this program.
        """
        with self._writers.borrow() as client:
            check_server_version(client.server_version or "")
            there = _settings_by_table(client)
            for table, statement in CREATED.items():
                if table not in there:
                    self.guard.check_space()
                    client.command(statement, settings=CREATE_SETTINGS)
            self._add_columns(client)
            made = read_version(client)
            # An earlier version made the table with other settings; those that can change are right at once.
            for table, change in SETTINGS_WANTED:
                if not set(change.partition(" SETTING ")[2].split(", ")) <= _settings_by_table(client)[table]:
                    self.guard.check_space()
                    client.command(change)
            self.guard.is_usable = made.is_usable
            client.command(
                "INSERT INTO store_identity SELECT generateUUIDv4() WHERE (SELECT count() FROM store_identity) = 0"
            )

    def _add_columns(self, client: Client) -> None:
        """Add the columns that a table of a usable older version lacks; its rows have what each default computes.

        `remains` is added to any: a table from before the first erasures lacks it, and it is right as it comes.
        """
        there = read_column_names(client)
        made = version_of(read_comment(client) or "", there | {"remains"})
        lacking = {name: kind for name, kind in COLUMNS if name not in there and "EPHEMERAL" not in kind}
        changes = [
            f"ADD COLUMN IF NOT EXISTS {name} {definition_of(name, kind)}"
            for name, kind in lacking.items()
            if made.is_usable or name == "remains"
        ]
        if made.is_usable and lacking:  # the columns will not tell the version any more
            changes[:0] = [f"MODIFY COMMENT '{comment_of(made)}'"]
            changes.append(f"MODIFY COLUMN search_text String DEFAULT {SEARCH_TEXT}")
        for change in changes:
            self.guard.check_space()
            client.command(f"ALTER TABLE events {change}")

    def check_version(self) -> None:
        """Raise SettingsError if the server is too old."""
        with self._pinger.borrow() as client:
            check_server_version(client.server_version or "")

    def version(self) -> TableVersion:
        """The version of the table of events; notes whether it can be searched and changed."""
        with self._pinger.borrow() as client:
            made = read_version(client)
        self.guard.is_usable = made.is_usable
        return made

    def refused_parts(self) -> tuple[str, ...]:
        """The broken data parts for which the engine refuses the table of events."""
        try:
            with self._writers.borrow() as client:
                client.query("SELECT 1 FROM events LIMIT 0")
        except TableRefused as error:
            return error.parts
        return ()

    def set_refused_parts_aside(self) -> None:
        """Take the broken data parts out of the table of an embedded store, so that the engine loads it without them.

        Their files stay in the folder `detached` of the table. No other client of the store may be open.
        """
        self._writers.set_broken_aside()

    def identities(self) -> list[UUID]:
        """The store's id, in rare cases several, ascending: two servers that made the tables at once gave one each."""
        with self._writers.borrow() as client:
            return [row[0] for row in client.query("SELECT DISTINCT id FROM store_identity ORDER BY id").result_rows]

    def take_identity(self, store_id: UUID) -> None:
        """Give the store this id in place of its own: it is filled from a backup of the store that had it."""
        with self._writers.borrow() as client:
            client.command("TRUNCATE TABLE store_identity")
            client.command("INSERT INTO store_identity SELECT {id:UUID}", parameters={"id": str(store_id)})

    def insert(self, groups: Sequence[Group], token: str) -> None:
        """Insert rows. The same rows under the same token again change nothing.

        On return the engine has written them and synchronized its files; `read_back` checks that they are whole.
        """
        self._check_change()
        table = table_of(groups)
        with self._writers.borrow() as client:
            client.raw_insert(
                "events",
                column_names=table.column_names,
                insert_block=arrow_stream(table),
                fmt="ArrowStream",
                settings={"insert_deduplication_token": token, "insert_deduplicate": 1},
            )
            self._sync_names(client, "events")

    def present(self, org_id: UUID, first: int, end: int) -> set[int]:
        """Which of the indexes first ≤ index < end are stored."""
        with self._writers.borrow() as client:
            rows = client.query(
                "SELECT DISTINCT seq FROM events WHERE org_id = {org:UUID} AND seq >= {first:UInt64} "
                "AND seq < {end:UInt64}",
                parameters={"org": str(org_id), "first": first, "end": end},
            ).result_rows
        return {row[0] for row in rows}

    def holdings(self) -> dict[UUID, Holding]:
        """What the store holds of each organization; costs the engine about a bit for each of its events."""
        statement = "SELECT org_id, groupBitmap(seq), count(), max(seq) FROM events GROUP BY org_id"
        with self._writers.borrow() as client:
            return {row[0]: Holding(*row[1:]) for row in client.query(statement).result_rows}

    def accepts_writes(self) -> bool:
        """Whether the store accepts a row that is certainly valid. Tells a failing store from a bad shipment."""
        with self._writers.borrow() as client:
            client.command("INSERT INTO store_probe SELECT now64(6)")
        return True

    def ping(self) -> None:
        """Raise StoreError if the store does not answer. Whatever reads beside it does not delay this."""
        with self._pinger.borrow() as client:
            client.query("SELECT 1")

    def read(
        self, where: str, tail: str, parameters: Parameters, *, seconds: float | None = None, settings: Settings = None
    ) -> list[StoredEvent]:
        """Whole events that match `where`, ordered and limited by `tail`."""
        statement = _READ.format(where=where, tail=tail)
        rows = self.rows(statement, parameters, seconds=seconds, raw_text=True, settings=settings)
        return [StoredEvent(*row) for row in rows]

    def rows(
        self,
        sql: str,
        parameters: Parameters,
        *,
        seconds: float | None = None,
        raw_text: bool = False,
        settings: Settings = None,
    ) -> Sequence[Sequence[Any]]:
        """The rows of a statement; StoreTimeout if it takes longer than `seconds`."""
        limit = {} if seconds is None else {"max_execution_time": max(seconds, LEAST_SECONDS)}
        with self._reading() as client:
            began = time.monotonic()
            result = client.query(
                sql,
                parameters=parameters,
                settings=limit | dict(settings or {}),
                query_formats={"String": "bytes"} if raw_text else None,
            )
            rows: Sequence[Sequence[Any]] = result.result_rows
            # The engine in the process now and then answers a statement that it gave up with no rows
            # and no error. It never gives up early, so that nothing that took this long is believed.
            if seconds is not None and time.monotonic() - began >= max(seconds, LEAST_SECONDS):
                raise StoreTimeout("the statement took longer than it might")
            return rows

    def stream(self, where: str, tail: str, parameters: Parameters) -> Generator[list[StoredEvent]]:
        """Blocks of whole events, in bounded memory. Exhaust or close the generator."""
        with self._reading() as client:
            statement = _READ.format(where=where, tail=tail)
            with _blocks(client, statement, parameters) as blocks:
                for columns in blocks:
                    yield list(map(StoredEvent, *columns))

    def raw(self, statement: str, parameters: Parameters) -> Iterator[bytes]:
        """The rows of a statement as an Arrow stream, in pieces. Exhaust or close the generator."""
        with self._reading() as client:
            settings = {"output_format_arrow_compression_method": "zstd", "max_threads": 1, "max_block_size": _ROWS}
            source = cast(
                "BinaryIO",
                client.raw_stream(statement, parameters=parameters, fmt="ArrowStream", settings=settings),
            )
            try:
                while piece := source.read(_PIECE):
                    yield piece
            finally:
                source.close()

    def table(self, statement: str, parameters: Parameters, *, dictionaries: bool = True) -> pa.Table:
        """All rows of a statement as an Arrow table; without `dictionaries`, texts are plain bytes in every column."""
        with self._reading() as client:
            settings = {
                "output_format_arrow_string_as_string": int(dictionaries),
                "output_format_arrow_low_cardinality_as_dictionary": int(dictionaries),
            }
            found: pa.Table = client.query_arrow(statement, parameters=parameters, settings=settings)
            return found

    def insert_raw(self, columns: Sequence[str], data: bytes, token: str) -> None:
        """Insert rows given as an Arrow stream; the same rows under the same token again change nothing."""
        settings = {"insert_deduplication_token": token, "insert_deduplicate": 1}
        self._insert(self._writers, "events", columns, data, settings)

    def insert_into(self, table: str, columns: Sequence[str], data: bytes) -> None:
        """Insert rows given as an Arrow stream into another table. Uses a reading client, as `delete` does."""
        settings = {"insert_deduplicate": 0, "max_partitions_per_insert_block": 0}
        self._insert(self._readers, table, columns, data, settings)

    def _insert(
        self, clients: Clients, table: str, columns: Sequence[str], data: bytes, settings: dict[str, Any]
    ) -> None:
        self._check_change()
        with clients.borrow() as client:
            client.raw_insert(
                table, column_names=list(columns), insert_block=data, fmt="ArrowStream", settings=settings
            )
            self._sync_names(client, table)

    def delete(self, where: str, parameters: Parameters) -> None:
        """Delete rows; on return no query sees them. Uses a reading client, so that recording goes on beside it."""
        self.change(f"DELETE FROM events WHERE {where}", parameters)

    def allow_merges(self, is_allowed: bool) -> None:
        """Let the engine merge parts of the table, or not until it is allowed again or the process starts anew."""
        with self._readers.borrow() as client:
            client.command(f"SYSTEM {'START' if is_allowed else 'STOP'} MERGES events")

    def change(
        self, statement: str, parameters: Parameters | None = None, *, settings: Mapping[str, Any] | None = None
    ) -> None:
        """Run a statement that alters a table, to its end. Uses a reading client, as `delete` does."""
        self._check_change()
        # A server may take longer for a change than one answer may take: it is asked until the change is done.
        waiting: dict[str, Any] = dict.fromkeys(
            ("mutations_sync", "lightweight_deletes_sync"), 2 if self.embedded else 0
        )
        with self._readers.borrow() as client:
            client.command(statement, parameters=parameters or {}, settings=waiting | dict(settings or {}))
            if not self.embedded and statement.startswith(("ALTER", "DELETE")):
                wait_for_changes(client)
            self._sync_names(client)

    def _sync_names(self, client: Client, tables: str = "%") -> None:
        if self.embedded:
            sync_names(client, tables)

    @contextmanager
    def _reading(self) -> Iterator[Client]:
        self._check_usable()
        with self._readers.borrow() as client:
            yield client

    def _check_change(self) -> None:
        self.guard.check()
        self._check_usable()

    def is_usable(self) -> bool:
        """Whether the statements of this program work with the table, or it is to be rebuilt first."""
        now = time.monotonic()
        if not self.guard.is_usable and now - self.guard.asked_at >= VERSION_SECONDS:
            self.guard.asked_at = now
            self.version()
        return self.guard.is_usable

    def _check_usable(self) -> None:
        """Raise StoreUpgrading if the table is to be rebuilt first."""
        if not self._any_version and not self.is_usable():
            raise StoreUpgrading

    def close(self) -> None:
        for clients in (self._readers, self._pinger, self._writers):
            clients.close()


def _settings_by_table(client: Client) -> dict[str, set[str]]:
    """The settings of each table, as `name = value`."""
    statement = "SELECT name, engine_full FROM system.tables WHERE database = currentDatabase()"
    rows = client.query(statement).result_rows
    return {name: set(engine.partition(" SETTINGS ")[2].split(", ")) for name, engine in rows}


def _blocks(client: Client, statement: str, parameters: Parameters) -> Any:
    settings = {"max_block_size": _STREAMED}
    return client.query_column_block_stream(
        statement, parameters=parameters, settings=settings, query_formats={"String": "bytes"}
    )
