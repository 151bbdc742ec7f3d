"""The services that handlers of the API use."""

from tallystick.access.authenticate import Authenticator
from tallystick.access.rate_limit import RateLimit
from tallystick.api.readiness import Readiness
from tallystick.data_access.recorder import DataAccessRecorder
from tallystick.database.engine import Database
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.erasure.eraser import Eraser
from tallystick.exports.exporter import Exporter
from tallystick.http.allowance import Allowance
from tallystick.ingest.recorder import Recorder
from tallystick.integrity.checker import Checker
from tallystick.ledger.prover import Prover
from tallystick.live.hub import LiveHub
from tallystick.search.find import Finder
from tallystick.settings import Settings
from tallystick.store.events import EventStore
from tallystick.work.disk_space import DiskSpace
from tallystick.work.fair_limiter import FairLimiter, Shares
from tallystick.work.request_pools import RequestPools

STREAMS = Shares(places=8, of_organization=3, of_principal=2, waiting=0)
PUBLIC_READS_PER_SECOND = 50  # by one address, of public logs and links


class ApiServices:
    """All services in one object, which a handler gets as one dependency.

    Litestar resolves several dependencies in a task group, which takes longer than the rest of a small request; it
    would also inspect a dataclass. `recording_database` is for what recording waits for, such as keys. `bodies` limits
    the bytes of requests being read; `streams` limits the results being streamed.
    """

    def __init__(
        self,
        settings: Settings,
        recording_database: Database,
        database: Database,
        pools: RequestPools,
        store: EventStore,
        authenticator: Authenticator,
        recorder: Recorder,
        finder: Finder,
        hub: LiveHub,
        prover: Prover,
        checker: Checker,
        eraser: Eraser,
        exporter: Exporter,
        destination_context: DestinationContext,
        delivery_worker: DeliveryWorker,
        bodies: Allowance,
        data_access: DataAccessRecorder,
        disk: DiskSpace,
    ) -> None:
        self.settings = settings
        self.store = store
        self.database = database
        self.recording_database = recording_database
        self.pools = pools
        self.authenticator = authenticator
        self.recorder = recorder
        self.finder = finder
        self.hub = hub
        self.prover = prover
        self.checker = checker
        self.eraser = eraser
        self.exporter = exporter
        self.destination_context = destination_context
        self.delivery_worker = delivery_worker
        self.public_reads = RateLimit(
            PUBLIC_READS_PER_SECOND, detail="This address sends too many requests. Wait before the next one."
        )
        self.readiness = Readiness(database, store, disk)
        self.bodies = bodies
        self.data_access = data_access
        self.streams = FairLimiter(STREAMS, "streams", busy="too_many_streams")
