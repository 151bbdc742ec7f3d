"""The evidence bundle: every event behind a report with its proof, and the report beside them."""

import io
import json
import zipfile
from hashlib import sha256

import pytest

from tallystick import clock
from tallystick.compliance import reports, review_changes
from tallystick.errors import Conflict, NotFound
from tallystick.exports import request as exporting
from tallystick.render.compliance_report import parse_report
from tallystick.verify.bundle import check_bundle
from tallystick.verify.notes import Key
from tallystick.verify.report import Report
from tests.compliance.reporting import Desk, event
from tests.fixtures.spine import Spine


@pytest.fixture
def desk(sqlite_spine: Spine, tmp_path):
    return Desk(sqlite_spine, tmp_path / "data")


def bundled(desk: Desk, scope, made) -> bytes:
    with desk.spine.database.write() as connection:
        asked = reports.request_evidence(connection, scope, made.public_id, now=clock.now_us())
    desk.spine.ship()
    assert desk.exporter.step()
    with desk.spine.database.read() as connection:
        one = exporting.find_export(connection, scope, asked.public_id)
    assert one.state == "completed", one.error
    return desk.exporter.path(one).read_bytes()


def checked(desk: Desk, scope, content: bytes) -> Report:
    report = Report("bundle")
    keys = [Key.read(text) for text in desk.prover.vkeys(scope)]
    check_bundle(io.BytesIO(content), keys, report)
    return report


def test_it_holds_what_the_report_counts_and_what_proves_it(desk, sqlite_spine):
    scope = sqlite_spine.organization()
    sent = sqlite_spine.record(
        scope, event("user.login"), event("project.viewed"), event("deployment.failed"),
        event("user.login", at="2024-03-01T00:00:00Z"),
    ).events  # fmt: skip
    sqlite_spine.ship()
    made = review_changes.draft_review(scope, {"start": ["2024-01-01"], "end": ["2024-01-31"]}, now=clock.now_us())
    with sqlite_spine.database.write() as connection:
        review_changes.open_review(connection, scope, made, now=clock.now_us())
    signed = review_changes.count_and_sign(
        sqlite_spine.database, sqlite_spine.store, scope, made.public_id, "Fine.", now=clock.now_us()
    )
    sqlite_spine.sequencer.tick([])
    report = desk.make(scope, desk.ask(scope))
    sqlite_spine.record(scope, event("user.login"))  # after the report
    content = bundled(desk, scope, report)
    found = checked(desk, scope, content)
    assert found.holds, found.lines()
    assert any("3 attached documents" in fact for fact in found.facts)
    with zipfile.ZipFile(io.BytesIO(content)) as bundle:
        lines = [json.loads(line) for line in bundle.read("events.ndjson").splitlines()]
        said = bundle.read("attached/report.json")
        review = bundle.read(f"attached/review-{made.public_id}.json")
        assert bundle.read("attached/report.pdf").startswith(b"%PDF")
    ids = [line["id"] for line in lines]
    assert sent[0].id in ids
    assert sent[2].id in ids
    assert not {sent[1].id, sent[3].id} & set(ids)
    acts = {json.loads(line["what"])["action"]: json.loads(line["details"]) for line in lines}
    assert acts["audit_log.report_generated"]["metadata"]["sha256"] == sha256(said).hexdigest()
    assert acts["audit_log.review_signed"]["metadata"]["sha256"] == sha256(review).hexdigest() == signed.sha256
    assert parse_report(said) == desk.opened(report)


@pytest.mark.parametrize("name", ["attached_report.json", "attached_report.pdf"])
def test_attack_an_attached_document_changed(desk, sqlite_spine, name):
    scope = sqlite_spine.organization()
    sqlite_spine.record(scope, event("user.login"))
    content = bundled(desk, scope, desk.make(scope, desk.ask(scope)))
    target = name.replace("_", "/", 1)
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(out, "w") as after:
        for one in before.namelist():
            after.writestr(one, before.read(one) + (b" " if one == target else b""))
    assert checked(desk, scope, content).holds
    assert not checked(desk, scope, out.getvalue()).holds


@pytest.mark.parametrize("name", ["attached/more.txt", "attached/../x", "attached/a/b", "other.txt"])
def test_attack_a_document_that_the_manifest_does_not_name(desk, sqlite_spine, name):
    scope = sqlite_spine.organization()
    content = bundled(desk, scope, desk.make(scope, desk.ask(scope)))
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as bundle:
        bundle.writestr(name, "more")
    assert not checked(desk, scope, out.getvalue()).holds


def test_without_a_finished_report_there_is_none(desk, sqlite_spine):
    scope, charlie = sqlite_spine.organization(), sqlite_spine.organization("charlie")
    asked = desk.ask(scope)
    for who, error in ((scope, Conflict), (charlie, NotFound)):
        with sqlite_spine.database.write() as connection, pytest.raises(error):
            reports.request_evidence(connection, who, asked.public_id, now=clock.now_us())
    made = desk.make(scope, asked)
    with sqlite_spine.database.write() as connection:
        asked = reports.request_evidence(connection, scope, made.public_id, now=clock.now_us())
    desk.exporter.path(made).unlink()
    sqlite_spine.ship()
    assert desk.exporter.step()
    with sqlite_spine.database.read() as connection:
        one = exporting.find_export(connection, scope, asked.public_id)
    assert (one.state, "Create the report again" in one.error) == ("failed", True)
