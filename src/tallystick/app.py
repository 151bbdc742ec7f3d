"""Builds every service of a server process and wires them together; `asgi` makes the application of them."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from uuid import UUID

import anyio.to_thread
import structlog

from tallystick import __version__
from tallystick.access.authenticate import Authenticator
from tallystick.access.rate_limit import RateLimit
from tallystick.access.revision import RevisionWatch
from tallystick.access.scopes import operator_scope
from tallystick.access.secret import SecretBox
from tallystick.access.sessions import SessionLimits
from tallystick.access.sign_in import SignIn
from tallystick.alerts.baseline import BaselineWorker
from tallystick.alerts.evaluator import Evaluator, evaluators_of
from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.backup.file_modes import close_to_others
from tallystick.backup.restore import refuse_interrupted
from tallystick.backup.secret_rotation import warn_of_lost
from tallystick.clock import now_us
from tallystick.compliance.reminder import ReminderWorker
from tallystick.compliance.report_builder import ReportBuilder
from tallystick.compliance.reports import EVIDENCE, REPORT
from tallystick.connections import Connections
from tallystick.copies.copier import Copier, new_copier
from tallystick.copies.place_writer import refuse_lost_data
from tallystick.data_access.recorder import DataAccessRecorder
from tallystick.database.damage import damage_named
from tallystick.database.engine import Database
from tallystick.database.migrate import revision_of, upgrade
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker, MailServerRest
from tallystick.destinations.email_queue import EmailQueue
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.smtp import MailServer, parse_mail_server
from tallystick.destinations.storage_settings import archive_storage, export_storage
from tallystick.destinations.tables import destinations
from tallystick.erasure.deletions import deletion_state, is_erasing
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.personal_data import personal_data
from tallystick.errors import SettingsError
from tallystick.events.record import StoredEvent
from tallystick.exports.exporter import Exporter
from tallystick.http.allowance import Allowance
from tallystick.ingest.geoip import GeoIP
from tallystick.ingest.pool import Pool
from tallystick.ingest.reconcile import reconcile
from tallystick.ingest.recorder import Recorder
from tallystick.ingest.sequencer import Sequencer
from tallystick.ingest.shipper import Shipper
from tallystick.intake_rules.drop_filter import DropRules
from tallystick.intake_rules.drop_report import DropReporter
from tallystick.integrity.checker import Checker
from tallystick.integrity.late_events import remove_late
from tallystick.integrity.merged_part_check import MergedPartCheck
from tallystick.integrity.missing_events import MissingEvents, new_rebuilder
from tallystick.integrity.store_requests import operator_workers
from tallystick.key_warnings.worker import KeyWarner
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.live.hub import LiveHub
from tallystick.monitoring.database_probe import DatabaseProbe
from tallystick.monitoring.process_monitor import ProcessMonitor
from tallystick.monitoring.store_probe import StoreProbe
from tallystick.retention import exported_ranges
from tallystick.retention.archive import Archive
from tallystick.retention.archive_erasure import ArchiveEraser
from tallystick.retention.cutoffs import read_cutoffs
from tallystick.retention.grace import GRACE_US
from tallystick.retention.late_events import late_mail
from tallystick.retention.purge import Purger
from tallystick.retention.warning import warner
from tallystick.schedules.export_email import ExportMailer
from tallystick.schedules.export_queue import ExportQueue
from tallystick.schedules.scheduler import Scheduler, schedule_lease
from tallystick.search.find import Finder
from tallystick.settings import Settings
from tallystick.store.errors import StoreError, TableRefused
from tallystick.store.events import EventStore
from tallystick.work import leases
from tallystick.work.background import Worker, stop_workers
from tallystick.work.disk_space import DiskSpace, recording_disk, store_disk
from tallystick.work.request_pools import RequestPools

logger = structlog.get_logger(__name__)

MOST_BODY_BYTES = 256 << 20

WORKER_SECONDS = 2.0  # for the step under way, after the stop


@dataclass(frozen=True, slots=True)
class Services:
    """The services of one server process: those that a request may ask for by name, and the background workers."""

    settings: Settings
    disk: DiskSpace
    connections: Connections
    pools: RequestPools
    authenticator: Authenticator
    sign_in: SignIn
    recorder: Recorder
    finder: Finder
    hub: LiveHub
    prover: Prover
    checker: Checker
    exporter: Exporter
    eraser: Eraser
    destination_context: DestinationContext
    # Of the messages to destinations, which requests wake.
    delivery_worker: DeliveryWorker
    delivery_workers: tuple[DeliveryWorker, ...]
    data_access: DataAccessRecorder
    # The bytes of all requests that are being read.
    bodies: Allowance
    # Those that bring events into the trail and the store, in the order of their start; stopped in the reverse order.
    recording_workers: tuple[Worker, ...]
    # All others; they depend on the recording workers, and not on each other.
    workers: tuple[Worker, ...]
    # Called at the start, once the databases are open and before any worker runs.
    preparations: tuple[Callable[[], None], ...]

    @property
    def database(self) -> Database:
        """The control database as requests use it."""
        return self.connections.requests

    @property
    def store(self) -> EventStore:
        """The event store as requests use it."""
        return self.connections.store


def build(settings: Settings) -> Services:
    """Build the services from the settings; nothing is opened, nothing runs yet."""
    connections = Connections(settings)
    database, store, recording = connections.background, connections.background_store, connections.recording
    disk, whole_disk, geoip = recording_disk(settings), store_disk(settings), GeoIP(settings.geoip)
    pool, shipper, keys = Pool(), _shipper(settings, connections, whole_disk), settings.redacted_keys
    sequencer, limit = _sequencer(recording, pool, keys, geoip), RateLimit(settings.rate_limit)
    pools, finder = RequestPools(settings.events_clients), Finder(connections.requests, connections.store)
    find_held, rules, actions = partial(_find_held, pools, finder), DropRules(recording), finder.catalogues
    recorder = Recorder(recording, pool, sequencer, keys, disk, find_held, actions, geoip.find_address, rules.dropped)
    signer = Signer(database, Keyring(settings.secret_keys, settings.public_host), settings.data_dir)
    prover = Prover(connections.requests, signer)
    exporter = _exporter(settings, database, store, prover, recorder, disk)
    missing_events, archive = MissingEvents(database, store), _archive(settings, database, store, prover, disk)
    copier, merges = new_copier(settings, database, store, disk), MergedPartCheck(database, store, whole_disk)
    checker, eraser = Checker(database, store, recorder.is_busy), _eraser(settings, database, store, archive, copier)
    opened = (geoip, rules, missing_events, *operator_workers(database, store, connections.store_identity, settings))
    purger = _purger(settings, database, store, archive)
    destination_context, own_actions = _destination_context(settings), recorder.own_actions_waiting
    mail_server, mail_rest = destination_context.mail_server, MailServerRest()
    lease, data_access = schedule_lease(database), DataAccessRecorder(database, own_actions)
    exports = ExportQueue(database, exporter, lease, _export_mailer(settings, mail_server), export_storage(settings))
    message_worker, email_worker, export_worker = (
        DeliveryWorker(database, queue, mail_rest, own_actions)
        for queue in (MessageQueue(database, destination_context), EmailQueue(mail_server), exports)
    )
    scheduler = Scheduler(database, exporter, lease, export_worker.wake, own_actions)
    evaluators = evaluators_of(database, store, sequencer.recent, settings.public_url, message_worker.wake, own_actions)
    access_revision, limits = RevisionWatch(recording), SessionLimits.of(settings)
    hub = LiveHub(connections.live, connections.live_store, settings.live_viewers)
    _listen_to_commits(sequencer, hub, shipper, evaluators[0])
    access_revision.listeners.append(hub.access_changed)
    workers: list[Worker] = [access_revision, data_access, purger, eraser, exporter, checker, merges, *opened]
    workers += [scheduler, copier, new_rebuilder(shipper, connections.rebuild_store), *evaluators, *hub.workers]
    workers += [message_worker, email_worker, export_worker, *_reporters(settings, database, store, own_actions)]
    workers += _monitors(connections, pools, whole_disk, (signer, shipper, sequencer, *workers))
    return Services(
        settings=settings,
        disk=disk,
        connections=connections,
        pools=pools,
        authenticator=Authenticator(recording, rate_limit=limit, revision=access_revision.current, limits=limits),
        sign_in=SignIn(connections.requests, limits=limits),
        recorder=recorder,
        finder=finder,
        hub=hub,
        prover=prover,
        checker=checker,
        exporter=exporter,
        eraser=eraser,
        destination_context=destination_context,
        delivery_worker=message_worker,
        delivery_workers=(message_worker, email_worker, export_worker),
        data_access=data_access,
        bodies=Allowance(MOST_BODY_BYTES, "More arrives than can be read. Send the request again later.", "overloaded"),
        # The sequencer stops before the shipper and the signer: what waits is committed, shipped and signed.
        recording_workers=(signer, shipper, sequencer),
        workers=tuple(workers),
        preparations=(*(one.open for one in opened), eraser.replay_at_start, signer.open),
    )


def _sequencer(recording: Database, pool: Pool, redacted_keys: frozenset[str], geoip: GeoIP) -> Sequencer:
    find_address = geoip.find_address
    return Sequencer(recording, pool, redacted_keys=redacted_keys, find_address=find_address, read_cutoffs=read_cutoffs)


def _purger(settings: Settings, database: Database, store: EventStore, archive: Archive | None) -> Purger:
    warn = warner(settings, database, store)
    return Purger(database, store, warn, archive, is_erasing, mail_late=late_mail(settings), grace_us=GRACE_US)


def _shipper(settings: Settings, connections: Connections, disk: DiskSpace) -> Shipper:
    database, store = connections.background, connections.background_store
    limits = (settings.journal_tail_hours, settings.journal_tail_mb << 20)
    identity, late = connections.store_identity, partial(remove_late, database, store)
    return Shipper(database, store, identity, disk=disk, tail_limits=limits, remove_late=late)


def _reporters(
    settings: Settings, database: Database, store: EventStore, on_own_action: Callable[[], None]
) -> tuple[Worker, ...]:
    """The workers that learn and tell: baselines of alerts, counts of dropped events, reminders of reviews."""
    reminders: list[Worker] = []
    if settings.smtp_url:
        reminders = [
            ReminderWorker(database, settings.public_url, on_own_action),
            KeyWarner(database, settings.public_url),
        ]
    return BaselineWorker(database, store), DropReporter(database, on_own_action), *reminders


def _monitors(
    connections: Connections, pools: RequestPools, disk: DiskSpace, workers: Sequence[Worker]
) -> tuple[Worker, ...]:
    """The workers that measure what the metrics say of the databases, of the other workers, and of this process."""
    store_probe, database_probe = StoreProbe(connections.probe_store), DatabaseProbe(connections.background)
    measured = (*workers, store_probe, database_probe)
    monitor = ProcessMonitor(disk, connections.pools, pools, measured, store_probe, database_probe)
    return store_probe, database_probe, monitor


def _listen_to_commits(sequencer: Sequencer, hub: LiveHub, shipper: Shipper, evaluator: Evaluator) -> None:
    """Each is called after each commit with the organization and the new end of its log."""
    sequencer.listeners += [hub.notify, lambda _org, _end: shipper.wake(), lambda _org, _end: evaluator.wake()]


async def _find_held(
    pools: RequestPools, finder: Finder, org_id: UUID, event_ids: Sequence[bytes]
) -> Mapping[bytes, StoredEvent]:
    """The events of an import that the organization holds already, whatever the importing key may read."""
    scope = operator_scope(org_id)
    return await pools.searches.run(scope, finder.several, scope, event_ids)


def _exporter(
    settings: Settings, database: Database, store: EventStore, prover: Prover, recorder: Recorder, disk: DiskSpace
) -> Exporter:
    going = partial(deletion_state, database)
    maker = ReportBuilder(database, store, prover, settings.data_dir, settings.compliance_dir, going, disk)
    made = Exporter(
        database, store, prover, settings.data_dir, record_ranges=exported_ranges.add_ranges, deletions=going,
        builders={REPORT: maker.report, EVIDENCE: maker.evidence}, disk=disk,
        most_bytes=settings.exports_mb * 1_000_000,
    )  # fmt: skip
    made.on_own_action = recorder.own_actions_waiting
    made.is_recording = recorder.is_busy
    return made


def _archive(
    settings: Settings, database: Database, store: EventStore, prover: Prover, disk: DiskSpace
) -> Archive | None:
    kept = archive_storage(settings)
    return Archive(kept, settings.data_dir, database, store, prover, disk) if kept else None


def _eraser(settings: Settings, database: Database, store: EventStore, kept: Archive | None, copier: Copier) -> Eraser:
    archive_eraser, places = ArchiveEraser(kept) if kept else None, personal_data(database, settings.data_dir)
    return Eraser(database, store, settings.data_dir, places, archive_eraser, copier)


def _destination_context(settings: Settings) -> DestinationContext:
    """What deliveries need: the box of secrets, the guard of targets, and the mail server, if there is one."""
    mail_server = parse_mail_server(settings.smtp_url, settings.mail_from) if settings.smtp_url else None
    box = SecretBox(settings.secret_keys, destinations.c.sealed)
    return DestinationContext(box, Guard(settings.allowed_targets), mail_server)


def _export_mailer(settings: Settings, mail_server: MailServer | None) -> ExportMailer | None:
    """Sends scheduled exports by email, where a mail server is configured."""
    return None if mail_server is None else ExportMailer(mail_server, settings.secret_keys, settings.public_url)


@asynccontextmanager
async def running(services: Services) -> AsyncIterator[None]:
    """Open the databases, reconcile them, run the workers; at the end stop them in an order that loses nothing."""
    settings, database = services.settings, services.database
    settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    async with AsyncExitStack() as stack:
        stack.enter_context(lock_data_dir(settings.data_dir))
        refuse_interrupted(settings.data_dir)
        stack.callback(services.connections.close)
        stack.callback(services.finder.close)
        await database.run(refuse_lost_data, settings)
        with damage_named(settings.database_url):
            await database.run(_open, services)
        # A thread of its own: those of requests may all be busy.
        stop = partial(anyio.to_thread.run_sync, _stop, services, limiter=anyio.CapacityLimiter(1))
        stack.push_async_callback(stop)
        for worker in (*services.recording_workers, *services.workers):
            worker.start()
        services.hub.start()
        stack.callback(services.hub.close)
        yield


def begin_stop(services: Services, request_seconds: float) -> None:
    """Let all work end that no request waits for; called on the event loop before open requests are waited for.

    What still computes for a request after `request_seconds` is broken off.
    """
    services.hub.close()
    for worker in services.workers:
        worker.request_stop()
    asyncio.get_running_loop().call_later(request_seconds, services.pools.stopping.set)


def _stop(services: Services) -> None:
    """Stop the workers: first those that may still record actions, so that these are committed."""
    services.pools.stopping.set()
    stop_workers(services.workers, WORKER_SECONDS)
    for worker in reversed(services.recording_workers):
        worker.stop()


def _open(services: Services) -> None:
    # Before SQLite makes its two files: they get the modes of the database.
    close_to_others(services.settings)
    if services.settings.secret_keys.previous:
        logger.warning("previous_secret_key_accepted", advice="See tallystick doctor for what still needs it.")
    # The store first: one that this version cannot use is refused before the control database is changed.
    try:
        if not services.store.embedded:
            services.store.ping()  # waits for seconds, and then nothing else waits for a silent server
        services.store.open()
    except StoreError as error:
        if services.store.embedded and not isinstance(error, TableRefused):
            raise SettingsError(f"The event store cannot be opened: {error}") from error
        # A server may come later, an operator sets damage aside: recording goes on, and the shipper opens it then.
        logger.warning("store_not_open", error=str(error)[:500])
    upgrade(services.database)
    if services.database.is_sqlite:
        with services.database.write() as connection:
            leases.forget_all(connection)
            for worker in services.delivery_workers:
                worker.release_claims(connection, now_us())
    reconcile(services.database, services.store if services.connections.store_identity.is_accepted() else None)
    with services.database.read() as connection:
        revision = revision_of(connection)
        warn_of_lost(connection, services.settings.secret_keys)
    logger.info("started", version=__version__, revision=revision, settings=services.settings.masked_values())
    for prepare in services.preparations:
        prepare()
