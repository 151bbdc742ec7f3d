"""What the handlers of the API work with."""

from tallystick.access.authenticate import Authenticator
from tallystick.access.rate_limit import RateLimit
from tallystick.api.readiness import Readiness
from tallystick.database.engine import Database
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.erasure.eraser import Eraser
from tallystick.errors import Unavailable
from tallystick.exports.exporter import Exporter
from tallystick.ingest.recorder import Recorder
from tallystick.integrity.checker import Checker
from tallystick.ledger.prover import Prover
from tallystick.live.hub import LiveHub
from tallystick.search.find import Finder
from tallystick.settings import Settings
from tallystick.store.events import EventStore

MOST_BODY_BYTES = 256 << 20
PUBLIC_READS_PER_SECOND = 50  # of one address, of the logs that everybody may read


class Allowance:
    """So much of something that requests share. On the event loop only: nothing waits, nothing is locked."""

    def __init__(self, most: int, detail: str, code: str, *, retry_after: int = 1) -> None:
        self._left = most
        self._detail = detail
        self._code = code
        self._retry_after = retry_after

    def take(self, amount: int) -> None:
        """Unavailable when that much is not left; what was taken has to be given back."""
        if amount > self._left:
            raise Unavailable(self._detail, code=self._code, retry_after=self._retry_after)
        self._left -= amount

    def give_back(self, amount: int) -> None:
        self._left += amount


class ApiServices:
    """One object, so that a request gets it in one step: Litestar gathers several dependencies in a task
    group, which takes longer than all the rest of a small request. (A dataclass it would look through.)

    `bodies` are bytes of requests being read and recorded; `streams` are whole results being sent, each of
    which holds a client of the event store, so that some are left for everybody else.
    """

    def __init__(
        self,
        settings: Settings,
        database: Database,
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
    ) -> None:
        self.settings = settings
        self.store = store
        self.database = database
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
        self.public_reads = RateLimit(PUBLIC_READS_PER_SECOND, detail="This address asks more often than it may. Wait.")
        self.readiness = Readiness(database, store, settings.data_dir)
        self.bodies = Allowance(
            MOST_BODY_BYTES, "More is arriving than can be recorded. Send it again later.", "overloaded"
        )
        self.streams = Allowance(
            max(1, settings.events_clients // 2),
            "As many whole results are being sent as this server sends at once. Ask again later.",
            "too_many_streams",
            retry_after=10,
        )
