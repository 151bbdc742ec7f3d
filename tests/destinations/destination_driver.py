"""A delivery worker driven step by step at the times that a test says."""

from ipaddress import ip_network

from tallystick import clock
from tallystick.access import people
from tallystick.access.scopes import person_scope, user_principal
from tallystick.access.secret import SecretBox
from tallystick.clock import SECOND_US
from tallystick.destinations import changes, message_queue
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.destinations.destination import list_deliveries, show
from tallystick.destinations.message import Message
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.smtp import parse_mail_server
from tallystick.destinations.tables import destinations
from tallystick.search.scan import read_unstored
from tallystick.secret_keys import SecretKeys

LOCAL = Guard((ip_network("127.0.0.0/8"), "localhost"))
HOUR = 3600 * SECOND_US


class DeliveryDriver:
    """A worker with the queue of messages, and an organization that it delivers for."""

    def __init__(self, spine, guard: Guard = LOCAL, port: int | None = None, slug: str = "acme") -> None:
        self.spine = spine
        self.database = spine.database
        self.scope = spine.organization(slug if port is None else "mailed")
        server = None if port is None else parse_mail_server(f"smtp://127.0.0.1:{port}", "audit@example.com")
        self.context = DestinationContext(SecretBox(SecretKeys("secret"), destinations.c.sealed), guard, server)
        self.worker = DeliveryWorker(spine.database, MessageQueue(spine.database, self.context))
        self.now = clock.now_us()

    def make(self, url: str = "", kind: str = "webhook", **settings: object):
        settings = {"url": url, **settings} if url else settings
        with self.database.write() as connection:
            return changes.create(connection, self.scope, self.context, kind, "Ops", settings, now=self.now)

    def put(self, made, name: str = "alr_1", **more: object) -> None:
        with self.database.write() as connection:
            message_queue.enqueue(
                connection,
                made.destination.org_id,
                made.destination.destination_id,
                message(name, **more),
                now=self.now,
            )

    def go(self, later_us: int = 0) -> None:
        self.now += later_us
        while self.worker.step(self.now):
            self.worker.wait_for_attempts()

    def state(self, made) -> list[str]:
        with self.database.read() as connection:
            found = list_deliveries(connection, show(connection, self.scope, made.destination.public_id))
        return [one.state for one in found]

    def health(self, made):
        with self.database.read() as connection:
            return show(connection, self.scope, made.destination.public_id)

    def told(self) -> list[str]:
        """The actions in the trail."""
        self.spine.sequencer.tick([])
        end = self.spine.size(self.scope.org_id)
        return [record.action for _, record in read_unstored(self.database, self.scope, 0, end)]


def message(name: str = "alr_1", **more: object) -> Message:
    given = {
        "id": name, "type": "alert.fired", "at": 1_705_329_045_000_000, "title": "Deployment Failed",
        "sentence": "sarah@acme.com failed.", "severity": "warning",
        "facts": (("Project", "api-infrastructure"), ("User", "sarah@acme.com")),
        "links": (("Show the events", "https://audit.example/alerts/alr_1"),), "data": {"id": name},
    }  # fmt: skip
    return Message(**{**given, **more})


def owner_of(at: DeliveryDriver):
    with at.database.write() as connection:
        member = people.create(connection, at.scope, "maya@acme.com", "owner", now=clock.now_us(), name="Maya")
    return person_scope(at.scope.org_id, user_principal(member.user_id, "maya@acme.com", "Maya"), "owner")
