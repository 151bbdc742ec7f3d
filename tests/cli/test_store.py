"""`tallystick store restore-range` and `accept-loss`, by themselves and through the server that has the store open."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select

from tallystick import clock
from tallystick.backup.create import create_backup
from tallystick.backup.data_dir_lock import lock_data_dir
from tallystick.ids import new_uuid
from tallystick.integrity.missing_events import MissingEvents
from tallystick.integrity.store_requests import StoreRequestWorker
from tallystick.integrity.tables import store_requests
from tallystick.journal.missing_ranges import count_missing
from tallystick.query.scope import Scope
from tallystick.settings import Settings
from tests.cli.running import Done, run_here
from tests.fixtures.spine import Spine
from tests.fixtures.waiting import wait_until
from tests.integrity.lost_events import COUNT, organization


class Operator:
    """An installation that lost events of its organization and has a backup."""

    def __init__(self, spine: Spine, folder: Path, events_url: str) -> None:
        self.spine = spine
        self.environ = {"TALLYSTICK_DATA_DIR": str(folder), "TALLYSTICK_EVENTS_URL": events_url}
        self.settings = Settings.load(self.environ)
        self.scope: Scope = organization(spine)
        self.copy = str(folder / "copy")
        create_backup(spine.database, spine.store, Path(self.copy), new_uuid(clock.now_us()), lambda _done, _all: None)

    def lose(self, *indexes: int) -> None:
        self.spine.lose(self.scope, indexes)
        MissingEvents(self.spine.database, self.spine.store).step()

    def run(self, *arguments: str, answer: str = "") -> Done:
        return run_here("store", *arguments, environ=self.environ, input_text=answer)

    @contextmanager
    def server(self) -> Iterator[None]:
        """What a running server does: it holds the data directory, and carries out what is asked of it."""
        spine, stopping = self.spine, threading.Event()
        worker = StoreRequestWorker(spine.database, spine.store, spine.identity, self.settings)
        worker.open()

        def work() -> None:
            while not stopping.wait(0.02):
                worker.step()

        thread = threading.Thread(target=work)
        with lock_data_dir(self.settings.data_dir):
            thread.start()
            try:
                yield
            finally:
                stopping.set()
                thread.join()

    def requests(self) -> list[str]:
        """The states of the requests to the server."""
        with self.spine.database.read() as connection:
            return list(connection.execute(select(store_requests.c.state)).scalars())

    def missing(self) -> int:
        with self.spine.database.read() as connection:
            return count_missing(connection).get(self.scope.org_id, 0)


@pytest.fixture
def operator(sqlite_spine: Spine, tmp_path: Path, events_url: str) -> Operator:
    return Operator(sqlite_spine, tmp_path, events_url)


def test_missing_events_come_back_without_a_server(operator: Operator) -> None:
    operator.lose(3, 4, 5)
    done = operator.run("restore-range", operator.copy)
    assert done.stdout == "acme: 3 of 3 missing events came back.\n"
    assert (done.returncode, operator.missing()) == (0, 0)
    assert operator.run("restore-range", operator.copy).stdout == "No event is missing.\n"


def test_missing_events_come_back_through_the_server_that_runs(operator: Operator) -> None:
    operator.lose(3, 4, 5)
    with operator.server():
        done = operator.run("restore-range", operator.copy, "--org", "acme", "--range", "4-5", "--json")
        said = json.loads(done.stdout.splitlines()[-1])  # after the log of this process, which is the server's too
        assert [(one["slug"], one["restored"], one["left"]) for one in said] == [("acme", 2, [[3, 3, 1]])]
        assert done.returncode == 1
        failed = operator.run("restore-range", "/nowhere")
        assert (failed.returncode, "/nowhere is no backup" in failed.stderr) == (1, True)


def test_what_the_copy_does_not_hold_is_said_with_the_status_1(operator: Operator) -> None:
    operator.spine.record(operator.scope, {"action": "user.logout"})
    operator.spine.ship()
    operator.lose(3, COUNT)
    done = operator.run("restore-range", operator.copy)
    assert done.stdout == f"acme: 1 of 2 missing events came back. 1 are missing still, at {COUNT}\n"
    assert done.returncode == 1


def test_a_loss_is_accepted_after_a_question_alone(operator: Operator) -> None:
    operator.lose(3)
    assert operator.run("accept-loss", "3", "--org", "acme", answer="n\n").returncode == 1
    assert operator.missing() == 1
    with operator.server():
        done = operator.run("accept-loss", "0-9", "--org", "acme", answer="y\n")
    assert done.stdout.splitlines()[-1] == "acme: 1 event accepted as lost. 0 are missing still."
    assert operator.missing() == 0
    again = operator.run("accept-loss", "0-9", "--org", "acme", "--yes")
    assert "No event of acme is missing" in again.stderr


def test_ranges_are_read_as_doctor_writes_them(operator: Operator) -> None:
    for wrong in ("three", "-", "3-", "5-3", "3-4-5"):
        done = operator.run("accept-loss", "--org", "acme", "--yes", "--", wrong)
        assert f"{wrong} is no range of indexes" in done.stderr, wrong
    assert "--range needs --org" in operator.run("restore-range", operator.copy, "--range", "3").stderr


def test_a_request_of_a_server_that_died_is_not_carried_out_later(operator: Operator) -> None:
    operator.lose(3)
    worker = StoreRequestWorker(
        operator.spine.database, operator.spine.store, operator.spine.identity, operator.settings
    )

    def start_again() -> None:
        wait_until(operator.requests)
        worker.open()

    with lock_data_dir(operator.settings.data_dir):
        later = threading.Thread(target=start_again)
        later.start()
        done = operator.run("restore-range", operator.copy)
        later.join()
    assert "the server was stopped meanwhile" in done.stderr
    assert not worker.step()
