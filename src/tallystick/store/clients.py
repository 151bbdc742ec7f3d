"""A bounded pool of ClickHouse clients, for the embedded engine (chDB) or a server."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import clickhouse_connect
from clickhouse_connect.driver.client import Client
from clickhouse_connect.driver.exceptions import ClickHouseError
from urllib3.exceptions import HTTPError

from tallystick.errors import SettingsError
from tallystick.setting_values import events_url_options
from tallystick.store.embedded_engine import EMBEDDED_ENGINE
from tallystick.store.engine_priority import ENGINE_PRIORITY
from tallystick.store.errors import StoreDamaged, StoreError, TableRefused, has_timed_out, translate
from tallystick.store.silence import Silence

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30
BORROW_SECONDS = 60  # for which a thread waits for a client that others use


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Resource limits of the event store. `memory_mb` and `cache_mb` apply to the embedded engine as a whole.

    `answer_seconds`: how long one read of a server's answer may take; running statements send their progress.
    """

    clients: int = 4
    answer_seconds: int = ANSWER_SECONDS
    threads: int = 2
    memory_mb: int = 1000
    cache_mb: int = 250


# What the engine keeps in memory, up to five gigabytes of each if nobody says less.
CACHES = (
    "mark_cache", "index_mark_cache", "primary_index_cache", "query_condition_cache",
    "text_index_tokens_cache", "text_index_header_cache", "text_index_postings_cache",
)  # fmt: skip

# Measured on a million events: the newest fifty with a word in 26 to 68 ms instead of 39 to 136.
READING = {
    "use_text_index_postings_cache": 1,
    # The index of `client_text` is asked for short words and for words that stand in many of its values, too.
    "text_index_like_min_pattern_length": 1,
    "text_index_like_max_postings_to_read": 1_000,
    # Parts are read one after the other in the order of time, instead of all at once.
    "read_in_order_two_level_merge_threshold": 1,
    # Of rows that are sorted only those that are wanted are kept in memory, however large they are.
    "max_bytes_before_remerge_sort": 32 << 20,
}


def connect(url: str, bounds: Bounds, engine_options: Mapping[str, Any] | None = None) -> Client:
    """One client for `chdb:///path`, `clickhouse://…` or `clickhouses://…` (TLS).

    `engine_options`: of the embedded engine, beside those that `bounds` give.
    """
    settings: dict[str, Any] = {"max_threads": bounds.threads} | READING
    parts = urlsplit(url)
    if parts.scheme == "chdb":
        megabyte = 1 << 20
        return clickhouse_connect.get_client(
            interface="chdb",
            path=unquote(parts.path),
            settings=settings | {"max_memory_usage": bounds.memory_mb * megabyte},
            chdb_options={
                "max_server_memory_usage": bounds.memory_mb * megabyte,
                **{f"{name}_size": bounds.cache_mb * megabyte // len(CACHES) for name in CACHES},
                "background_pool_size": 1,
                **(engine_options or {}),
            },
        )
    if parts.scheme not in ("clickhouse", "clickhouses"):
        raise SettingsError("TALLYSTICK_EVENTS_URL must begin with chdb:///, clickhouse:// or clickhouses://")
    secure = parts.scheme == "clickhouses"
    options: dict[str, Any] = {"connect_timeout": CONNECT_SECONDS, "send_receive_timeout": bounds.answer_seconds}
    options |= events_url_options(url)
    return clickhouse_connect.get_client(
        **options,
        host=parts.hostname or "127.0.0.1",
        port=parts.port or (8443 if secure else 8123),
        username=unquote(parts.username or "default"),
        password=unquote(parts.password or ""),
        database=parts.path.strip("/") or "default",
        secure=secure,
        settings=settings,
        # Without this the driver gives every client one session, and a session takes one query at a time.
        autogenerate_session_id=False,
    )


class Clients:
    """Lends each client to one thread at a time; a caller waits while all are lent."""

    def __init__(
        self, url: str, bounds: Bounds, silence: Silence | None = None, damage: dict[str, str] | None = None
    ) -> None:
        """`silence`: of the server, shared by all that use it.

        `damage`: where a damaged data part that a statement meets is noted, with the engine's message.
        """
        self._silence = silence or Silence(bounds.answer_seconds)
        self._damage = {} if damage is None else damage
        self._url = url
        self._bounds = bounds
        self._embedded = url.startswith("chdb:")
        self._place = Path(unquote(urlsplit(url).path))
        self._lock = threading.Lock()
        self._idle: list[Client] = []
        self._free = threading.Semaphore(bounds.clients)
        self._lent = 0
        self._closed = False

    @contextmanager
    def borrow(self) -> Iterator[Client]:
        """A client for this thread until the block ends. Errors of the driver are raised as StoreError.

        After any error the client is closed: the embedded engine may deliver the output of an abandoned statement
        before the output of the next one on the same connection. While a server is silent, one caller tries.
        """
        self._silence.check()
        if not self._free.acquire(timeout=BORROW_SECONDS):
            raise StoreError("all connections to the event store are in use")
        with self._lock:
            self._lent += 1
        try:
            client = self._take()
            try:
                yield client
            except BaseException as error:
                self._disconnect(client)
                # The driver passes on what happens while a raw answer is read from the connection.
                if isinstance(error, ClickHouseError | HTTPError):
                    raise self._noted(error) from error
                raise
            self._silence.end()
            self._give_back(client)
        finally:
            with self._lock:
                self._lent -= 1
            self._free.release()
        if self._embedded:
            ENGINE_PRIORITY.apply()

    def connections(self) -> tuple[int, int]:
        """How many clients are in use, and how many there can be."""
        return self._lent, self._bounds.clients

    def set_broken_aside(self) -> None:
        """Take the data parts for which the embedded engine refuses the table of events out of the table."""
        EMBEDDED_ENGINE.set_broken_aside(self._place, self._connect)

    def _noted(self, failure: ClickHouseError | HTTPError) -> StoreError:
        error = translate(failure)
        self._note_damage(error)
        if has_timed_out(failure):
            self._silence.begin()
        else:
            self._silence.end()
        return error

    def _note_damage(self, error: StoreError) -> None:
        if isinstance(error, StoreDamaged):
            parts = error.parts if isinstance(error, TableRefused) else (error.part,)
            self._damage |= dict.fromkeys(parts, str(error)[:500])

    def _connect(self, engine_options: Mapping[str, Any]) -> Client:
        return connect(self._url, self._bounds, engine_options)

    def _disconnect(self, client: Client) -> None:
        if self._embedded:
            EMBEDDED_ENGINE.close(client)
        else:
            client.close()

    def _take(self) -> Client:
        with self._lock:
            if self._closed:
                raise StoreError("the event store is closed")
            if self._idle:
                return self._idle.pop()
        try:
            return EMBEDDED_ENGINE.connect(self._place, self._connect) if self._embedded else self._connect({})
        except ClickHouseError as error:
            raise self._noted(error) from error
        except TableRefused as error:
            self._note_damage(error)
            raise

    def _give_back(self, client: Client) -> None:
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        self._disconnect(client)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            self._disconnect(client)
