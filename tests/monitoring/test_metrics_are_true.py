"""The metrics say what is so: while the event store is down or hangs, while work fails or stands, on every node."""

import threading
import time
from uuid import uuid4

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError

from tallystick import telemetry
from tallystick.backup.tables import backups
from tallystick.clock import DAY_US, SECOND_US, now_us
from tallystick.destinations.tables import mails
from tallystick.ledger.keys import Keyring
from tallystick.ledger.signer import Signer
from tallystick.monitoring import probe
from tallystick.monitoring.database_probe import DatabaseProbe
from tallystick.monitoring.lag import LagClock
from tallystick.monitoring.process_monitor import ProcessMonitor
from tallystick.monitoring.store_probe import StoreProbe
from tallystick.schedules.tables import export_schedules
from tallystick.secret_keys import SecretKeys
from tallystick.store.errors import StoreError
from tallystick.work.background import Background
from tallystick.work.disk_space import DiskSpace
from tallystick.work.request_pools import RequestPools
from tests.fixtures.waiting import wait_until

pytestmark = pytest.mark.one_engine
SECONDS = 10.0  # by then everything has happened, on the slowest machine


def value(name: str, **labels: str) -> float | None:
    return telemetry.registry.get_sample_value(f"tallystick_{name}", labels)


class Store:
    """An event store that answers, hangs or fails, as told."""

    def __init__(self):
        self.answers = threading.Event()
        self.answers.set()
        self.fails = False

    def ping(self):
        self.answers.wait(SECONDS)
        if self.fails:
            raise StoreError("no route")

    def rows(self, *_arguments, **_options):
        return []


class Failing(Background):
    def step(self):
        raise OSError("no space")


@pytest.fixture
def monitor(tmp_path, sqlite_database):
    """A function that makes the monitor of one process with these workers, and more pools."""

    def make(store_probe, *workers, **more):
        pools = RequestPools(2)
        database_probe = DatabaseProbe(sqlite_database)
        disk = DiskSpace(tmp_path, 123)
        connections = {"database_requests": sqlite_database, **more}
        return ProcessMonitor(disk, connections, pools, workers, store_probe, database_probe)

    return make


@pytest.mark.both_engines
def test_events_that_no_store_took_are_behind_on_a_node_that_ships_nothing(spine):
    acme = spine.organization()
    spine.record(acme, *({"action": "user.login"} for _ in range(7)))
    DatabaseProbe(spine.database).step()
    behind = spine.size(acme.org_id)
    assert (value("searchable_lag_events"), value("journal_events"), value("alerts_lag_events")) == (behind,) * 3
    assert value("journal_bytes") > 0
    spine.ship()
    DatabaseProbe(spine.database).step()
    assert (value("searchable_lag_events"), value("journal_events")) == (0, 0)


def test_a_lag_is_the_time_since_the_log_was_where_the_follower_is_not_yet():
    lag, org_id = LagClock(), uuid4()
    assert lag.seconds({org_id: (0, 10)}, 100.0) == 0
    assert lag.seconds({org_id: (5, 500)}, 160.0) == 60
    assert lag.seconds({org_id: (10, 900)}, 170.0) == 0  # it reached what there was, and has a new target
    assert lag.seconds({org_id: (899, 2000)}, 180.0) == 10
    assert lag.seconds({}, 190.0) == 0


def test_a_store_that_hangs_is_down_and_delays_no_other_metric(monitor, monkeypatch):
    store = Store()
    asked = StoreProbe(store)
    measured = monitor(asked)
    asked.start()
    try:
        wait_until(asked.is_answering)
        store.answers.clear()
        asked.wake()
        wait_until(lambda: asked.step_began_at is not None)
        monkeypatch.setattr(probe, "PATIENCE_SECONDS", 0.0)
        measured.step()
        assert value("store_up") == 0
        assert value("disk_least_free_bytes") == 123
        monkeypatch.setattr(probe, "PATIENCE_SECONDS", SECONDS)
        store.answers.set()
        wait_until(asked.is_answering)
        measured.step()
        assert value("store_up") == 1
    finally:
        store.answers.set()
        asked.stop()


def test_a_store_that_fails_is_down(monitor):
    store = Store()
    asked = StoreProbe(store)
    asked.try_step()
    assert asked.is_answering()
    store.fails = True
    asked.try_step()
    monitor(asked).step()
    assert value("store_up") == 0


def test_background_work_that_fails_or_stands_is_told_by_name(monitor):
    failing, standing = Failing("failing_work", idle_seconds=0.01), StoreProbe(Store())
    standing.step_began_at = time.monotonic() - 1000
    failing.start()
    wait_until(lambda: failing.failures > 2)
    monitor(standing, failing, standing).step()
    failing.stop()
    assert value("background_failing", worker="failing_work") > 2
    assert value("background_failures_total", worker="failing_work") > 2
    assert value("background_step_seconds", worker="store_probe") >= 1000
    assert value("background_step_seconds", worker="failing_work") < 1000


def test_the_node_that_holds_a_lease_has_the_role(monitor, spine):
    shipper = spine.shipper
    measured = monitor(StoreProbe(Store()), shipper)
    measured.step()
    assert value("node_role", role="shipping") == 0
    spine.ship()
    measured.step()
    assert value("node_role", role="shipping") == 1
    shipper.close()
    measured.step()
    assert value("node_role", role="shipping") == 0


def test_a_sequencer_whose_database_fails_is_told_by_name(monitor, spine, monkeypatch):
    sequencer = spine.sequencer

    def fail(*_arguments):
        raise SQLAlchemyError("gone")

    monkeypatch.setattr("tallystick.outbox.write.organizations_waiting", fail)
    wait_until(lambda: spine.pool.poke() or sequencer.failures > 2)
    monitor(StoreProbe(Store()), sequencer).step()
    assert value("background_failing", worker="sequencer") > 2
    monkeypatch.undo()
    wait_until(lambda: spine.pool.poke() or sequencer.failures == 0)


def test_connections_in_use_are_counted(monitor, sqlite_database, spine):
    measured = monitor(StoreProbe(Store()), store_requests=spine.store)
    with sqlite_database.read(), spine.store._readers.borrow():
        measured.step()
    assert (value("pool_used", pool="store_requests"), value("pool_size", pool="store_requests")) == (1, 3)
    assert (value("pool_used", pool="database_requests"), value("pool_size", pool="database_requests")) == (1, 16)
    assert value("pool_used", pool="searches") == 0


def test_mails_schedules_and_backups_are_measured_from_the_database(sqlite_database):
    now, org_id = now_us(), uuid4()
    mail = {
        "org_id": org_id, "recipient": "", "subject": "", "text": "", "html": "", "attempts": 3, "problem": "",
        "next_at": now,
    }  # fmt: skip
    schedule = {
        "org_id": org_id, "schedule_id": uuid4(), "name": "", "frequency": "day", "at": "07:30", "weekday": 0, "day": 1,
        "zone": "UTC", "format": "csv", "filter": "{}", "mode": "new", "enabled": True, "stopped": "", "by_kind": "",
        "by_id": "", "by_name": "", "by_email": "", "by_role": "", "made_at": now, "next_at": now - 60 * SECOND_US,
    }  # fmt: skip
    with sqlite_database.write() as connection:
        made = now - 100 * SECOND_US
        states = (("waiting", made, None), ("given_up", made, now), ("given_up", made, now - 2 * DAY_US))
        for state, made_at, finished_at in states:
            row = mail | {"mail_id": uuid4(), "state": state, "made_at": made_at, "finished_at": finished_at}
            connection.execute(insert(mails).values(row))
        connection.execute(insert(export_schedules).values(schedule))
        connection.execute(
            insert(backups).values(
                backup_id=uuid4(), directory="", state="done", wanted_at=now, finished_at=now, events=0, of_events=0,
                detail="",
            )
        )  # fmt: skip
    DatabaseProbe(sqlite_database).step()
    assert (value("deliveries_waiting", queue="emails"), value("deliveries_given_up", queue="emails")) == (1, 1)
    assert value("deliveries_oldest_seconds", queue="emails") >= 100
    assert value("deliveries_waiting", queue="messages") == 0
    assert value("schedules_late_seconds") >= 60
    assert value("last_backup_timestamp_seconds") == now // SECOND_US


def test_a_checkpoint_that_cannot_be_signed_is_counted(spine, tmp_path):
    acme = spine.organization()

    def signer(secret):
        return Signer(spine.database, Keyring(SecretKeys(secret), "audit.example.com"), tmp_path)

    signer("a" * 64).checkpoint(acme.org_id)
    spine.record(acme, {"action": "user.login"})
    before = value("signing_failures_total")
    signer("b" * 64).try_step()
    assert value("signing_failures_total") == before + 1
