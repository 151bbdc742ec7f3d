"""Reviews as stored: the period and search that somebody reviewed, the findings, and the signature."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, func, select

from tallystick import ids
from tallystick.access.scopes import require, require_whole_trail
from tallystick.clock import DAY_US, rfc3339
from tallystick.compliance.tables import review_findings, reviews
from tallystick.errors import NotFound
from tallystick.query.conditions import Query
from tallystick.query.scope import Scope
from tallystick.search.filters import query_from

PREFIX = "rev"
OVERDUE_DAYS = 7
MOST_LISTED = 200
SEVERITIES = ("fine", "low", "medium", "high")
State = Literal["open", "signed", "withdrawn"]
Severity = Literal["fine", "low", "medium", "high"]
Filter = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class ReviewFinding:
    """A reviewer's note on an event. Times in microseconds."""

    event_id: bytes
    index: int
    occurred_at: int
    severity: Severity
    note: str
    marked_by: str
    marked_at: int

    @property
    def public_id(self) -> str:
        return ids.encode("evt", self.event_id)


@dataclass(frozen=True, slots=True)
class Review:
    """A review of the events with start ≤ time < end that the filter finds. Times in microseconds.

    Of a signed review, `position` and `events` say what was counted, and `sha256` (hexadecimal) covers all that was
    signed. `corrects` is the id of an earlier review, `corrected_by` that of a later one; `findings` counts them.
    """

    org_id: UUID
    review_id: UUID
    state: State
    about: str
    corrects: UUID | None
    start: int
    end: int
    zone: str
    filter: Filter
    conclusion: str
    opened_by: str
    opened_by_name: str
    opened_at: int
    signed_by_kind: str
    signed_by: str
    signed_by_name: str
    signed_at: int | None
    position: int | None
    events: int | None
    sha256: str
    findings: int
    corrected_by: UUID | None = None

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.review_id.bytes)

    @property
    def is_everything(self) -> bool:
        """Whether the review covers all events of its period, without a filter."""
        return not self.filter

    @property
    def parameters(self) -> dict[str, Sequence[str]]:
        """The query parameters that find the events of the review."""
        period = {"start": [rfc3339(self.start)], "end": [rfc3339(self.end)]}
        return {**self.filter, **period, "tz": [self.zone]}

    @property
    def query(self) -> Query:
        """The query of the review's events; words such as `today` mean the time when it was opened."""
        return query_from(self.parameters, now=self.opened_at)

    def is_overdue(self, now: int) -> bool:
        """Whether the review has been open for more than OVERDUE_DAYS."""
        return self.state == "open" and self.opened_at + OVERDUE_DAYS * DAY_US < now


def read_review(connection: Connection, scope: Scope, public_id: str) -> Review:
    """Returns the review of that id; NotFound (`no_review`)."""
    row = connection.execute(
        _select_reviews().where(visible_clause(scope), reviews.c.review_id == parse_id(public_id))
    ).first()
    if row is None:
        raise review_not_found()
    return _review_of(row)


def list_reviews(
    connection: Connection, scope: Scope, *, state: str = "", before: str = "", limit: int = MOST_LISTED
) -> list[Review]:
    """Lists the organization's reviews, newest first; `before` is the id of the last review of the previous page."""
    statement = _select_reviews().where(visible_clause(scope))
    if state:
        statement = statement.where(reviews.c.state == state)
    if before:
        statement = statement.where(reviews.c.review_id < parse_id(before))
    return [_review_of(row) for row in connection.execute(statement.order_by(reviews.c.review_id.desc()).limit(limit))]


def list_signed_reviews(connection: Connection, scope: Scope, start: int, end: int, *, until: int) -> list[Review]:
    """Lists the reviews signed by the time `until` whose period overlaps start ≤ time < end; oldest signature first."""
    statement = _select_reviews().where(
        visible_clause(scope),
        reviews.c.state == "signed",
        reviews.c.start < end,
        reviews.c.end > start,
        reviews.c.signed_at <= until,
    )
    return [_review_of(row) for row in connection.execute(statement.order_by(reviews.c.signed_at, reviews.c.review_id))]


def list_open_reviews(connection: Connection, scope: Scope) -> list[Review]:
    """Lists the reviews that are not signed yet, the oldest first."""
    statement = _select_reviews().where(visible_clause(scope), reviews.c.state == "open")
    return [_review_of(row) for row in connection.execute(statement.order_by(reviews.c.opened_at).limit(MOST_LISTED))]


def last_signed_at(connection: Connection, scope: Scope) -> int | None:
    """Returns when a review was last signed (microseconds), or None."""
    newest = select(func.max(reviews.c.signed_at)).where(visible_clause(scope), reviews.c.state == "signed")
    signed_at: int | None = connection.execute(newest).scalar()
    return signed_at


def list_findings(connection: Connection, scope: Scope, review: Review) -> list[ReviewFinding]:
    """Lists the findings of a review in order of the events' time."""
    clause = (review_findings.c.org_id == scope.org_id) & (review_findings.c.review_id == review.review_id)
    names = ("event_id", "log_index", "occurred_at", "severity", "note", "marked_by", "marked_at")
    columns = (review_findings.c[name] for name in names)
    ordered = select(*columns).where(clause).order_by(review_findings.c.occurred_at, review_findings.c.log_index)
    return [ReviewFinding(*row) for row in connection.execute(ordered)]


def visible_clause(scope: Scope) -> ColumnElement[bool]:
    """Returns the SQL clause of the organization's reviews. Raises Forbidden unless the scope sees every event."""
    require_whole_trail(scope)
    require(scope, "events:read")
    return reviews.c.org_id == scope.org_id


def parse_id(public_id: str) -> UUID:
    """Parses the id of a review; NotFound (`no_review`) for an invalid one."""
    try:
        return ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise review_not_found() from None


def review_not_found() -> NotFound:
    """Creates the NotFound (`no_review`) for a review that does not exist or may not be seen: the same for both."""
    return NotFound("Review not found in your organization.", code="no_review")


def _select_reviews() -> Any:
    found = (
        select(func.count())
        .where(review_findings.c.org_id == reviews.c.org_id, review_findings.c.review_id == reviews.c.review_id)
        .scalar_subquery()
    )
    other = reviews.alias()
    later = (
        select(other.c.review_id)
        .where(other.c.org_id == reviews.c.org_id, other.c.corrects == reviews.c.review_id, other.c.state == "signed")
        .order_by(other.c.review_id.desc())
        .limit(1)
        .scalar_subquery()
    )
    return select(reviews, found.label("findings"), later.label("corrected_by"))


def _review_of(row: Row[Any]) -> Review:
    values = {name: row._mapping[name] for name in Review.__slots__ if name != "filter"}
    return Review(filter=msgspec.json.decode(row.filter), **values)
