"""The server process: binds the port, runs uvicorn within the application's lifespan, stops on a signal."""

import asyncio
import errno
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any

import structlog
import uvicorn

from tallystick.app import Services, begin_stop, build
from tallystick.asgi import create_app
from tallystick.backup.data_dir_lock import write_address
from tallystick.cli.terminal import CommandFailed
from tallystick.errors import SettingsError
from tallystick.http.connection import BoundedConnection, ConnectionLimits, OpenConnections
from tallystick.http.unknown_proxies import UnknownProxies
from tallystick.ingest.store_identity import StoreIdentity
from tallystick.secret_keys import key_mark
from tallystick.settings import Settings
from tallystick.telemetry import configure_logging
from tallystick.work.heap import return_large_blocks

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8765
DEFAULT_PUBLIC_URL = f"http://{DEFAULT_HOST}:{DEFAULT_PORT}"
MOST_CONNECTIONS = 4096
ADDRESS_SHARE = 8  # an address can have one part in so many of them
MOST_FILES = 16_384
OTHER_FILES = 512  # that the databases, exports and outgoing requests can have open beside connections
GRACE_SECONDS = 10  # from SIGTERM to the end of the process
REQUEST_SECONDS = 6  # of it, for the answers to open requests; long computations are broken off a second before
TICKS_PER_SECOND = 10
HSTS_SECONDS = 365 * 86_400
BACKLOG = 2048
# Interpreter switch interval: how long a computing thread (export, back-test) may delay recording. Default: 5 ms.
SWITCH_SECONDS = 0.001

logger = structlog.get_logger(__name__)

BackgroundWork = Callable[[Services], Coroutine[Any, Any, None]]


def run_server(settings: Settings, host: str, port: int, work: BackgroundWork) -> None:
    """Serves until SIGTERM or SIGINT, then finishes the requests in progress and ends within GRACE_SECONDS.

    `work` runs concurrently from the moment the server listens; it is cancelled when the server stops, and an
    exception in it stops the server. Raises CommandFailed if the port is taken, SettingsError if another
    server holds the data directory.
    """
    configure_logging(settings.log_level)
    sys.setswitchinterval(SWITCH_SECONDS)
    return_large_blocks()
    with _listen(host, port) as listener:
        most = max(ADDRESS_SHARE, min(MOST_CONNECTIONS, _open_files() - OTHER_FILES))
        limits = ConnectionLimits(most, most // ADDRESS_SHARE, settings.trusted_proxies)
        connections = OpenConnections(limits, UnknownProxies(settings.data_dir).note)
        public = _with_public_url(settings, host, port)
        config = make_config(connections, public.public_url)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            try:
                runner.run(_serve(public, config, connections, listener, work, _local_url(host, port)))
            except BaseExceptionGroup as group:
                raise _unwrap_group(group) from None


def make_config(connections: OpenConnections, public_url: str) -> uvicorn.Config:
    """The configuration of uvicorn, without the application."""
    # Browsers heed this only on https, and then refuse to come back without it.
    secure = [("Strict-Transport-Security", f"max-age={HSTS_SECONDS}")] if public_url.startswith("https://") else []
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # it warns of every head that it cannot parse
    protocol: Any = partial(BoundedConnection, connections)
    return uvicorn.Config(
        "", loop="uvloop", http=protocol, ws="none", lifespan="off", log_config=None, access_log=False,
        proxy_headers=False, server_header=False, backlog=BACKLOG, headers=secure,
        timeout_keep_alive=ceil(connections.limits.idle_seconds), timeout_graceful_shutdown=REQUEST_SECONDS,
    )  # fmt: skip


def _open_files() -> int:
    """How many files the process can have open, after raising its limit as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return MOST_FILES if soft == resource.RLIM_INFINITY else soft


def _unwrap_group(error: BaseException) -> BaseException:
    """The single exception inside nested groups: Litestar runs the lifespan in a task group, which wraps errors."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


class BoundedServer(uvicorn.Server):
    """Calls `on_listening` once connections are accepted, `on_stopping` before open connections are waited for.

    Once a second, connections whose clients take too long are ended.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        connections: OpenConnections,
        on_listening: Callable[[], None],
        on_stopping: Callable[[], None],
    ) -> None:
        super().__init__(config)
        self._connections = connections
        self._on_listening = on_listening
        self._on_stopping = on_stopping

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_listening()

    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_SECOND == 0:
            self._connections.sweep()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stopping()
        await super().shutdown(sockets=sockets)

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        # uvicorn would raise the signal again before the application's lifespan has ended.
        return nullcontext()


async def _serve(
    settings: Settings,
    config: uvicorn.Config,
    connections: OpenConnections,
    listener: socket.socket,
    work: BackgroundWork,
    url: str,
) -> None:
    parts = build(settings)
    app = create_app(settings, parts)
    config.app = app
    beside: list[asyncio.Task[None]] = []

    def listening() -> None:
        write_address(settings.data_dir, url, key_mark(settings.secret_keys.current))  # for commands of the operator
        loop = asyncio.get_running_loop()
        for task in map(loop.create_task, (work(parts), _end_on_other_node(parts.connections.store_identity))):
            task.add_done_callback(lambda done: server.handle_exit(signal.SIGTERM, None) if _failed(done) else None)
            beside.append(task)

    def stopping() -> None:
        begin_stop(parts, REQUEST_SECONDS - 1)
        _end_after_grace()

    server = BoundedServer(config, connections, listening, stopping)
    async with _stop_on_signals(server), app.lifespan():
        try:
            await server.serve(sockets=[listener])
        finally:
            await _cancel(beside)


async def _end_on_other_node(identity: StoreIdentity) -> None:
    """Raise the error for which the server must end, when another node has taken its place."""
    loop, failed = asyncio.get_running_loop(), asyncio.Event()
    failures: list[SettingsError] = []

    def fail(error: SettingsError) -> None:
        failures.append(error)
        loop.call_soon_threadsafe(failed.set)

    identity.on_other_node = fail
    await failed.wait()
    raise failures[0]


def _end_after_grace() -> None:
    """End the process after GRACE_SECONDS even if a thread does not: it may wait for a database, or for a network.

    Nothing is lost by that: the next start goes on with what was begun, as after a crash.
    """

    def end() -> None:
        running = [thread.name for thread in threading.enumerate() if thread is not threading.current_thread()]
        logger.error("stopped_with_work_under_way", threads=running)
        os._exit(0)

    timer = threading.Timer(GRACE_SECONDS, end)
    timer.daemon = True
    timer.start()


def _failed(task: asyncio.Task[None]) -> bool:
    return not task.cancelled() and task.exception() is not None


async def _cancel(tasks: list[asyncio.Task[None]]) -> None:
    for task in tasks:
        task.cancel()
    for outcome in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(outcome, Exception):
            raise outcome


@asynccontextmanager
async def _stop_on_signals(server: uvicorn.Server) -> AsyncIterator[None]:
    """SIGTERM and SIGINT stop the server gracefully; a second SIGINT drops open connections."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, server.handle_exit, number, None)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


@contextmanager
def _listen(host: str, port: int) -> Any:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise CommandFailed(
                    f"Port {port} on {host} is already in use. "
                    "Stop the program that uses it, or choose another port with --port."
                ) from None
            raise CommandFailed(
                f"Cannot listen on {host}, port {port}: {error.strerror}. Choose another --host or --port."
            ) from None
        yield listener


def _with_public_url(settings: Settings, host: str, port: int) -> Settings:
    """The settings with `public_url` derived from host and port, unless it was set explicitly."""
    if settings.public_url != DEFAULT_PUBLIC_URL or (host, port) == (DEFAULT_HOST, DEFAULT_PORT):
        return settings
    return replace(settings, public_url=_local_url(host, port))


def _local_url(host: str, port: int) -> str:
    """A URL that reaches the server from this machine."""
    reachable = DEFAULT_HOST if host in ("0.0.0.0", "::") else f"[{host}]" if ":" in host else host  # noqa: S104
    return f"http://{reachable}:{port}"
