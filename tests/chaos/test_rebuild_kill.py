"""The upgrade of an event store of the first release is killed five times while it runs, and ends right."""

import random
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from tests.backup.backup_driver import Recording, trail, verifies
from tests.fixtures.servers import Server, Starter

EVENTS = 50_000
KILLS = 5
SCHEMA = Path(__file__).parents[1] / "ingest" / "first_release" / "event_store.sql"
# In a process of its own, while no server runs: the rows go into a table that the first release's own statement makes.
TURN_BACK = """
import sys
from pathlib import Path
from tallystick.store.events import EventStore
from tallystick.store.schema import COLUMNS, CREATE_SETTINGS
store = EventStore(sys.argv[1])
create = Path(sys.argv[2]).read_text().split(";\\n")[0]
store.change(create.replace("EXISTS events", "EXISTS earlier"), settings=CREATE_SETTINGS)
columns = ", ".join(name for name, kind in COLUMNS if "EPHEMERAL" not in kind)
store.change(f"INSERT INTO earlier ({columns}) SELECT {columns} FROM events")
store.change("EXCHANGE TABLES events AND earlier")
store.change("DROP TABLE earlier SYNC")
print(store.version().version)
"""


def left_to_copy(server: Server) -> float:
    """How many events the rebuild has not copied; -1 while that is not known."""
    text = httpx.get(f"{server.url}/metrics").text
    lines = [line for line in text.splitlines() if line.startswith("tallystick_store_rebuild_left ")]
    return float(lines[0].split()[1]) if lines else -1


def doctor(server: Server) -> str:
    return server.command("doctor", check=False).stdout


@pytest.mark.full_size
def test_an_upgrade_that_is_killed_five_times_ends_with_every_event(
    start_server: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = start_server(home=tmp_path)
    server.organization("acme")
    key = server.key("acme")
    recording = Recording(server, key)
    for _ in range(EVENTS // 1000):
        recording.once(1000)
    before = trail(server, key)
    server.stop()
    arguments = [f"chdb://{server.data_dir}/events", str(SCHEMA)]
    turned = subprocess.run([sys.executable, "-c", TURN_BACK, *arguments], capture_output=True, text=True, check=True)
    assert turned.stdout.strip() == "1", turned.stderr

    dice = random.Random(759)
    for _ in range(KILLS):
        server.start()
        recording.once(20)
        time.sleep(dice.uniform(0.1, 3))
        server.kill()
    server.start()
    with recording.running():
        server.command("store", "rebuild")
    assert "being rebuilt" not in doctor(server)
    assert left_to_copy(server) == 0
    after = trail(server, key)
    assert after.items() >= before.items()
    assert after.items() >= recording.answered.items()
    assert verifies(server, key, monkeypatch)
    server.stop()
    assert "All" in server.command("store", "check").stdout
