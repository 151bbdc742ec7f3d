"""Schedules driven step by step through simulated time, and the mail that a real server took of them."""

import csv
import email
import io
import json
import re
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from sqlalchemy import select

from tallystick import clock
from tallystick.access import people
from tallystick.access.scopes import person_scope, user_principal
from tallystick.clock import to_us
from tallystick.destinations.delivery_worker import DeliveryWorker
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.smtp import parse_mail_server
from tallystick.exports.exporter import Exporter
from tallystick.query.scope import Scope
from tallystick.schedules import changes
from tallystick.schedules.changes import ScheduleSettings
from tallystick.schedules.export_email import ExportMailer
from tallystick.schedules.export_queue import ExportQueue
from tallystick.schedules.schedule import Schedule, show
from tallystick.schedules.scheduler import Scheduler, schedule_lease
from tallystick.schedules.tables import schedule_deliveries
from tallystick.secret_keys import SecretKeys
from tests.exports.export_driver import exporter
from tests.fixtures.spine import Spine

URL = "https://audit.example"


def at(text: str) -> int:
    """A UTC time such as `2024-03-09 12:00` in microseconds."""
    return to_us(datetime.fromisoformat(text).replace(tzinfo=UTC))


class ScheduleDriver:
    """The exporter, the scheduler and the deliveries of one process, at the times that a test says."""

    def __init__(self, spine: Spine, data_dir: Path, port: int | None = None, place: FileStorage | None = None) -> None:
        self.spine = spine
        self.exporter: Exporter = exporter(spine, data_dir)
        server = None if port is None else parse_mail_server(f"smtp://127.0.0.1:{port}", "audit@example.com")
        mailer = None if server is None else ExportMailer(server, SecretKeys("secret"), URL)
        lease = schedule_lease(spine.database)
        self.queue = ExportQueue(spine.database, self.exporter, lease, mailer, place)
        self.worker = DeliveryWorker(spine.database, self.queue)
        self.scheduler = Scheduler(spine.database, self.exporter, lease)

    def deliver(self, now: int) -> bool:
        """One step of the worker; whether it did anything."""
        worked = self.worker.step(now)
        self.worker.wait_for_attempts()
        return worked

    def settle(self, now: int, steps: int = 200) -> None:
        """Everything that can be done at `now`; what it told the trail is recorded then."""
        for _ in range(steps):
            self.spine.sequencer.tick([])
            self.spine.ship()
            if not (self.scheduler.step(now) or self.exporter.step() or self.deliver(now)):
                self.spine.sequencer.tick([])
                self.spine.ship()
                return
        raise AssertionError("it does not come to rest")


def owner(spine: Spine, scope: Scope, address: str = "maya@acme.com", role: str = "owner") -> Scope:
    """A new person of the organization, and what they may do."""
    with spine.database.write() as connection:
        member = people.create(connection, scope, address, role, now=clock.now_us(), name="Somebody")
    return person_scope(scope.org_id, user_principal(member.user_id, address, "Somebody"), role)


def schedule(spine: Spine, scope: Scope, now: int, **more: Any) -> Schedule:
    """A new schedule: daily at 07:30 UTC to whoever makes it, unless it is said otherwise."""
    wanted = {"name": "Nightly", "frequency": "daily", "at": "07:30", "format": "ndjson"} | more
    wanted.setdefault("recipients", [scope.principal.email])
    with spine.database.write() as connection:
        return changes.create(connection, scope, ScheduleSettings(**wanted), now=now)


def shown(spine: Spine, scope: Scope, public_id: str) -> Schedule:
    with spine.database.read() as connection:
        return show(connection, scope, public_id)


def deliveries(spine: Spine) -> list[Any]:
    with spine.database.read() as connection:
        return list(connection.execute(select(schedule_deliveries).order_by(schedule_deliveries.c.run_id)))


def mail_of(content: bytes) -> EmailMessage:
    message = email.message_from_bytes(content, policy=default)
    assert isinstance(message, EmailMessage)
    return message


def text_of(message: EmailMessage) -> str:
    part = message.get_body(("plain",))
    assert part is not None
    return str(part.get_content())


def attached(message: EmailMessage) -> bytes | None:
    """The file of a mail; None when it has a link."""
    for part in message.iter_attachments():
        content = part.get_payload(decode=True)
        assert isinstance(content, bytes)
        return content
    return None


def token_in(message: EmailMessage, path: str) -> str:
    """What stands behind a path in a link of the text."""
    found = re.search(rf"{URL}{path}/([\w-]+)", text_of(message))
    assert found is not None, text_of(message)
    return found[1]


def indexes(content: bytes) -> list[int]:
    """The events of an NDJSON file."""
    return sorted(json.loads(line)["index"] for line in content.splitlines())


def lines(content: bytes) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(content.decode(), newline="")))
