"""An event store that the first release made (commit 759de3b) answers and proves the same after its upgrade."""

import io
import random
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tallystick import clock
from tallystick.clock import DAY_US, SECOND_US, rfc3339
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover, proof_text
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.purge import Purger
from tallystick.search.filters import query_from
from tallystick.secret_keys import SecretKeys
from tallystick.store import rebuild
from tallystick.store.schema import STORE_VERSION
from tallystick.store.versions import TableVersion
from tests.erasure import erasure_driver
from tests.exports.export_driver import exporter, made
from tests.exports.test_bundle import checked
from tests.fixtures.spine import Spine
from tests.ingest.rebuild_driver import assert_whole, drop, make_first_release, run_with_crashes
from tests.retention.purge_driver import purge_with

pytestmark = [pytest.mark.one_engine, pytest.mark.both_stores]
COUNT = 200
SEED = 759
FILTERS = (
    {}, {"q": "sarah"}, {"q": "Straße"}, {"user": "usr_1"}, {"action": "project.*"}, {"status": "failed"},
    {"q": "metadata.n:7"}, {"ip": "192.0.2.0/24"}, {"resource": "api"}, {"q": "-prod"}, {"category": "projects"},
)  # fmt: skip


@pytest.fixture
def first_release(spine: Spine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Spine]:
    """A spine whose event store the first release made."""
    monkeypatch.setattr(rebuild, "PIECE", 64)
    make_first_release(spine.store)
    yield spine
    drop(spine.store)
    spine.store.open()


def fill(spine: Spine, scope: Scope, data_dir: Path) -> None:
    """Record, put some on hold, purge, erase."""
    dice, now = random.Random(SEED), clock.now_us()
    events: list[dict[str, Any]] = []
    for n in range(COUNT):
        days = dice.choice((0, 3, 20, 40, 400, 800))
        event = {
            "timestamp": rfc3339(now - days * DAY_US - n * SECOND_US),
            "status": dice.choice(("success", "failed")),
            "resource": {"type": "service", "name": dice.choice(("api", "Straße", "prod"))},
            "metadata": {"n": dice.randrange(20), "deep": {"list": ["x", n]}},
        }
        events.append(erasure_driver.by_sarah(**event) if n % 9 == 0 else erasure_driver.event(**event))
    with spine.database.write() as connection:
        holds.place(connection, scope, "Case 7", "resource:prod", now=now)
    spine.sequencer.tick([])
    for start in range(0, COUNT, 100):
        spine.record(scope, *events[start : start + 100])
        spine.ship()
    purge_with(spine, Purger(spine.database, spine.store))
    erasure_driver.erase(spine, scope, erasure_driver.eraser(spine, data_dir))


@dataclass
class Answers:
    """What an organization's readers see."""

    pages: list[list[Any]]
    counts: list[Any]
    facets: list[Any]
    held: list[int]
    proofs: list[str]


def answers(spine: Spine, scope: Scope, prover: Prover, end: int, now: int) -> Answers:
    """All of it that does not change with time, of the events with an index below `end`."""
    queries = [query_from({name: [value] for name, value in given.items()}, now=now) for given in FILTERS]
    pages = [pages_of(spine, scope, query) for query in queries]
    whole = erasure_driver.events(spine, scope, 0, end)
    proofs = [proof_text(prover.inclusion(scope, index), event) for index, event in list(whole.items())[::7]]
    return Answers(
        pages=pages,
        counts=[spine.finder.total(scope, query) for query in queries],
        facets=[spine.finder.facets(scope, Query(), field) for field in ("user", "action", "resource", "ip")],
        held=sorted(whole),
        proofs=proofs,
    )


def pages_of(spine: Spine, scope: Scope, query: Query) -> list[Any]:
    """All events that match, by following the cursors."""
    found: list[Any] = []
    cursor: str | None = None
    while True:
        page = spine.finder.page(scope, query, limit=40, cursor=cursor)
        found += page.data
        cursor = page.next_cursor
        if cursor is None:
            return found


def members(content: bytes) -> dict[str, bytes]:
    """The files of a bundle that hold its events and the records of those that are gone."""
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        return {name: bundle.read(name) for name in bundle.namelist() if name in ("events.ndjson", "records.ndjson")}


def test_a_store_of_the_first_release_answers_and_proves_the_same_after_an_upgrade_with_five_crashes(
    first_release: Spine, tmp_path: Path
) -> None:
    spine = first_release
    scope = spine.organization(days=30)
    fill(spine, scope, tmp_path)
    work = exporter(spine, tmp_path / "exports")
    bundle = made(spine, scope, work, "bundle", user="usr_1")
    spine.ship()
    signer = Signer(spine.database, Keyring(SecretKeys("secret"), "test.example"), tmp_path / "exports")
    signer.open()
    prover, end, now = Prover(spine.database, signer), spine.size(scope.org_id), clock.now_us()
    assert spine.store.version() == TableVersion(1, 0)
    before = answers(spine, scope, prover, end, now)
    assert any(one.remains for one in before.pages[0])  # erased
    assert len(before.held) < COUNT  # purged
    assert all(before.pages[:2])

    run_with_crashes(spine, random.Random(SEED), times=5)

    assert spine.store.version() == TableVersion(STORE_VERSION, 1)
    assert answers(spine, scope, prover, end, now) == before
    assert_whole(spine, scope)
    assert checked(spine, scope, tmp_path / "exports", bundle).holds
    again = made(spine, scope, work, "bundle", user="usr_1")
    assert checked(spine, scope, tmp_path / "exports", again).holds
    assert members(again)["events.ndjson"] == members(bundle)["events.ndjson"]
