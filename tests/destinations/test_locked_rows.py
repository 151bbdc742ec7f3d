"""A row of one organization that another transaction keeps locked: deliveries and alerts of all others go on."""

from contextlib import contextmanager

import pytest
from sqlalchemy import select

from tallystick.access.organizations import lock_row
from tallystick.alerts.evaluator import Evaluator
from tallystick.alerts.tables import alert_positions
from tallystick.clock import DAY_US, SECOND_US
from tallystick.database.engine import Database
from tallystick.database.postgresql import Patience
from tallystick.destinations import email_queue
from tallystick.destinations.delivery_worker import LOCK_PAUSE_SECONDS, DeliveryWorker
from tallystick.destinations.email_queue import EmailQueue
from tallystick.destinations.email_templates import Email
from tallystick.destinations.message_queue import MessageQueue
from tallystick.destinations.smtp import parse_mail_server
from tallystick.destinations.tables import deliveries, destinations, mails
from tallystick.journal.recent import Recent
from tests.alerts.rule_driver import URL, Watch, failed
from tests.destinations.destination_driver import DeliveryDriver
from tests.destinations.mail_server import open_mailbox
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import ScheduleDriver, at, owner, schedule

EMAIL = Email("Subject", "text", "<p>text</p>")


@pytest.fixture
def spine(postgresql_database, store, tmp_path):
    """Recording on PostgreSQL, the only one of the two that locks single rows."""
    made = Spine(postgresql_database, store, tmp_path)
    yield made
    made.close()


@pytest.fixture
def impatient(postgresql_url):
    """The database as background work opens it."""
    opened = Database(postgresql_url, patience=Patience(lock=0.2))
    yield opened
    opened.close()


@contextmanager
def locked(database, table, org_id):
    """All rows of the organization are locked meanwhile."""
    with database.write() as connection:
        if table is None:
            lock_row(connection, org_id)
        else:
            connection.execute(select(table.c.org_id).where(table.c.org_id == org_id).with_for_update()).all()
        yield


@pytest.mark.parametrize("table", [destinations, deliveries])
def test_messages_of_others_are_sent_and_those_of_the_organization_later(spine, impatient, receiver, table):
    stuck, free = DeliveryDriver(spine, slug="stuck"), DeliveryDriver(spine, slug="free")
    worker = DeliveryWorker(impatient, MessageQueue(impatient, stuck.context))
    blocked = [stuck.make(receiver.url) for _ in range(3)]
    for one in blocked:
        stuck.put(one)
    other = free.make(receiver.url)
    now = max(stuck.now, free.now)

    def deliver(moment):
        for _ in range(3):
            worker.step(moment)
            worker.wait_for_attempts()

    with locked(spine.database, table, stuck.scope.org_id):
        free.put(other)
        deliver(now)
        assert free.state(other) == ["sent"]
        free.put(other, "alr_2")
        deliver(now + SECOND_US)
        assert free.state(other) == ["sent", "sent"]
    deliver(now + (LOCK_PAUSE_SECONDS + 2) * SECOND_US)
    assert [stuck.state(one) for one in blocked] == [["sent"]] * 3
    worker.close()
    assert len(receiver.requests) == 5, "none was sent twice"


def test_emails_of_others_are_sent(spine, impatient):
    stuck, free = DeliveryDriver(spine, slug="stuck"), DeliveryDriver(spine, slug="free")
    now = max(stuck.now, free.now)
    with spine.database.write() as connection:
        for org_id in (stuck.scope.org_id, free.scope.org_id):
            email_queue.enqueue(connection, org_id, f"{org_id.hex}@acme.com", EMAIL, now=now)
    with open_mailbox() as (mailbox, port), locked(spine.database, mails, stuck.scope.org_id):
        worker = DeliveryWorker(impatient, EmailQueue(parse_mail_server(f"smtp://127.0.0.1:{port}", "a@example.com")))
        worker.step(now)
        worker.close()
    assert [recipients for recipients, _ in mailbox.messages] == [[f"{free.scope.org_id.hex}@acme.com"]]


def test_schedules_of_others_run_and_their_files_are_sent(spine, impatient, tmp_path):
    now = at("2024-03-04 12:00")
    stuck = spine.organization("stuck")
    tom = owner(spine, stuck, "tom@stuck.com")
    for _ in range(5):
        schedule(spine, tom, now)
    free = owner(spine, spine.organization("free"), "maya@free.com")
    schedule(spine, free, now)
    with open_mailbox() as (mailbox, port):
        spine.database, own = impatient, spine.database
        driver = ScheduleDriver(spine, tmp_path, port)
        spine.database = own
        with locked(own, None, stuck.org_id):
            for _ in range(20):
                driver.scheduler.step(now + DAY_US)
                spine.sequencer.tick([])
                spine.ship()
                driver.exporter.step()
                driver.deliver(now + DAY_US)
        assert [recipients for recipients, _ in mailbox.messages] == [["maya@free.com"]]


def test_alerts_of_others_fire(spine, impatient):
    watch = Watch(spine)
    stuck, free = spine.organization("stuck"), spine.organization("free")
    watch.settle()
    watch.evaluator.stop()
    evaluator = Evaluator(impatient, spine.store, Recent(), URL, lambda: None, lambda: None)
    for scope in (stuck, free):
        spine.record(scope, *[failed(number) for number in range(5)])
    with locked(spine.database, alert_positions, stuck.org_id):
        evaluator.step()
        assert [one.detection for one in watch.alerts(free)] == ["failed_sign_ins"]
    evaluator.stop()
    watch.settle()
    assert [one.detection for one in watch.alerts(stuck)] == ["failed_sign_ins"]
