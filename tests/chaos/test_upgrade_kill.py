"""The upgrade of an installation of the first release is killed again and again while it runs, and ends right.

What the first release's own server recorded, and what it answered, is compared with what this version answers. In
`make test` that is the recorded data directory with 3,000 events. `make chaos` lets a server of that commit record
50,000, where the history of the repository has the commit, and upgrades the recorded one where it has not.
"""

import io
import random
import sqlite3
import subprocess
import sys
import time
from base64 import b64decode
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tallystick.store.schema import STORE_VERSION
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tests.backup.backup_driver import Recording, trail, verifies
from tests.chaos import first_release
from tests.chaos.first_release import BIG, HOLDING, PERSON, make_export
from tests.chaos.first_release_answers import after_cursor, answers, content_of, is_still_said, said_by
from tests.fixtures.servers import Server, Starter
from tests.fixtures.sizes import FULL, size
from tests.fixtures.waiting import wait_until

EVENTS = 50_000
KILLS = size(2, 5)
LONGEST = size(1.0, 4.0)  # seconds from the begin of the rebuild, or a start in the middle of it, to a kill
WAIT_SECONDS = 600
# In a process of its own, while no server runs: the columns of every row are searched for the erased person.
LEFT = """
import sys
from tallystick.store.events import EventStore
store = EventStore(sys.argv[1])
tables = store.rows("SELECT name FROM system.tables WHERE database = currentDatabase() AND name LIKE 'events%'", {})
stored = "database = currentDatabase() AND table = 'events' AND default_kind != 'EPHEMERAL'"
columns = store.rows(f"SELECT name FROM system.columns WHERE {stored}", {})
row = "concat(" + ", '|', ".join(f"toString({name})" for (name,) in columns) + ")"
found = f"SELECT DISTINCT toString(org_id) FROM events WHERE position({row}, '{sys.argv[2]}') > 0"
print(store.version().version, *[name for (name,) in tables], *[org_id for (org_id,) in store.rows(found, {})])
"""


def first_release_home(start_server: Starter, home: Path) -> dict[str, Any]:
    """An installation of the first release in a folder; what its server said."""
    source = first_release.checkout(home / "source") if FULL else None
    if source is None:
        return first_release.unpack(home)
    server = start_server(home=home, PYTHONPATH=str(source))
    said = said_by(server, first_release.record(server, EVENTS))
    server.stop()
    return said


def state(server: Server) -> str:
    """The state of the rebuild, "" before it has begun."""
    with sqlite3.connect(server.data_dir / "tallystick.db") as database:
        row = database.execute("SELECT state FROM store_rebuilds ORDER BY wanted_at DESC").fetchone()
    return row[0] if row else ""


def wait_for_rebuild(server: Server) -> None:
    """Wait until the rebuild has begun."""
    wait_until(lambda: state(server) in ("running", "done"), WAIT_SECONDS)


def assert_kept_things_hold(server: Server, key: str, end: str, kept: dict[str, Any]) -> None:
    """A cursor goes on, proofs and the bundle are verified, and a bundle made now has the same bytes."""
    keys = [Key.read(kept["key"])]
    bundle = b64decode(kept["bundle"])
    report = Report("kept")
    check_bundle(io.BytesIO(bundle), keys, report)
    for proof in kept["proofs"]:
        check_proof(proof, keys, report)
    assert report.holds, report
    with server.client(key) as client:
        assert after_cursor(client, end, kept["cursor"]) == kept["after_cursor"]
        assert client.get("/v1/ledger/key").text.strip() == kept["key"]
        again = client.get(f"/v1/exports/{make_export(client, 'bundle')}/download").content
    assert content_of(again) == content_of(bundle)
    check_bundle(io.BytesIO(again), keys, report)
    assert report.holds, report


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What is not answered as it was."""
    return [
        name for name, value in before.items()
        if not is_still_said(*(COMPARED.get(name, _as_said)(one) for one in (value, after[name])))
    ]  # fmt: skip


def _as_said(answer: Any) -> Any:
    return answer


def _single_values(facets: list[dict[str, Any]]) -> list[list[tuple[int, str]]]:
    """The counts of the fields of which an event has one value: of the others it counts under each today."""
    return [
        sorted((one["count"], one["value"]) for one in facet["values"])
        for facet in facets if facet["field"] in ("action", "ip")
    ]  # fmt: skip


def _sums(histogram: dict[str, Any]) -> dict[str, int]:
    """The numbers of all intervals together, which begin with calendar months today."""
    return {status: sum(bucket[status] for bucket in histogram["buckets"]) for status in ("success", "failed")}


COMPARED = {"facets": _single_values, "histogram": _sums}


@pytest.mark.full_size
def test_an_upgrade_from_the_first_release_that_is_killed_answers_and_proves_the_same(
    start_server: Starter, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = first_release_home(start_server, tmp_path)
    keys = {slug: both[0] for slug, both in said["keys"].items()}
    seed = random.SystemRandom().randrange(1 << 32)
    dice = random.Random(seed)
    server = start_server(home=tmp_path)
    recording, hits = Recording(server, keys[HOLDING]), 0
    for _ in range(KILLS):
        recording.once(20)
        wait_for_rebuild(server)
        time.sleep(dice.uniform(0, LONGEST))
        server.kill()
        hits += state(server) == "running"
        server.start()
    print(f"seed {seed}: {hits} of {KILLS} kills were during the rebuild")
    with recording.running():
        server.command("store", "rebuild")
    assert "being rebuilt" not in server.command("doctor", check=False).stdout

    assert trail(server, keys[HOLDING]).items() >= recording.answered.items()
    for slug, key in keys.items():
        with server.client(key) as client:
            assert differing(said["answers"][slug], answers(client, said["end"], is_small=slug not in BIG)) == [], slug
    for slug in size((HOLDING,), BIG):
        assert_kept_things_hold(server, keys[slug], said["end"], said["kept"][slug])
    assert verifies(server, keys[HOLDING], monkeypatch)
    server.stop()
    assert "All" in server.command("store", "check").stdout
    found = subprocess.run(
        [sys.executable, "-c", LEFT, f"chdb://{server.data_dir}/events", PERSON],
        capture_output=True, text=True, check=True, env=server.environ,
    )  # fmt: skip
    with sqlite3.connect(server.data_dir / "tallystick.db") as database:
        known = {slug: str(UUID(org_id)) for slug, org_id in database.execute("SELECT slug, org_id FROM organizations")}
    version, *names = found.stdout.split()
    assert (version, [name for name in names if name.startswith("events")]) == (str(STORE_VERSION), ["events"])
    assert [slug for slug in BIG if known[slug] in names] == [HOLDING]
