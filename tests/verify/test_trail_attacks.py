"""What somebody with the databases of a running trail may try: the proofs, the checks or the signer find it."""

import io
import json
from pathlib import Path

import pytest

from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover, evidence, proof_text
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.integrity import differences
from tallystick.search.scan import in_order_of_index
from tallystick.secret_keys import SecretKeys
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tests.fixtures.spine import Spine
from tests.verify.evidence import SECRET, found

COUNT = 12


class Guarded:
    """A trail whose events are stored and signed, and the checks that hold it to that."""

    def __init__(self, spine: Spine, data_dir: Path) -> None:
        self.spine = spine
        self.scope: Scope = spine.organization()
        for number in range(COUNT - 1):
            spine.record(self.scope, story(number))
        spine.ship()
        self.signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), data_dir)
        self.signer.open()
        self.prover = Prover(spine.database, self.signer)
        self.signer.checkpoint(self.scope.org_id, covering=COUNT)
        self.keys = [Key.read(line) for line in self.prover.vkeys(self.scope)]

    def tamper(self, statement: str, **parameters: object) -> None:
        """Run a statement on the event store, past Tallystick."""
        with self.spine.store._writers.borrow() as client:
            client.command(
                statement, parameters={"org": str(self.scope.org_id), **parameters}, settings={"mutations_sync": 1}
            )

    def update(self, what: str, index: int) -> None:
        self.tamper(f"ALTER TABLE events UPDATE {what} WHERE org_id = {{org:UUID}} AND seq = {index}")

    def differing(self) -> dict[int, str]:
        """What the integrity check says."""
        checked = differences(self.spine.database, self.spine.store, self.scope, 0, COUNT + 100)
        return {one.index: one.problem for one in checked}

    def bundle(self) -> Report:
        """What the verifier says of a bundle of everything, as the server would write it now."""
        target, report = io.BytesIO(), Report("bundle")
        events = in_order_of_index(self.spine.database, self.spine.store, self.scope, Query(), 0, COUNT)
        BundleWriter(self.spine.database, self.prover).write(target, self.scope, Selection(0, COUNT), events)
        check_bundle(target, self.keys, report)
        return report

    def proof(self, index: int) -> Report:
        """What the verifier says of the proof of an event, as the server would give it now."""
        report = Report("proof")
        blocks = in_order_of_index(self.spine.database, self.spine.store, self.scope, Query(), index, index + 1)
        event = next(iter(blocks))[0]
        text = proof_text(self.prover.inclusion(self.scope, index), event)
        check_proof(text, self.keys, report, event=json.loads(json.dumps(evidence(event))))
        return report


def story(number: int) -> dict[str, object]:
    return {
        "action": "deployment.failed",
        "description": f"Straße {number}",
        "actor": {"email": "sarah@example.com", "on_behalf_of": {"id": "usr_9"}},
        "resource": {"type": "project", "id": f"prj_{number}", "name": "ΣΟΦΟΣ"},
        "context": {"ip_address": "192.0.2.7", "session_id": "ses_1", "request_id": "req_1"},
        "changes": {
            "password": "secret",
            "list": [1, {"a": True, "b": None}, "x"],
            "error": {"before": 1.5, "after": "ü"},
        },
        "metadata": {"n": number},
    }


@pytest.fixture
def trail(sqlite_spine: Spine, tmp_path: Path) -> Guarded:
    return Guarded(sqlite_spine, tmp_path)


def test_a_trail_that_nobody_touched_holds(trail):
    assert trail.differing() == {}
    report = trail.bundle()
    assert report.holds, report.lines()
    assert found(report) == {"verified": f"0-{COUNT - 1}"}
    assert trail.proof(5).holds


@pytest.mark.parametrize("part", ["what", "target", "who", "details"])
def test_attack_a_part_changed(trail, part):
    trail.update(f"{part} = replaceAll({part}, 'a', 'o')", 5)
    assert trail.differing() == {5: "its parts do not give its entry in the log"}
    assert found(trail.bundle())["altered"] == "5"
    assert not trail.proof(5).holds
    assert trail.proof(4).holds


@pytest.mark.parametrize(
    ("column", "value"),
    [("action", "'deployment.done'"), ("status", "'success'"), ("actor_email", "'john@example.com'"),
     ("behalf_id", "''"), ("resource_name", "'other'"), ("ip_address", "'192.0.2.8'"), ("ip", "toIPv6('::1')"),
     ("details_paths", "[]"), ("search_text", "''"), ("description", "'x'"), ("session_id", "''")],
)  # fmt: skip
def test_attack_a_promoted_column_changed(trail, column, value):
    trail.update(f"{column} = {value}", 5)
    assert list(trail.differing()) == [5]
    assert column in trail.differing()[5]
    assert trail.proof(5).holds, "the parts, which are what is proven, are as they were"


def test_attack_an_event_removed(trail):
    trail.tamper("ALTER TABLE events DELETE WHERE org_id = {org:UUID} AND seq = 5")
    assert found(trail.bundle())["unexplained"] == "5"


def test_attack_an_event_inserted(trail):
    columns = "org_id, seq, id, occurred_at, received_at, seed, what, target, who, details, action"
    values = columns.replace("seq", "{at:UInt64}", 1)
    trail.tamper(
        f"INSERT INTO events ({columns}) SELECT {values} FROM events WHERE org_id = {{org:UUID}} AND seq = 5",
        at=COUNT + 5,
    )
    trail.tamper(
        f"INSERT INTO events ({columns}) SELECT {values} FROM events WHERE org_id = {{org:UUID}} AND seq = 5", at=7
    )
    assert trail.differing()[7] == "it is stored twice"
    assert trail.differing()[COUNT + 5] == "it has no entry in the log"


def swap(trail: Guarded, *columns: str) -> None:
    """Events 5 and 6 with each other's columns."""
    rows = trail.spine.store.rows(
        f"SELECT {', '.join(f'hex({name})' for name in columns)} FROM events "
        "WHERE org_id = {org:UUID} AND seq IN (5, 6) ORDER BY seq",
        {"org": str(trail.scope.org_id)},
    )
    for index, row in ((5, rows[1]), (6, rows[0])):
        trail.update(", ".join(f"{name} = unhex('{text}')" for name, text in zip(columns, row, strict=True)), index)


def test_attack_two_events_swapped(trail):
    swap(trail, "what", "target", "who", "details", "seed")
    assert set(trail.differing()) == {5, 6}
    assert found(trail.bundle())["altered"] == "5-6"
    assert not trail.proof(5).holds


def test_attack_salts_swapped(trail):
    swap(trail, "seed")
    assert set(trail.differing()) == {5, 6}
    assert found(trail.bundle())["altered"] == "5-6"
    assert not trail.proof(6).holds
