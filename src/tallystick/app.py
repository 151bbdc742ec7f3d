"""Where the parts are wired: the only module that knows them all."""

import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog
from litestar import Litestar, Request, Response
from litestar.di import Provide
from litestar.exceptions import HTTPException

from tallystick.access.authenticate import Authenticator
from tallystick.access.rate_limit import RateLimit
from tallystick.access.sign_in import SignIn
from tallystick.api.observed import observed
from tallystick.api.parts import Parts as ApiParts
from tallystick.api.problems import HANDLERS, problem
from tallystick.api.routes import API
from tallystick.database.engine import Database
from tallystick.database.migrate import upgrade
from tallystick.errors import SettingsError
from tallystick.ingest.pool import Pool
from tallystick.ingest.reconcile import reconcile
from tallystick.ingest.recorder import Recorder
from tallystick.ingest.sequencer import Sequencer
from tallystick.ingest.shipper import Shipper
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.live.hub import LiveHub
from tallystick.retention.purge import Purger
from tallystick.search.find import Finder
from tallystick.settings import Settings
from tallystick.store.clients import Bounds
from tallystick.store.errors import StoreError
from tallystick.store.events import EventStore
from tallystick.web.error_pages import show_error, wants_page
from tallystick.web.routes import WEB
from tallystick.work import leases

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that runs in a server process."""

    settings: Settings
    database: Database
    store: EventStore
    authenticator: Authenticator
    sign_in: SignIn
    recorder: Recorder
    sequencer: Sequencer
    shipper: Shipper
    finder: Finder
    hub: LiveHub
    signer: Signer
    prover: Prover
    purger: Purger


def build(settings: Settings) -> Parts:
    """Make the parts; nothing is opened, nothing runs yet."""
    database = Database(settings.database_url)
    bounds = Bounds(
        settings.events_clients, settings.events_threads, settings.events_memory_mb, settings.events_cache_mb
    )
    store = EventStore(settings.events_url, bounds)
    pool = Pool()
    sequencer = Sequencer(database, pool, redacted_keys=settings.redacted_keys)
    shipper = Shipper(database, store)
    recorder = Recorder(
        database,
        pool,
        sequencer,
        redacted_keys=settings.redacted_keys,
        data_dir=settings.data_dir,
        wake_shipper=shipper.wake,
    )
    signer = Signer(database, Keyring(settings.secret_key, settings.public_host), settings.data_dir)
    hub = LiveHub(database, store)
    sequencer.listeners.append(hub.notify)
    authenticator = Authenticator(database, rate_limit=RateLimit(settings.rate_limit))
    return Parts(
        settings=settings,
        database=database,
        store=store,
        authenticator=authenticator,
        sign_in=SignIn(database),
        recorder=recorder,
        sequencer=sequencer,
        shipper=shipper,
        finder=Finder(database, store),
        hub=hub,
        signer=signer,
        prover=Prover(database, signer),
        purger=Purger(database, store),
    )


@asynccontextmanager
async def running(parts: Parts) -> AsyncIterator[None]:
    """Open, reconcile, run; stop in the order that loses nothing."""
    parts.settings.data_dir.mkdir(parents=True, exist_ok=True)
    with _only_server(parts.settings.data_dir):
        try:
            await parts.database.run(_open, parts)
            parts.sequencer.start()
            parts.shipper.start()
            parts.hub.start()
            parts.signer.start()
            parts.purger.start()
            try:
                yield
            finally:
                parts.hub.close()
                await parts.database.run(parts.purger.stop)
                await parts.database.run(parts.sequencer.stop)
                await parts.database.run(parts.shipper.stop)
                await parts.database.run(parts.signer.stop)
        finally:
            parts.finder.close()
            parts.store.close()
            parts.database.close()


def _open(parts: Parts) -> None:
    # The store first: one that this version cannot use is refused before the control database is changed.
    try:
        parts.store.open()
    except StoreError as error:
        if parts.store.embedded:
            raise SettingsError(f"The event store cannot be opened: {error}") from error
        # A cluster may come later: recording goes on without it, and the shipper opens it then.
        _log.warning("store_not_open", error=str(error)[:500])
    upgrade(parts.database)
    if parts.database.is_sqlite:
        with parts.database.write() as connection:
            leases.forget_all(connection)
    reconcile(parts.database, parts.store)
    parts.signer.open()


class _only_server:  # noqa: N801
    """Holds the data directory: a second server on it would be refused by the event store anyway, less clearly."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "server.lock"

    def __enter__(self) -> None:
        self._file = self._path.open("a+")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._file.close()
            raise SettingsError(
                f"Another Tallystick server uses {self._path.parent}. Stop it, or give this one its own "
                "TALLYSTICK_DATA_DIR."
            ) from error
        self._file.truncate(0)
        self._file.write(str(os.getpid()))
        self._file.flush()

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _no_handler(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """For what no handler takes: a page for people, a problem document for programs."""
    return show_error(request, error) if wants_page(request) else problem(request, error)


def create_app(settings: Settings, parts: Parts | None = None) -> Litestar:
    """The server as an ASGI application; it runs from start-up to shut-down of its lifespan."""
    made = parts or build(settings)

    def given(value: Any) -> Provide:
        return Provide(lambda: value, sync_to_thread=False, use_cache=True)

    @asynccontextmanager
    async def lifespan(_app: Litestar) -> AsyncIterator[None]:
        async with running(made):
            yield

    for_api = ApiParts(
        made.settings, made.database, made.store, made.authenticator, made.recorder, made.finder, made.hub, made.prover
    )
    app = Litestar(
        route_handlers=[API, WEB],
        lifespan=[lifespan],
        dependencies={
            "settings": given(made.settings),
            "database": given(made.database),
            "store": given(made.store),
            "authenticator": given(made.authenticator),
            "sign_in": given(made.sign_in),
            "recorder": given(made.recorder),
            "finder": given(made.finder),
            "hub": given(made.hub),
            "parts": given(for_api),
        },
        exception_handlers={**HANDLERS, HTTPException: _no_handler},
        openapi_config=None,
        logging_config=None,  # telemetry.configure_logging decides
        debug=False,
    )
    app.asgi_handler = observed(app.asgi_handler)
    return app
