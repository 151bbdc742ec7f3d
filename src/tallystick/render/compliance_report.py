"""What a compliance report says, in the order in which it is read; the same in JSON, on the page and in the PDF.

Times are RFC 3339 in UTC. A `query` with the report's period, up to its position, finds exactly what is counted.
"""

import msgspec

FORMAT = "tallystick-report/v1"
NO_EVIDENCE = "No evidence found in this period."


class Count(msgspec.Struct, frozen=True):
    """A value, and how many events have it."""

    value: str
    count: int


class Sample(msgspec.Struct, frozen=True):
    """One event, as a line; what an erasure took is empty."""

    id: str
    index: int
    timestamp: str
    user: str
    action: str
    resource: str
    ip_address: str
    status: str
    summary: str


class Group(msgspec.Struct, frozen=True):
    """What stands out as a group: so many events of one value, in the hour that began then, if it is one."""

    value: str
    count: int
    field: str
    start: str = ""
    end: str = ""


class Exceptional(msgspec.Struct, frozen=True):
    """What should be rare. `count` is of events, or of groups where `unit` says so; `samples` the newest of them.

    `all_shown`: each one counted is here. `query_is_wider`: the search alone finds more than what is counted.
    """

    says: str
    query: str
    count: int
    unit: str
    samples: tuple[Sample, ...] = ()
    groups: tuple[Group, ...] = ()
    all_shown: bool = True
    query_is_wider: bool = False


class Answer(msgspec.Struct, frozen=True):
    """A question and its evidence. `failures` are the newest that failed, `newest` the newest that did not."""

    asks: str
    query: str
    count: int
    success: int
    failed: int
    users: int
    by_user: tuple[Count, ...] = ()
    by_action: tuple[Count, ...] = ()
    actions: int = 0
    failures: tuple[Sample, ...] = ()
    newest: tuple[Sample, ...] = ()
    exceptions: tuple[Exceptional, ...] = ()


class ControlReport(msgspec.Struct, frozen=True):
    """A control with its answers; `reviews` are those that were about it, by id."""

    id: str
    title: str
    about: str
    answers: tuple[Answer, ...]
    reviews: tuple[str, ...] = ()


class Gap(msgspec.Struct, frozen=True):
    """Something that is missing, or may be. `query` finds the records of it."""

    kind: str
    says: str
    query: str = ""


class FindingLine(msgspec.Struct, frozen=True):
    """What a reviewer noted at an event."""

    event: str
    severity: str
    note: str


class ReviewLine(msgspec.Struct, frozen=True):
    """A signed review that touches the period. `covers_all`: all of it, without a filter."""

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


class Period(msgspec.Struct, frozen=True):
    """start ≤ timestamp < end; `zone` is that of the dates that were asked for, and of times shown."""

    start: str
    end: str
    zone: str


class ComplianceReport(msgspec.Struct, frozen=True):
    """All of it. `position`: only what stood below it in the log is counted; `checkpoint` is signed and covers it."""

    organization: str
    organization_id: str
    framework: str
    title: str
    about: str
    period: Period
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
    not_reviewed: tuple[Period, ...]
    sources: tuple[tuple[str, str], ...]
    format: str = FORMAT

    @property
    def exceptions(self) -> int:
        """How many things stand out."""
        return sum(bool(one.count) for control in self.controls for answer in control.answers
                   for one in answer.exceptions)  # fmt: skip

    @property
    def unanswered(self) -> int:
        """How many questions have no evidence."""
        return sum(not answer.count for control in self.controls for answer in control.answers)


def written(report: ComplianceReport) -> bytes:
    """The report as JSON, the same bytes for the same report."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def read(content: bytes) -> ComplianceReport:
    """What was `written`; msgspec.DecodeError for anything else."""
    return msgspec.json.decode(content, type=ComplianceReport)
