"""The table of events as an earlier version may have left it."""

import hashlib
import subprocess
import sys
from pathlib import Path

from tallystick.store.schema import CREATE_EVENTS, STORE_VERSION

# In a process of its own: one process holds one data path, and this one must begin with a foreign table.
OPENED = """
import sys
from tallystick.errors import SettingsError
from tallystick.store.clients import Bounds, Clients
from tallystick.store.events import EventStore

url = sys.argv[1]
clients = Clients(url, Bounds(clients=1))
with clients.borrow() as client:
    client.command("CREATE TABLE events (org_id UUID, other String) ENGINE = MergeTree ORDER BY org_id")
clients.close()
store = EventStore(url)
try:
    store.open()
except SettingsError as error:
    print(error)
"""


def test_a_store_with_other_columns_is_left_alone_and_the_error_says_what_to_do(tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPENED, f"chdb://{tmp_path}/events"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert "was not made by Tallystick" in done.stdout, done.stderr


EARLIER = """
import sys
from tallystick.store.events import EventStore
from tallystick.store.schema import TABLE_SETTINGS
store = EventStore(sys.argv[1])
store.open()
store.change("ALTER TABLE events RESET SETTING min_rows_to_fsync_after_merge")
store.open()
made = store.rows("SELECT create_table_query FROM system.tables WHERE name = 'events'", {})[0][0]
print(all(f"{name} = {value}" in made for name, value in TABLE_SETTINGS.items()))
made = store.rows("SELECT create_table_query FROM system.tables WHERE name = 'store_identity'", {})[0][0]
print("fsync_after_insert = 1" in made)
"""


def test_a_store_of_an_earlier_version_gets_the_settings_of_this_one_and_its_id_is_synchronized(tmp_path: Path) -> None:
    command = [sys.executable, "-c", EARLIER, f"chdb://{tmp_path}/events"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert done.stdout.split() == ["True", "True"], done.stderr


def test_every_change_of_the_table_has_a_version_of_its_own() -> None:
    """Where this fails, raise STORE_VERSION and write the new digest here: stores are then rebuilt."""
    digest = hashlib.sha256(CREATE_EVENTS.encode()).hexdigest()[:16]
    assert {STORE_VERSION: digest} == {3: "45e381e256742134"}
