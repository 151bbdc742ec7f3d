"""Reports made step by step over a trail that a test fills."""

from pathlib import Path
from typing import Any

from tallystick import clock
from tallystick.access.audit import Caller
from tallystick.compliance import reports
from tallystick.compliance.report_builder import ReportBuilder
from tallystick.compliance.reports import EVIDENCE, REPORT, ReportRequest
from tallystick.exports.exporter import Exporter
from tallystick.exports.request import Export
from tallystick.ledger.keys import Keyring
from tallystick.ledger.prover import Prover
from tallystick.ledger.signer import Signer
from tallystick.query.scope import Scope
from tallystick.render.compliance_report import ComplianceReport, QuestionReport
from tallystick.secret_keys import SecretKeys
from tallystick.work.disk_space import DiskSpace
from tests.fixtures.spine import Spine

CALLER = Caller(address="192.0.2.1", peer="192.0.2.1", source="api")
JANUARY = ("2024-01-01", "2024-01-31")


class Desk:
    """Asks for reports and makes them. `folder` holds questions of the operator's."""

    def __init__(self, spine: Spine, data_dir: Path, folder: Path | None = None) -> None:
        data_dir.mkdir(exist_ok=True)
        self.spine = spine
        self.folder = folder
        signer = Signer(spine.database, Keyring(SecretKeys("secret"), "test.example"), data_dir)
        signer.open()
        self.prover = Prover(spine.database, signer)
        going = lambda _: (False, None)  # noqa: E731
        maker = ReportBuilder(
            spine.database, spine.store, self.prover, data_dir, folder, going, DiskSpace(data_dir), breath_seconds=0
        )
        others = {REPORT: maker.report, EVIDENCE: maker.evidence}
        self.exporter = Exporter(spine.database, spine.store, self.prover, data_dir, builders=others)

    def ask(self, scope: Scope, framework: str = "soc2", period: tuple[str, str] = JANUARY, tz: str = "UTC") -> Export:
        asked = ReportRequest(framework, *period, tz)
        with self.spine.database.write() as connection:
            return reports.request_report(connection, scope, asked, self.folder, now=clock.now_us(), caller=CALLER)

    def make(self, scope: Scope, one: Export) -> Export:
        """Let the thread's next step make it; it must succeed."""
        self.spine.ship()
        assert self.exporter.step()
        self.spine.sequencer.tick([])
        self.spine.ship()
        return self.done(scope, one)

    def done(self, scope: Scope, one: Export) -> Export:
        with self.spine.database.read() as connection:
            from_list = {found.export_id: found for found in reports.list_reports(connection, scope)}
            found = from_list.get(one.export_id)
        if found is None:
            return one
        assert found.state == "completed", found.error
        return found

    def report(
        self, scope: Scope, framework: str = "soc2", period: tuple[str, str] = JANUARY, tz: str = "UTC"
    ) -> ComplianceReport:
        """A report of what the log holds now."""
        return self.opened(self.make(scope, self.ask(scope, framework, period, tz)))

    def opened(self, one: Export) -> ComplianceReport:
        return reports.load_report(one, self.exporter.path(one))


def answer(report: ComplianceReport, control: str, asks: str) -> QuestionReport:
    """The answer to the question that begins so."""
    (found,) = (
        one for part in report.controls if part.id == control for one in part.answers if one.asks.startswith(asks)
    )
    return found


def event(action: str, at: str = "2024-01-15T10:00:00Z", who: str = "sarah@acme.com", **more: Any) -> dict[str, Any]:
    """One event by somebody."""
    actor = {"type": "user", "id": f"usr_{who.partition('@')[0]}", "email": who}
    return {"action": action, "timestamp": at, "actor": actor, **more}
