"""Builds compliance reports and evidence bundles, for the worker of exports."""

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
from tallystick.actions.catalogues import read_catalogue
from tallystick.clock import SECOND_US, rfc3339, to_us, zone_of
from tallystick.compliance import framework, gaps, reports
from tallystick.compliance.evidence import Evidence, question_query
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
from tallystick.query.conditions import And, Between, Or, Query, RecordedByTallystick, exactly
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
from tallystick.work.disk_space import DiskSpace

LEAST_UNREVIEWED_US = 60 * SECOND_US
BREATH_SECONDS = 0.01  # between two questions, so that pages waiting for the event store come first


class ReportBuilder:
    """Builds reports and evidence bundles for the worker of exports. `folder` holds the operator's framework files."""

    def __init__(
        self,
        database: Database,
        store: EventStore,
        prover: Prover,
        data_dir: Path,
        folder: Path | None,
        deletions: DeletionState,
        disk: DiskSpace,
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
        self._disk = disk

    def report(self, export: Export, scope: Scope, target: HashedFile, watch: ProgressCallback) -> int:
        """Writes a report as JSON; returns the number of events in its period."""
        report = self._build(export, scope, watch)
        target.write(report_json(report))
        return report.events

    def evidence(self, export: Export, scope: Scope, target: HashedFile, watch: ProgressCallback) -> int:
        """Writes a bundle of the events behind a report, with the report and its reviews; returns how many events.

        Raises EventsDeleted if events were deleted meanwhile: the caller tries again.
        """
        require_whole_trail(scope)
        before = self._deletions(export.org_id)
        if before[0]:
            raise EventsDeleted
        content, report = self._report_of(export, scope)
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope)
            reviews = _read_signed_reviews(connection, scope, report)
            contents = [(review, content_of(review, list_findings(connection, scope, review))) for review in reviews]
        documents = [("report.json", content), ("report.pdf", report_pdf(report))]
        documents += [(f"review-{review.public_id}.json", signed) for review, signed in contents]
        resource_ids = [export.filter[reports.REPORT][0], *(review.public_id for review in reviews)]
        query = evidence_query(report, resource_ids)
        end = max(export.position, 1)

        def read_blocks() -> Iterator[list[StoredEvent]]:
            counted = scan.in_order_of_index(self._database, self._store, scope, query, 0, report.position)
            # After the report's position only the events about the report and its reviews, with their SHA-256.
            later = scan.in_order_of_index(
                self._database,
                self._store,
                scope,
                Query(_report_actions(resource_ids)),
                report.position,
                export.position,
            )
            for block in chain(counted, later):
                yield block
                self._disk.check()
                watch(min(1000 * block[-1].index // end, 999))

        selection = Selection(
            filter={name: list(values) for name, values in export.filter.items()},
            made_by={"type": export.by.kind, "id": export.by.id, "name": export.by.name},
        )
        records = scan.explanatory_records(
            self._database, self._store, scope, self._signed_size(scope, export.position)
        )
        writer = BundleWriter(self._database, self._prover)
        manifest = writer.write(cast("BinaryIO", target), scope, selection, read_blocks(), records, documents)
        if self._deletions(organization.org_id) != before:
            raise EventsDeleted
        return int(manifest["events"])

    def _build(self, export: Export, scope: Scope, watch: ProgressCallback) -> ComplianceReport:
        require_whole_trail(scope)
        request, progress = reports.request_of(export), [0]  # answered questions in thousandths
        now, zone = clock.now_us(), zone_of(request.tz or "UTC")
        with self._database.read() as connection:
            organization = organizations.of_scope(connection, scope)
            refused = set_aside.of_organization(connection, scope.org_id)
            frameworks = framework.load_frameworks(self._folder, organization.slug)
            evidence = Evidence(
                self._database,
                self._store,
                scope,
                request.period,
                export.position,
                export.asked_at,
                [(index, record) for index, record in refused if index < export.position],
                lambda: watch(progress[0]),
                read_catalogue(connection, scope.org_id),
            )
            status = gaps.read_log_status(connection, evidence, now)
            query = evidence.query()
            reviews = list_signed_reviews(connection, scope, query.start or 0, query.end or 0, until=export.asked_at)
            signed_ids = {review.review_id for review in reviews}
            review_lines = [_review_line(review, connection, scope, query, signed_ids) for review in reviews]
        chosen = framework.find_framework(frameworks, request.framework)
        missing = list(gaps.find_gaps(evidence, status, zone, now))
        missing += [Gap("mapping", f"A framework file could not be loaded. {words}") for words in frameworks.problems]
        note = self._note(scope, export.position)
        if not note:
            missing.append(Gap("checkpoint", "The log cannot be signed now, so no checkpoint covers this report."))
        total, first, last = self._ends(evidence, query)
        statuses = evidence.statuses(query)
        return ComplianceReport(
            organization=organization.name,
            organization_id=organization.public_id,
            framework=chosen.id,
            title=chosen.title,
            about=chosen.about,
            period=ReportPeriod(rfc3339(query.start or 0), rfc3339(query.end or 0), request.tz or "UTC"),
            position=export.position,
            checkpoint=note,
            asked_at=rfc3339(export.asked_at),
            asked_by=export.by.label,
            events=total,
            success=statuses["success"],
            failed=statuses["failed"],
            first=first,
            last=last,
            gaps=tuple(missing),
            controls=tuple(self._controls(chosen, evidence, review_lines, progress)),
            reviews=tuple(review_lines),
            not_reviewed=tuple(
                ReportPeriod(rfc3339(first), rfc3339(last), request.tz or "UTC")
                for first, last in unreviewed_periods(reviews, query.start or 0, min(query.end or 0, export.asked_at))
            ),
            sources=chosen.sources,
        )

    def _controls(
        self, chosen: framework.Framework, evidence: Evidence, review_lines: list[ReviewLine], progress: list[int]
    ) -> Iterator[ControlReport]:
        total, done = sum(len(control.questions) for control in chosen.controls), 0
        for control in chosen.controls:
            answers = []
            for question in control.questions:
                progress[0] = min(1000 * done // max(total, 1), 999)
                answers.append(evidence.answer(question))
                done += 1
                time.sleep(self._breath_seconds)
            about = f"{chosen.id} {control.id}"
            review_ids = tuple(line.id for line in review_lines if line.about == about)
            yield ControlReport(control.id, control.title, control.about, tuple(answers), review_ids)

    def _ends(self, evidence: Evidence, query: Query) -> tuple[int, str, str]:
        count, first, last = grouping.time_range(self._store, evidence.scope, query, evidence.position)
        refused = [record.occurred_at for record in evidence.set_aside_records(query)]
        times = [*([first, last] if count else []), *refused]
        if not times:
            return 0, "", ""
        return count + len(refused), rfc3339(min(times)), rfc3339(max(times))

    def _report_of(self, export: Export, scope: Scope) -> tuple[bytes, ComplianceReport]:
        with self._database.read() as connection:
            report = find_export(connection, scope, export.filter[reports.REPORT][0])
        path = files.path_of(self._data_dir, report.org_id, report.export_id)
        content = reports.read_content(report, path)
        if sha256(content).hexdigest() != report.sha256:
            raise NotFound("The report's file was changed on disk. Create the report again.", code="export_gone")
        return content, reports.load_report(report, path)

    def _note(self, scope: Scope, position: int) -> str:
        try:
            return self._prover.checkpoint(scope, covering=position).note
        except TallystickError:  # the report lists the missing checkpoint as a gap
            return ""

    def _signed_size(self, scope: Scope, position: int) -> int:
        try:
            return self._prover.checkpoint(scope, covering=self._prover.size(scope)).size
        except Unavailable:
            return self._prover.checkpoint(scope, covering=position).size


def evidence_query(report: ComplianceReport, resource_ids: list[str]) -> Query:
    """Returns the query of an evidence bundle: every event that a report counts, and the events about the report and
    its reviews, whose ids are `resource_ids`."""
    asked_at = to_us(datetime.fromisoformat(report.asked_at))
    period = {"start": [report.period.start], "end": [report.period.end], "tz": [report.period.zone]}
    within = query_from(period, now=asked_at)
    searches = dict.fromkeys(
        search
        for control in report.controls
        for answer in control.answers
        for search in (answer.query, *(one.query for one in answer.exceptions))
    )
    queries = [question_query(period, search, asked_at) for search in searches]
    conditions = tuple(And((Between(query.start, query.end), query.condition)) for query in queries)
    counted = And((Between(within.start, within.end), Or(conditions)))
    return Query(Or((counted, _report_actions(resource_ids))))


def _report_actions(resource_ids: list[str]) -> And:
    actions = exactly("action", "audit_log.report_generated", "audit_log.review_signed")
    return And((actions, RecordedByTallystick(), exactly("resource", *resource_ids)))


def _read_signed_reviews(connection: Connection, scope: Scope, report: ComplianceReport) -> list[Review]:
    return [read_review(connection, scope, line.id) for line in report.reviews]


def _review_line(
    review: Review, connection: Connection, scope: Scope, query: Query, signed_ids: Set[UUID]
) -> ReviewLine:
    covers_all = review.is_everything and review.start <= (query.start or 0) and review.end >= (query.end or 0)
    return ReviewLine(
        review.public_id,
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
        tuple(FindingLine(one.public_id, one.severity, one.note) for one in list_findings(connection, scope, review)),
        "" if review.corrects is None else encode(PREFIX, review.corrects.bytes),
        # A correction signed after the report was requested does not belong to it.
        encode(PREFIX, review.corrected_by.bytes) if review.corrected_by in signed_ids and review.corrected_by else "",
    )


def unreviewed_periods(reviews: Sequence[Review], start: int, end: int) -> list[tuple[int, int]]:
    """Returns the parts of start ≤ time < end (microseconds) that no review covers, whatever its filter.

    Parts shorter than LEAST_UNREVIEWED_US are left out: between two reviews, a second was not skipped on purpose.
    """
    periods, at = [], start
    for review in sorted(reviews, key=lambda review: review.start):
        if review.start > at:
            periods.append((at, min(review.start, end)))
        at = max(at, review.end)
    if at < end:
        periods.append((at, end))
    return [(first, last) for first, last in periods if last - first >= LEAST_UNREVIEWED_US]
