"""Opens, changes, signs and withdraws reviews; each of these is an event in the audit log."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, record_own, resource
from tallystick.access.names import clean_text
from tallystick.access.scopes import require, require_whole_trail
from tallystick.actions.catalogues import read_catalogue
from tallystick.compliance.review import (
    PREFIX,
    SEVERITIES,
    Filter,
    Review,
    ReviewFinding,
    Severity,
    list_findings,
    parse_id,
    read_review,
    review_not_found,
)
from tallystick.compliance.signing import digest_of
from tallystick.compliance.tables import review_findings, reviews
from tallystick.database.engine import Database
from tallystick.errors import BadRequest, Conflict, NotFound, Unavailable
from tallystick.events.record import StoredEvent
from tallystick.exports.words import describe_filter
from tallystick.journal import set_aside
from tallystick.journal.missing_ranges import format_missing, missing_within
from tallystick.ledger.tables import logs
from tallystick.query.conditions import And, Query, exactly
from tallystick.query.scope import Scope
from tallystick.search.filters import NAMES, query_from
from tallystick.search.find import Finder
from tallystick.search.match import compile_match
from tallystick.store import grouping
from tallystick.store.bounds import with_mandatory_filter
from tallystick.store.events import EventStore

MOST_OPEN = 200
MOST_FINDINGS = 500
MOST_NOTE = 2000
MOST_CONCLUSION = 10_000
MOST_FILTER = 5000
MOST_RECORDED_TEXT = 500
MOST_ABOUT = 100
IDS_AT_ONCE = 50
_PERIOD = frozenset({"start", "end", "tz"})


def require_reviewer(scope: Scope) -> None:
    """Raises Forbidden unless the scope is of an owner, admin or auditor, or of a key with the scope `exports`."""
    require_whole_trail(scope)
    require(scope, "exports")


def draft_review(scope: Scope, given: Mapping[str, Sequence[str]], *, about: str = "", now: int) -> Review:
    """Builds, without storing it, a review of the events that the query parameters `given` find.

    Both ends of the period are required; an end in the future becomes now. Raises BadRequest (`bad_review`, and the
    codes of filters).
    """
    require_reviewer(scope)
    filter_values = {name: list(given[name]) for name in NAMES if any(given.get(name, ())) and name not in _PERIOD}
    query = query_from({name: values for name, values in given.items() if name in _PERIOD}, now=now)
    if query.start is None or query.end is None:
        raise BadRequest("A review needs a period: give its start and end.", code="bad_review", field="period")
    if query.start >= now or query.start == query.end:
        raise BadRequest("This period is empty or has not started yet.", code="bad_review", field="period")
    words = " ".join(clean_text(about).split())
    if len(_filter_text(filter_values)) > MOST_FILTER or len(words) > MOST_ABOUT:
        raise BadRequest("This search is too long to save.", code="bad_review", field="query")
    review = Review(
        org_id=scope.org_id,
        review_id=ids.new_uuid(now),
        state="open",
        about=words,
        corrects=None,
        start=query.start,
        end=min(query.end, now),
        zone="".join(given.get("tz", ())[:1]) or "UTC",
        filter=filter_values,
        conclusion="",
        opened_by=scope.principal.id,
        opened_by_name=_principal_name(scope),
        opened_at=now,
        signed_by_kind="",
        signed_by="",
        signed_by_name="",
        signed_at=None,
        position=None,
        events=None,
        sha256="",
        findings=0,
    )
    # Without the period first, so that errors name the search.
    query_from({**filter_values, "tz": [review.zone]}, now=now)
    _ = review.query
    return review


def open_review(
    connection: Connection, scope: Scope, draft: Review, *, corrects: str = "", now: int, caller: Caller = NOWHERE
) -> Review:
    """Stores a draft as an open review, optionally as a correction of a signed one (`corrects`).

    Raises NotFound (`no_review`), Conflict (`not_signed`, `too_many_reviews`).
    """
    require_reviewer(scope)
    earlier = None if not corrects else _require_signed(read_review(connection, scope, corrects))
    organizations.lock_row(connection, scope.org_id)
    waiting = (reviews.c.org_id == scope.org_id) & (reviews.c.state == "open")
    if connection.execute(select(func.count()).select_from(reviews).where(waiting)).scalar_one() >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} reviews are open. Sign or withdraw some.", code="too_many_reviews")
    connection.execute(
        insert(reviews).values(
            org_id=scope.org_id,
            review_id=draft.review_id,
            state="open",
            about=draft.about,
            corrects=None if earlier is None else earlier.review_id,
            start=draft.start,
            end=draft.end,
            zone=draft.zone,
            filter=_filter_text(draft.filter),
            conclusion="",
            opened_by=draft.opened_by,
            opened_by_name=draft.opened_by_name,
            opened_at=draft.opened_at,
            signed_by_kind="",
            signed_by="",
            signed_by_name="",
            sha256="",
        )
    )
    metadata = {"about": draft.about, "corrects": corrects, "filter": dict(draft.filter), **_period_metadata(draft)}
    _record(connection, scope, "audit_log.review_opened", draft, now, caller, metadata)
    return read_review(connection, scope, draft.public_id)


def find_events(finder: Finder, scope: Scope, review: Review, event_ids: Sequence[str]) -> list[StoredEvent]:
    """Finds events of a review by id. Raises BadRequest (`bad_finding`) for an event outside of it. Blocks."""
    require_reviewer(scope)
    query, found = review.query, dict[str, StoredEvent]()
    for start in range(0, len(event_ids), IDS_AT_ONCE):
        chunk = list(dict.fromkeys(event_ids[start : start + IDS_AT_ONCE]))
        try:
            for event_id in chunk:
                ids.decode("evt", event_id)
        except ValueError:
            raise _event_not_in_review() from None
        condition = And((query.condition, exactly("id", *chunk)))
        page = finder.page(scope, Query(condition, query.start, query.end), limit=len(chunk), count="none")
        found |= {ids.encode("evt", event.id): event for event in page.data}
    if not found.keys() >= set(event_ids):
        raise _event_not_in_review()
    return [found[event_id] for event_id in event_ids]


def mark_event(
    connection: Connection,
    scope: Scope,
    public_id: str,
    event: StoredEvent,
    severity: str,
    note: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> None:
    """Adds a finding for an event that `find_events` returned; replaces an earlier one.

    Raises BadRequest (`bad_finding`), Conflict (`review_over`, `too_many_findings`).
    """
    review = _lock_open_review(connection, scope, public_id)
    if severity not in SEVERITIES:
        raise BadRequest(f"severity must be one of {', '.join(SEVERITIES)}.", code="bad_finding", field="severity")
    words = clean_text(note)
    if len(words) > MOST_NOTE:
        raise BadRequest(f"A note can have at most {MOST_NOTE:,} characters.", code="bad_finding", field="note")
    if review.findings >= MOST_FINDINGS:
        raise Conflict(
            f"A review can have at most {MOST_FINDINGS} findings. Sign it and start another.", code="too_many_findings"
        )
    connection.execute(delete(review_findings).where(_finding_clause(scope, review, event.id)))
    connection.execute(
        insert(review_findings).values(
            org_id=scope.org_id,
            review_id=review.review_id,
            event_id=event.id,
            log_index=event.index,
            occurred_at=event.occurred_at,
            severity=severity,
            note=words,
            marked_by=_principal_name(scope),
            marked_at=now,
        )
    )
    metadata = {"event": ids.encode("evt", event.id), "severity": severity, "note": words[:MOST_RECORDED_TEXT]}
    _record(connection, scope, "audit_log.review_finding_marked", review, now, caller, metadata)


def unmark_event(
    connection: Connection, scope: Scope, public_id: str, event_id: str, *, now: int, caller: Caller = NOWHERE
) -> None:
    """Removes the finding for an event; NotFound (`no_finding`)."""
    review = _lock_open_review(connection, scope, public_id)
    try:
        raw_id = ids.decode("evt", event_id)
    except ValueError:
        raw_id = b""
    if not connection.execute(delete(review_findings).where(_finding_clause(scope, review, raw_id))).rowcount:
        raise NotFound("This event has no finding.", code="no_finding")
    _record(connection, scope, "audit_log.review_finding_removed", review, now, caller, {"event": event_id})


def write_conclusion(connection: Connection, scope: Scope, public_id: str, conclusion: str) -> Review:
    """Saves the conclusion as a draft, without an event in the audit log; signing records it."""
    review = _lock_open_review(connection, scope, public_id)
    _update_open_review(connection, scope, review, conclusion=_conclusion(conclusion))
    return read_review(connection, scope, public_id)


def withdraw(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Review:
    """Withdraws an open review; it stays in the list of reviews."""
    review = _lock_open_review(connection, scope, public_id)
    _update_open_review(connection, scope, review, state="withdrawn")
    _record(connection, scope, "audit_log.review_withdrawn", review, now, caller, {})
    return read_review(connection, scope, public_id)


def count_events(database: Database, store: EventStore, scope: Scope, review: Review) -> tuple[int, int]:
    """Returns the position below which all events are searchable, and the exact number of the review's events below it.

    Blocks; holds no transaction that others wait for.
    """
    require_reviewer(scope)
    with database.read() as connection:
        row = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar_one()
        aside = set_aside.of_organization(connection, scope.org_id)
        query = read_catalogue(connection, scope.org_id).expand_query(review.query)
    position, matches = int(row), compile_match(with_mandatory_filter(scope, query))
    number = grouping.time_range(store, scope, query, position)[0]
    return position, number + sum(1 for index, record in aside if index < position and matches(record))


def count_and_sign(
    database: Database,
    store: EventStore,
    scope: Scope,
    public_id: str,
    conclusion: str,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Review:
    """Counts the events of an open review and signs it. Blocks. Raises as `sign`."""
    with database.read() as connection:
        review = read_review(connection, scope, public_id)
    position, events = count_events(database, store, scope, review)
    with database.write() as connection:
        return sign(connection, scope, public_id, conclusion, position, events, now=now, caller=caller)


def sign(
    connection: Connection,
    scope: Scope,
    public_id: str,
    conclusion: str,
    position: int,
    events: int,
    *,
    now: int,
    caller: Caller = NOWHERE,
) -> Review:
    """Signs an open review, which cannot be changed afterwards. `position` and `events` are those of `count_events`.

    Raises BadRequest (`bad_review`) without a conclusion, Conflict (`review_over`).
    """
    review = _lock_open_review(connection, scope, public_id)
    words = _conclusion(conclusion)
    if not words:
        raise BadRequest("Write a conclusion before you sign.", code="bad_review", field="conclusion")
    signature: dict[str, Any] = {
        "state": "signed",
        "conclusion": words,
        "signed_by_kind": scope.principal.kind,
        "signed_by": scope.principal.id,
        "signed_by_name": _principal_name(scope),
        "signed_at": now,
        "position": position,
        "events": events,
    }
    signed = replace(review, **signature)
    findings = list_findings(connection, scope, review)
    digest = digest_of(signed, findings)
    _update_open_review(connection, scope, review, **signature, sha256=digest)
    metadata = {
        "sha256": digest,
        "position": position,
        "events": events,
        "about": review.about,
        "filter": dict(review.filter),
        "findings": {severity: number for severity, number in count_by_severity(findings).items() if number},
        **_period_metadata(review),
    }
    if missing := missing_within(connection, scope, end=position, start=review.start):
        metadata["missing"] = format_missing(missing)
    _record(connection, scope, "audit_log.review_signed", signed, now, caller, metadata)
    return read_review(connection, scope, public_id)


def count_by_severity(findings: Sequence[ReviewFinding]) -> dict[Severity, int]:
    """Counts findings by severity, in the order of severities."""
    names: tuple[Severity, ...] = ("fine", "low", "medium", "high")
    return {name: sum(finding.severity == name for finding in findings) for name in names}


def _lock_open_review(connection: Connection, scope: Scope, public_id: str) -> Review:
    """Returns an open review and locks its row until the transaction ends. Raises Conflict (`review_over`)."""
    require_reviewer(scope)
    clause = (reviews.c.org_id == scope.org_id) & (reviews.c.review_id == parse_id(public_id))
    if connection.execute(select(reviews.c.state).where(clause).with_for_update()).first() is None:
        raise review_not_found()
    review = read_review(connection, scope, public_id)
    if review.state != "open":
        raise Conflict(
            f"This review was {review.state} and cannot be changed. Start another review to correct it.",
            code="review_over",
        )
    return review


def _require_signed(review: Review) -> Review:
    if review.state != "signed":
        raise Conflict("Only a signed review can be corrected by another.", code="not_signed")
    return review


def _event_not_in_review() -> BadRequest:
    return BadRequest(
        "This event is outside the review's period or search.",
        code="bad_finding",
        field="event",
    )


def _filter_text(filter_values: Filter) -> str:
    return msgspec.json.encode(filter_values).decode()


def _finding_clause(scope: Scope, review: Review, event_id: bytes) -> ColumnElement[bool]:
    return (
        (review_findings.c.org_id == scope.org_id)
        & (review_findings.c.review_id == review.review_id)
        & (review_findings.c.event_id == event_id)
    )


def _update_open_review(connection: Connection, scope: Scope, review: Review, **values: Any) -> None:
    clause = (reviews.c.org_id == scope.org_id) & (reviews.c.review_id == review.review_id)
    if not connection.execute(update(reviews).where(clause, reviews.c.state == "open").values(**values)).rowcount:
        raise Unavailable("Someone else just changed this review. Reload it and try again.", code="review_changed")


def _conclusion(text: str) -> str:
    words = clean_text(text)
    if len(words) > MOST_CONCLUSION:
        raise BadRequest(
            f"A conclusion can have at most {MOST_CONCLUSION:,} characters.", code="bad_review", field="conclusion"
        )
    return words


def _period_metadata(review: Review) -> dict[str, Any]:
    return {"period": {name: "".join(review.parameters[name]) for name in ("start", "end", "tz")}}


def _principal_name(scope: Scope) -> str:
    return scope.principal.label[:254]


def _record(
    connection: Connection,
    scope: Scope,
    action: str,
    review: Review,
    now: int,
    caller: Caller,
    metadata: Mapping[str, Any],
) -> None:
    on = resource("review", review.review_id, PREFIX, describe_filter(review.filter)[:200])
    record_own(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now, metadata=metadata)
