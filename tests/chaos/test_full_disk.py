"""A small disk that is filled to the last byte at random moments under load: nothing acknowledged is lost."""

import random
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.retention.tables import prunings, purges
from tallystick.settings import Settings
from tests.fixtures.chaos_seed import chaos_seed
from tests.fixtures.recording_load import (
    RecordingLoad,
    Witness,
    ask_doctor,
    assert_complete,
    read_trail,
    wait_until_recording,
)
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import size
from tests.fixtures.small_disk import SmallDisk, mounted
from tests.fixtures.waiting import wait_until

ROUNDS = size(1, 20)
LEAST_FREE_MB = "4"  # so small that the disk does run full
WHOLE, STORE = "everything", "event store"  # what is on the small disk
PLACES = size(
    [("tmpfs", WHOLE), ("ext4", STORE)],
    [("tmpfs", WHOLE), ("tmpfs", STORE), ("ext4", WHOLE), ("ext4", STORE)],
)
WORK = ("nothing", "backup", "purge")  # beside shipments and merges, which never pause under this load
ENDINGS = ("goes on", "goes on", "goes on", "killed", "stopped", "started on the full disk")
PURGE_SECONDS = 15
EXPIRING, RETENTION_DAYS, EXPIRED = "expiring", 30, 1000
KEPT_DAYS = 3650  # the load is of 2024


class Installation:
    """A server with all of its data on a small disk, or with its event store there and the rest elsewhere."""

    def __init__(self, start_server: Starter, disk: SmallDisk, elsewhere: Path, what: str) -> None:
        self.disk, self.what = disk, what
        settings = {"TALLYSTICK_LEAST_FREE_MB": LEAST_FREE_MB, "TALLYSTICK_JOURNAL_TAIL_MB": "1"}
        if what == STORE:
            settings["TALLYSTICK_EVENTS_URL"] = f"chdb://{disk.place}/events"
        home = disk.place if what == WHOLE else elsewhere  # the server's log is there too
        self.server: Server = start_server(home=home, **settings)
        self.key = self.server.key(self.server.organization("acme", KEPT_DAYS))
        self.expiring = self.server.key(self.server.organization(EXPIRING, RETENTION_DAYS))
        self.database = Database(Settings.load(self.server.environ).database_url, pool_size=2)
        with self.database.read() as connection:
            self.expiring_id = organizations.by_slug(connection, EXPIRING).org_id
        self.witness = Witness()
        self.checked = -1  # up to which index everything is found
        self.outcomes: Counter[str] = Counter()

    def round(self, dice: random.Random) -> None:
        """Record under load while the disk is filled once; then everything that was acknowledged is found."""
        work, ending = dice.choice(WORK), dice.choice(ENDINGS)
        if work == "purge":
            self.let_expire()
        with RecordingLoad(self.server, self.key, self.witness, dice.random(), senders=2):
            time.sleep(dice.uniform(0.1, 1.2))
            with self.working(work, dice), self.disk.full():
                time.sleep(dice.uniform(0.1, 1.5))
                self.end(ending)
            if not self.is_running():
                self.server.start()
            time.sleep(dice.uniform(0, 0.5))
        through = wait_until_recording(self.server, self.key)
        assert_complete(self.server, self.key, self.witness, through, self.checked)
        self.checked = through
        self.outcomes[f"{ending}, beside it {work}"] += 1

    def is_running(self) -> bool:
        return self.server.process is not None and self.server.process.poll() is None

    def end(self, ending: str) -> None:
        """What happens to the server while the disk is full."""
        if ending == "stopped":
            self.server.stop()
        elif ending != "goes on":
            self.server.kill()
        if ending == "started on the full disk":
            with suppress(RuntimeError):  # it may refuse, and has to start once there is space
                self.server.start()
            self.outcomes["starts on a full disk" if self.is_running() else "does not start on a full disk"] += 1

    @contextmanager
    def working(self, work: str, dice: random.Random) -> Iterator[None]:
        """Begin with the work, and let the block begin at a random moment of it."""
        if work == "backup":
            with self.backing_up():
                time.sleep(dice.uniform(0.5, 2.5))  # the command needs a second to begin
                yield
            return
        if work == "purge":
            self.wait_for_purge()
            time.sleep(dice.uniform(0, 0.3))
        yield

    @contextmanager
    def backing_up(self) -> Iterator[None]:
        target = self.disk.place / f"backup-{time.time_ns()}"
        command = threading.Thread(
            target=self.server.command, args=("backup", "create", str(target)), kwargs={"check": False}
        )
        command.start()
        yield
        command.join()
        left = list(self.disk.place.glob("backup-*"))
        self.outcomes["backup made" if target in left else "backup refused"] += 1
        for folder in left:
            shutil.rmtree(folder)

    def let_expire(self) -> None:
        """Record events whose retention ends in a moment, and let the purge of their organization be due."""
        old = (datetime.now(UTC) - timedelta(days=RETENTION_DAYS, seconds=-1)).isoformat()
        events = [{"action": "user.login", "timestamp": old, "metadata": {"n": n}} for n in range(EXPIRED)]
        with self.server.client(self.expiring) as client:
            client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status()
        time.sleep(1)
        with self.database.write() as connection:
            connection.execute(update(purges).where(purges.c.org_id == self.expiring_id).values(next_run_at=0))

    def wait_for_purge(self) -> None:
        """Return when a deletion is planned, or is not: one that failed is tried again after minutes."""

        def is_planned() -> bool:
            with self.database.read() as connection:
                return bool(connection.execute(select(func.count()).select_from(prunings)).scalar_one())

        with suppress(AssertionError):
            wait_until(is_planned, PURGE_SECONDS)

    def close(self) -> None:
        self.database.close()


@pytest.fixture(params=PLACES, ids=lambda place: f"{place[0]}-{place[1].replace(' ', '-')}")
def installation(request: pytest.FixtureRequest, start_server: Starter, tmp_path: Path) -> Iterator[Installation]:
    kind, what = request.param
    with mounted(kind, tmp_path) as disk:
        made = Installation(start_server, disk, tmp_path, what)
        yield made
        made.server.stop()
        made.close()


@pytest.mark.full_size
def test_a_disk_that_is_filled_at_random_under_load_loses_nothing_that_was_acknowledged(
    installation: Installation,
) -> None:
    dice = random.Random(chaos_seed("1"))
    try:
        assert_said(installation)
        for _ in range(ROUNDS):
            installation.round(dice)
    finally:
        refusals = Counter(installation.witness.refusals)
        print(f"{len(installation.witness.answered)} events acknowledged; refused: {dict(refusals)}")
        print(dict(installation.outcomes))
    through = wait_until_recording(installation.server, installation.key)
    assert_complete(installation.server, installation.key, installation.witness, through)
    assert set(refusals) <= ({"disk_full"} if installation.what == WHOLE else set())
    found, missing = read_trail(installation.server, installation.expiring)
    assert not missing
    assert len(found) == len({one["index"] for one in found})
    installation.server.stop()
    assert "All" in installation.server.command("store", "check").stdout


def assert_said(installation: Installation) -> None:
    """A full disk is said by doctor, the log and the answers, as long as it is full."""
    server, place = installation.server, installation.disk.place
    with installation.disk.full(), server.client(installation.key) as client:
        said = ask_doctor(server)
        assert f"disk: 0.0 GB are free on the disk of {place}" in said

        def record() -> tuple[int, str]:
            answer = client.post("/v1/audit-logs", json={"action": "user.login"})
            return answer.status_code, answer.json().get("code", "")

        if installation.what == WHOLE:
            assert "Recording is refused" in said
            wait_until(lambda: record() == (503, "disk_full"))
        else:
            assert "New events are not searchable" in said
            assert record() == (201, "")
            server.wait_for_output("shipping_waits_for_disk_space")
    wait_until_recording(server, installation.expiring)  # the file system may give the space back a moment later
