"""Thousands of events on the free plan: half expires, one person is erased, and what is left proves itself."""

import io
import json
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unicodedata import normalize

import pytest

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.cases.changes import open_case, write_lines
from tallystick.erasure.eraser import Eraser
from tallystick.erasure.subject import Subject
from tallystick.events.copies import record_of
from tallystick.journal import set_aside
from tallystick.ledger import log as ledger_log
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover, entry_of_event, evidence, proof_text
from tallystick.ledger.signer import Signer
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.saved.saved_views import save_view
from tallystick.search.integrity import differences
from tallystick.search.scan import explanatory_records as explaining
from tallystick.search.scan import in_order_of_index
from tallystick.secret_keys import SecretKeys
from tallystick.verify.notes import Key
from tallystick.verify.proofs import check_proof
from tallystick.verify.report import Report
from tests.erasure.erasure_driver import MAYA, ask, confirm, eraser, events, quicken, run
from tests.erasure.erasure_driver import show as shown
from tests.erasure.leftovers import free_pages_with_bytes, holding
from tests.fixtures.sizes import size
from tests.fixtures.spine import Spine
from tests.fixtures.waiting import wait_until
from tests.retention.test_purge import purge
from tests.verify.evidence import SECRET

COUNT = size(5_000, 100_000)
BATCH = 1_000
EMAIL, NAME = "zoe.kraemer.71@example.org", "Zoë-Ålva Krämer"
WHO = Subject(EMAIL, "usr_zoe_71", (NAME,))
NEEDLES = [form.encode() for text in (EMAIL, "usr_zoe_71", NAME, NAME.lower()) for form in (
    text, normalize("NFD", text)
)]  # fmt: skip


def made(number: int, now: datetime) -> dict[str, object]:
    """Every second one is older than the free plan keeps; one in ten speaks of the person, in turns."""
    event: dict[str, object] = {
        "action": "project.updated",
        "timestamp": (now - timedelta(days=20 if number % 2 else 1, seconds=number)).isoformat(),
        "actor": {"id": f"usr_{number % 97}", "email": f"p{number % 97}@example.org", "name": f"Person {number % 97}"},
        "resource": {"type": "project", "id": f"prj_{number % 31}", "name": f"project-{number % 31}"},
        "context": {"ip_address": f"192.0.2.{number % 250}", "session_id": f"ses_{number % 999}"},
        "changes": {"size": {"before": number, "after": number + 1}, "labels": ["a", f"b{number % 7}"]},
    }
    match number % 50:
        case 0 | 1:
            event["actor"] = {"id": "usr_zoe_71", "email": EMAIL.upper(), "name": NAME}
        case 10 | 11:
            event["resource"] = {"type": "user", "id": "usr_zoe_71", "name": EMAIL}
        case 20 | 21:
            event["changes"] = {"owner": {"before": normalize("NFD", NAME), "after": "nobody"}}
        case 30 | 31:
            event["description"] = f"Wrote to {NAME.upper()} <{EMAIL}>."
        case 40 | 41:
            event["external_id"] = f"{EMAIL}/{number}"
    return event


def filled(spine: Spine, scope: Scope) -> int:
    """Record all of them; the index of the first."""
    now, first = datetime.now(UTC), -1
    for start in range(0, COUNT, BATCH):
        sent = spine.record(scope, *[made(number, now) for number in range(start, start + BATCH)]).events
        first = sent[0].index if first < 0 else first
    spine.ship()
    return first


def write_beside(spine: Spine, scope: Scope, index: int) -> None:
    """A case, a saved view, and an event that the store would not take."""
    person, now = replace(scope, principal=MAYA, role="owner"), clock.now_us()
    with spine.database.write() as connection:
        case = open_case(connection, person, f"What {NAME} did", now=now)
        write_lines(connection, person, case.public_id, 1, {"issue": f"{EMAIL} " * 100}, now=now)
        save_view(connection, person, "Hers", f"user={EMAIL}", now=now)
    found = events(spine, scope, index, index + 1)[index]
    record = record_of(found, entry_of_event(found))
    spine.store.delete("org_id = {org:UUID} AND seq = {seq:UInt64}", {"org": str(scope.org_id), "seq": index})
    with spine.database.write() as connection:
        set_aside.put(connection, scope.org_id, index, record, f"cannot parse {EMAIL}", now)
    spine.sequencer.tick([])
    spine.ship()


def bundle(spine: Spine, scope: Scope, prover: Prover, path: Path) -> None:
    end = spine.size(scope.org_id)
    target = io.BytesIO()
    blocks = in_order_of_index(spine.database, spine.store, scope, Query(), 0, end)
    records = explaining(spine.database, spine.store, scope, end)
    BundleWriter(spine.database, prover).write(target, scope, Selection(0, end), blocks, records)
    path.write_bytes(target.getvalue())


def exported(spine: Spine, scope: Scope, prover: Prover, index: int) -> tuple[str, str]:
    """A proof and the event's JSON, as somebody has them in a drawer."""
    held = events(spine, scope, index, index + 1)[index]
    return proof_text(prover.inclusion(scope, index), held), json.dumps(evidence(held))


def holds(proof: tuple[str, str], keys: list[Key]) -> bool:
    report = Report("proof")
    check_proof(proof[0], keys, report, event=json.loads(proof[1]))
    return report.holds


def indexes(said: dict[str, list[list[int]]], category: str) -> set[int]:
    return {index for first, last in said[category] for index in range(first, last + 1)}


def finished(spine: Spine, scope: Scope, work: Eraser, public_id: str) -> None:
    """Until the last byte is off the disk."""

    def is_completed() -> bool:
        run(spine, work)
        return shown(spine, scope, public_id).state == "completed"

    wait_until(is_completed, 300)


@pytest.mark.full_size
def test_half_expires_a_person_is_erased_and_all_the_rest_proves_itself(
    sqlite_spine: Spine, tmp_path: Path, event_store_path: Path
) -> None:
    spine, now = sqlite_spine, clock.now_us()
    quicken(spine)
    with spine.database.write() as connection:
        org_id = organizations.create(connection, "free", plan="free", now=now).org_id
        ledger_log.create(connection, org_id, now=now)
    spine.sequencer.tick([])
    scope = operator_scope(org_id)
    first = filled(spine, scope)
    signer = Signer(spine.database, Keyring(SecretKeys(SECRET), "audit.example.com"), tmp_path)
    signer.open()
    prover = Prover(spine.database, signer)
    vkeys = prover.vkeys(scope)
    keys = [Key.read(line) for line in vkeys]
    old, hers, others = first + 1, first + 10, first + 2
    drawer = [exported(spine, scope, prover, index) for index in (old, hers, others)]
    write_beside(spine, scope, first + 50)
    for folder in (event_store_path, tmp_path):
        assert holding(folder, NEEDLES), "the search for leftovers finds what is there"

    purge(spine)
    work = eraser(spine, tmp_path)
    public_id = ask(spine, scope, WHO)
    run(spine, work)
    confirm(spine, scope, public_id)
    finished(spine, scope, work, public_id)

    path = tmp_path / "trail.zip"
    bundle(spine, scope, prover, path)
    (tmp_path / "log.vkey").write_text("\n".join(vkeys))
    command = [sys.executable, "-m", "tallystick.verify", str(path), "--key", str(tmp_path / "log.vkey"), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout[:3000] + done.stderr
    said = json.loads(done.stdout)["reports"][0]["indexes"]
    numbers = range(COUNT)
    assert indexes(said, "expired") == {first + number for number in numbers if number % 2}
    erased = {first + number for number in numbers if number % 50 in (0, 10, 20, 30, 40)}
    assert {index for index in indexes(said, "erased") if index < first + COUNT} == erased
    assert indexes(said, "verified") >= {first + number for number in numbers if not number % 2} - erased
    assert all(holds(proof, keys) for proof in drawer)
    assert holds(exported(spine, scope, prover, hers), keys)
    assert list(differences(spine.database, spine.store, scope, 0, spine.size(org_id))) == []

    assert holding(event_store_path, NEEDLES) == []
    assert holding(tmp_path, NEEDLES) == []
    assert free_pages_with_bytes(tmp_path / "tallystick.db") == []
