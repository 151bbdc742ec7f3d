"""The content of a compliance report, in reading order, for JSON, the page and the PDF.

Times are RFC 3339 in UTC. A `query`, limited to the report's period and position, finds exactly the counted events.
"""

import msgspec

FORMAT = "tallystick-report/v1"
NO_EVIDENCE = "No evidence found in this period."


class ValueCount(msgspec.Struct, frozen=True):
    """A value and its number of events."""

    value: str
    count: int


class EventLine(msgspec.Struct, frozen=True):
    """An event in one line; erased fields are empty."""

    id: str
    index: int
    timestamp: str
    user: str
    action: str
    resource: str
    ip_address: str
    status: str
    summary: str


class ValueGroup(msgspec.Struct, frozen=True):
    """A conspicuous group: the number of events with one value of a field, within an hour if `start` is given."""

    value: str
    count: int
    field: str
    start: str = ""
    end: str = ""


class ExceptionReport(msgspec.Struct, frozen=True):
    """Something that should be rare. `count` counts events, or groups if `unit` says so; `samples` are the newest.

    `all_shown`: every counted one is included. `query_is_wider`: the search finds more than what is counted.
    """

    says: str
    query: str
    count: int
    unit: str
    samples: tuple[EventLine, ...] = ()
    groups: tuple[ValueGroup, ...] = ()
    all_shown: bool = True
    query_is_wider: bool = False


class QuestionReport(msgspec.Struct, frozen=True):
    """A question and its evidence. `failures` are the newest failed events, `newest` the newest successful ones."""

    asks: str
    query: str
    count: int
    success: int
    failed: int
    users: int
    by_user: tuple[ValueCount, ...] = ()
    by_action: tuple[ValueCount, ...] = ()
    actions: int = 0
    failures: tuple[EventLine, ...] = ()
    newest: tuple[EventLine, ...] = ()
    exceptions: tuple[ExceptionReport, ...] = ()


class ControlReport(msgspec.Struct, frozen=True):
    """A control with its questions; `reviews` are the ids of reviews about it."""

    id: str
    title: str
    about: str
    answers: tuple[QuestionReport, ...]
    reviews: tuple[str, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """Something that is or may be missing. `query` finds the records of it."""

    kind: str
    says: str
    query: str = ""


class FindingLine(msgspec.Struct, frozen=True):
    """A finding of a review: the event, its severity, a note."""

    event: str
    severity: str
    note: str


class ReviewLine(msgspec.Struct, frozen=True):
    """A signed review that overlaps the period. `covers_all`: it covers the whole period, without a filter."""

    id: str
    about: str
    start: str
    end: str
    covers_all: bool
    filter: str
    events: int
    position: int
    signed_by: str
    signed_at: str
    sha256: str
    conclusion: str
    findings: tuple[FindingLine, ...] = ()
    corrects: str = ""
    corrected_by: str = ""


class ReportPeriod(msgspec.Struct, frozen=True):
    """Events with start ≤ timestamp < end; `zone` is the time zone of the requested dates and of displayed times."""

    start: str
    end: str
    zone: str


class ComplianceReport(msgspec.Struct, frozen=True):
    """A report. Only events below index `position` are counted; `checkpoint` is a signed note that covers them."""

    organization: str
    organization_id: str
    framework: str
    title: str
    about: str
    period: ReportPeriod
    position: int
    checkpoint: str
    asked_at: str
    asked_by: str
    events: int
    success: int
    failed: int
    first: str
    last: str
    gaps: tuple[Gap, ...]
    controls: tuple[ControlReport, ...]
    reviews: tuple[ReviewLine, ...]
    not_reviewed: tuple[ReportPeriod, ...]
    sources: tuple[tuple[str, str], ...]
    format: str = FORMAT

    @property
    def exceptions(self) -> int:
        """The number of exceptions that occurred."""
        return sum(
            bool(one.count) for control in self.controls for answer in control.answers for one in answer.exceptions
        )

    @property
    def unanswered(self) -> int:
        """The number of questions without evidence."""
        return sum(not answer.count for control in self.controls for answer in control.answers)


def report_json(report: ComplianceReport) -> bytes:
    """The report as JSON; equal reports give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def parse_report(content: bytes) -> ComplianceReport:
    """Parse a report from its JSON; msgspec.DecodeError."""
    return msgspec.json.decode(content, type=ComplianceReport)
