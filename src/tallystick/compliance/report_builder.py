"""Reports and their evidence made: one question after the other, by the thread that makes exports."""

import time
from collections.abc import Iterator, Sequence, Set
from datetime import datetime
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import BinaryIO, cast
from uuid import UUID

from sqlalchemy import Connection

from tallystick import clock
from tallystick.access import organizations
from tallystick.access.scopes import require_whole_trail
from tallystick.clock import SECOND_US, rfc3339, to_us, zone_of
from tallystick.compliance import framework, gaps, reports
from tallystick.compliance.evidence import Evidence
from tallystick.compliance.review import PREFIX, Review, list_findings, list_signed_reviews, read_review
from tallystick.compliance.signing import content_of
from tallystick.database.engine import Database
from tallystick.errors import NotFound, TallystickError, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.exports import files
from tallystick.exports.builder import DeletionState, EventsDeleted, ProgressCallback
from tallystick.exports.files import HashedFile
from tallystick.exports.request import Export, find_export
from tallystick.exports.words import describe_filter
from tallystick.ids import encode
from tallystick.journal import set_aside
from tallystick.ledger.bundle import BundleWriter, Selection
from tallystick.ledger.prover import Prover
from tallystick.query.conditions import And, Between, Or, Query, exactly
from tallystick.query.scope import Scope
from tallystick.render.compliance_pdf import report_pdf
from tallystick.render.compliance_report import (
    ComplianceReport,
    ControlReport,
    FindingLine,
    Gap,
    ReportPeriod,
    ReviewLine,
    report_json,
)
from tallystick.search import scan
from tallystick.search.filters import query_from
from tallystick.store import grouping
from tallystick.store.events import EventStore

LEAST_UNREVIEWED_US = 60 * SECOND_US
BREATH_SECONDS = 0.01  # between two questions: a page that waits for the store comes first


class ReportBuilder:
    """Makes what `reports` was asked for. `folder` holds the operator's own questions."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        folder: Path | None,
        deletions: DeletionState,
        *,
        breath_seconds: float = BREATH_SECONDS,
    ) -> None:
        self._breath_seconds = breath_seconds
        self._database = database
        self._store = store
        self._prover = prover
        self._data_dir = data_dir
        self._folder = folder
        self._deletions = deletions

    def report(self, one: Export, scope: Scope, target: HashedFile, watch: ProgressCallback) -> int:
        """Write the report; how many events the period has."""
        made = self._made(one, scope, watch)
        target.write(report_json(made))
        return made.events

    def evidence(self, one: Export, scope: Scope, target: HashedFile, watch: ProgressCallback) -> int:
        """Write the bundle of the events behind a report, with the report beside them; how many events are in it."""
        require_whole_trail(scope)
        before = self._deletions(one.org_id)
        if before[0]:
            raise EventsDeleted
        content, report = self._report_of(one, scope)
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope)
            signed = _read_signed_reviews(connection, scope, report)
            contents = [(review, content_of(review, list_findings(connection, scope, review))) for review in signed]
        documents = [("report.json", content), ("report.pdf", report_pdf(report))]
        documents += [(f"review-{review.shown_id}.json", said) for review, said in contents]
        acts = [one.filter[reports.REPORT][0], *(review.shown_id for review in signed)]
        query = evidence_query(report, acts)
        end = max(one.position, 1)

        def watched() -> Iterator[list[StoredEvent]]:
            reading = scan.in_order_of_index(self._database, self._store, scope, query, 0, report.position)
            # What was told of the report and the reviews since: it holds their SHA-256.
            later = Query(_report_actions(acts))
            told = scan.in_order_of_index(self._database, self._store, scope, later, report.position, one.position)
            for block in chain(reading, told):
                yield block
                files.check_free_space(self._data_dir)
                watch(min(1000 * block[-1].index // end, 999))

        selection = Selection(
            filter={name: list(values) for name, values in one.filter.items()},
            made_by={"type": one.by.kind, "id": one.by.id, "name": one.by.name},
        )
        records = scan.explanatory_records(self._database, self._store, scope, self._signed_size(scope, one.position))
        writer = BundleWriter(self._database, self._prover)
        manifest = writer.write(cast("BinaryIO", target), scope, selection, watched(), records, documents)
        if self._deletions(organization.org_id) != before:
            raise EventsDeleted
        return int(manifest["events"])

    def _made(self, one: Export, scope: Scope, watch: ProgressCallback) -> ComplianceReport:
        require_whole_trail(scope)
        asked, share = reports.request_of(one), [0]  # thousandths of the questions that are answered
        now, zone = clock.now_us(), zone_of(asked.tz or "UTC")
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope)
            aside = set_aside.of_organization(connection, scope.org_id)
            known = framework.load_frameworks(self._folder, organization.slug)
            evidence = Evidence(
                self._database, self._store, scope, asked.period, one.position, one.asked_at,
                [(index, record) for index, record in aside if index < one.position], lambda: watch(share[0]),
            )  # fmt: skip
            standing = gaps.read_log_status(connection, evidence, now)
            query = evidence.query()
            signed = list_signed_reviews(connection, scope, query.start or 0, query.end or 0, until=one.asked_at)
            shown = {review.review_id for review in signed}
            lines = [_review_line(review, connection, scope, query, shown) for review in signed]
        asks = framework.find_framework(known, asked.framework)
        missing = list(gaps.find_gaps(evidence, standing, zone, now))
        missing += [Gap("mapping", f"A framework file could not be loaded. {words}") for words in known.problems]
        note = self._note(scope, one.position)
        if not note:
            missing.append(Gap("checkpoint", "The log cannot be signed now, so no checkpoint covers this report."))
        total, first, last = self._ends(evidence, query)
        statuses = evidence.statuses(query)
        return ComplianceReport(
            organization=organization.name,
            organization_id=organization.shown_id,
            framework=asks.id,
            title=asks.title,
            about=asks.about,
            period=ReportPeriod(rfc3339(query.start or 0), rfc3339(query.end or 0), asked.tz or "UTC"),
            position=one.position,
            checkpoint=note,
            asked_at=rfc3339(one.asked_at),
            asked_by=one.by.label,
            events=total,
            success=statuses["success"],
            failed=statuses["failed"],
            first=first,
            last=last,
            gaps=tuple(missing),
            controls=tuple(self._controls(asks, evidence, lines, share)),
            reviews=tuple(lines),
            not_reviewed=tuple(
                ReportPeriod(rfc3339(first), rfc3339(last), asked.tz or "UTC")
                for first, last in unreviewed_periods(signed, query.start or 0, min(query.end or 0, one.asked_at))
            ),
            sources=asks.sources,
        )

    def _controls(
        self, asks: framework.Framework, evidence: Evidence, lines: list[ReviewLine], share: list[int]
    ) -> Iterator[ControlReport]:
        total, done = sum(len(control.questions) for control in asks.controls), 0
        for control in asks.controls:
            answers = []
            for question in control.questions:
                share[0] = min(1000 * done // max(total, 1), 999)
                answers.append(evidence.answer(question))
                done += 1
                time.sleep(self._breath_seconds)
            about = f"{asks.id} {control.id}"
            mine = tuple(line.id for line in lines if line.about == about)
            yield ControlReport(control.id, control.title, control.about, tuple(answers), mine)

    def _ends(self, evidence: Evidence, query: Query) -> tuple[int, str, str]:
        count, first, last = grouping.time_range(self._store, evidence.scope, query, evidence.position)
        mine = [record.occurred_at for record in evidence.mine(query)]
        times = [*([first, last] if count else []), *mine]
        if not times:
            return 0, "", ""
        return count + len(mine), rfc3339(min(times)), rfc3339(max(times))

    def _report_of(self, one: Export, scope: Scope) -> tuple[bytes, ComplianceReport]:
        with self._database.read() as connection:
            report = find_export(connection, scope, one.filter[reports.REPORT][0])
        path = files.path_of(self._data_dir, report.org_id, report.export_id)
        content, read = reports.read_content(report, path), reports.load_report(report, path)
        if sha256(content).hexdigest() != report.sha256:
            raise NotFound("The report's file was changed on disk. Create the report again.", code="export_gone")
        return content, read

    def _note(self, scope: Scope, position: int) -> str:
        try:
            return self._prover.checkpoint(scope, covering=position).note
        except TallystickError:  # said in the report
            return ""

    def _signed_size(self, scope: Scope, position: int) -> int:
        try:
            return self._prover.checkpoint(scope, covering=self._prover.size(scope)).size
        except Unavailable:
            return self._prover.checkpoint(scope, covering=position).size


def evidence_query(report: ComplianceReport, acts: list[str]) -> Query:
    """Every event that a report counts, and what the trail says of the report and its reviews."""
    asked_at = to_us(datetime.fromisoformat(report.asked_at))
    period = {"start": [report.period.start], "end": [report.period.end], "tz": [report.period.zone]}
    within = query_from(period, now=asked_at)
    searches = dict.fromkeys(
        search
        for control in report.controls
        for answer in control.answers
        for search in (answer.query, *(one.query for one in answer.exceptions))
    )
    found = [query_from({**period, "q": [search]}, now=asked_at) for search in searches]
    parts = tuple(And((Between(one.start, one.end), one.condition)) for one in found)
    return Query(Or((And((Between(within.start, within.end), Or(parts))), _report_actions(acts))))


def _report_actions(acts: list[str]) -> And:
    told = exactly("action", "audit_log.report_generated", "audit_log.review_signed")
    return And((told, exactly("resource", *acts)))


def _read_signed_reviews(connection: Connection, scope: Scope, report: ComplianceReport) -> list[Review]:
    return [read_review(connection, scope, line.id) for line in report.reviews]


def _review_line(review: Review, connection: Connection, scope: Scope, query: Query, shown: Set[UUID]) -> ReviewLine:
    covers_all = review.is_everything and review.start <= (query.start or 0) and review.end >= (query.end or 0)
    return ReviewLine(
        review.shown_id,
        review.about,
        rfc3339(review.start),
        rfc3339(review.end),
        covers_all,
        describe_filter(review.filter),
        review.events or 0,
        review.position or 0,
        review.signed_by_name,
        rfc3339(review.signed_at or 0),
        review.sha256,
        review.conclusion,
        tuple(FindingLine(one.shown_id, one.severity, one.note) for one in list_findings(connection, scope, review)),
        "" if review.corrects is None else encode(PREFIX, review.corrects.bytes),
        # A correction that was signed after the report was asked for does not belong to it.
        encode(PREFIX, review.corrected_by.bytes) if review.corrected_by in shown and review.corrected_by else "",
    )


def unreviewed_periods(reviews: Sequence[Review], start: int, end: int) -> list[tuple[int, int]]:
    """The parts of start ≤ t < end that no review touches, whatever it was filtered by, but for the odd second."""
    found, at = [], start
    for review in sorted(reviews, key=lambda one: one.start):
        if review.start > at:
            found.append((at, min(review.start, end)))
        at = max(at, review.end)
    if at < end:
        found.append((at, end))
    return [(first, last) for first, last in found if last - first >= LEAST_UNREVIEWED_US]
