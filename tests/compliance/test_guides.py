"""The reports on the demo organization hold what an auditor asks first, as the guides say."""

import shutil
from pathlib import Path

import pytest

from tallystick import clock
from tallystick.clock import DAY_US, rfc3339
from tallystick.database.engine import Database
from tallystick.demo.events import acme_events
from tallystick.render.compliance_pdf import report_pdf
from tallystick.render.compliance_report import ComplianceReport
from tests.compliance.reporting import Desk
from tests.fixtures.spine import Spine
from tests.render.reading import text_of

GUIDES = Path(__file__).resolve().parents[2] / "docs" / "guides"
EVENTS = 6000
# What the demo's people never do: the report has to say plainly that there is no evidence.
UNTOLD = {
    "Which incidents were investigated, and which reviews were signed?", "Who changed what the audit log keeps?",
    "Were reviews of the audit log documented?", "Whose data was erased or deleted?",
    "Which incidents were investigated?",
    "Which erasures from the audit log were requested, confirmed or cancelled?",
    "What was deleted from the audit log, and who changed its retention?",
    "Which personal data was changed, and by whom?",
    "Which API keys and tokens were created, changed or revoked?",
}  # fmt: skip
# What the demo's incidents are made for: it has to stand out.
FOUND = {
    "Ten or more failed sign-ins of one user within an hour", "A user changed their own role or permissions",
    "Twenty or more deletions by one user within an hour", "A user became owner or administrator",
    "Secrets that were viewed", "Deployments that failed", "Workflows that failed", "Every export of personal data",
    "Policies disabled, deleted or overridden, and exceptions granted",
    "Five or more views of personal data by one user within an hour",
}  # fmt: skip


def rows(guide: str) -> list[tuple[str, str, str]]:
    """Control, question and what stands out, of each row of the guide's table."""
    lines = [line for line in (GUIDES / guide).read_text().splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [(row[1], row[2], row[3]) for row in cells[2:]]


@pytest.fixture(scope="module")
def made(store, sqlite_template, tmp_path_factory) -> dict[str, ComplianceReport]:
    """Both reports of the last ninety days at Acme."""
    home = tmp_path_factory.mktemp("acme")
    shutil.copyfile(sqlite_template, home / "tallystick.db")
    database = Database(f"sqlite:///{home / 'tallystick.db'}")
    spine = Spine(database, store, home)
    try:
        scope, now = spine.organization("acme"), clock.now_us()
        events = list(acme_events(now_us=now, count=EVENTS))
        for start in range(0, len(events), 1000):
            spine.record(scope, *events[start : start + 1000])
        desk = Desk(spine, home / "data")
        period = rfc3339(now - 90 * DAY_US)[:10], rfc3339(now)[:10]
        return {name: desk.report(scope, name, period) for name in ("soc2", "gdpr")}
    finally:
        spine.close()
        database.close()


@pytest.mark.parametrize("framework", ["soc2", "gdpr"])
def test_every_question_of_the_guide_is_answered_where_it_says(made, framework):
    found = {(control.id, answer.asks): answer for control in made[framework].controls for answer in control.answers}
    wanted = rows(f"{framework}.md")
    assert len(wanted) > 15
    for control, asks, stands_out in wanted:
        answer = found[control, asks]
        assert answer.count > 0 or asks in UNTOLD, asks
        if stands_out:
            (one,) = (one for one in answer.exceptions if one.says == stands_out)
            assert one.count > 0 or stands_out not in FOUND, stands_out
    assert {control for control, _, _ in wanted} == {control.id for control in made[framework].controls}


@pytest.mark.parametrize("framework", ["soc2", "gdpr"])
def test_the_pdf_says_it_in_that_order(made, framework):
    report = made[framework]
    text = " ".join(text_of(report_pdf(report)).split())
    places = [text.index(words) for words in ("Compliance report", "Gaps", "Reviews of this")]
    places[2:2] = [text.index(f"{control.id} {control.title}", places[1]) for control in report.controls]
    assert places == sorted(places)
    assert "No evidence found in this period." in text
    for control in report.controls:
        for answer in control.answers:
            assert " ".join(answer.asks.split()) in text
    assert "The log of this organization began at" in text
    assert f"the first {report.position:,} log entries" in text
