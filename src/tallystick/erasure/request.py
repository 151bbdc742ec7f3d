"""Erasure requests: request, confirm as two people, cancel, list."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, Select, case, delete, func, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller
from tallystick.access.decisions import (
    DecisionKind,
    cancel_decision,
    confirm_decision,
    find_pending,
    request_decision,
)
from tallystick.access.scopes import require, require_person
from tallystick.access.tables import decisions, memberships, people
from tallystick.erasure.search import SubjectMatches
from tallystick.erasure.subject import Subject, SubjectMatcher, validate_subject
from tallystick.erasure.tables import FOR_EVER, erasure_steps, erasures
from tallystick.errors import BadRequest, Conflict, NotFound
from tallystick.ledger.tables import logs
from tallystick.query.scope import TALLYSTICK, Principal, Scope

PREFIX = "ers"
MAX_REASON = 500
MAX_OPEN = 20
ERASURE = DecisionKind(
    "erasure",
    frozenset({"owner", "admin"}),
    "/retention#erasures",
    "erasure",
    "erasure",
    PREFIX,
    always_two=True,
)

State = Literal["looking", "ready", "confirmed", "completed", "cancelled", "expired"]
# The stages, in order: LOOK makes the preview; the erasure runs from WAIT on, and after a restore without SEARCH.
LOOK, WAIT, SEARCH, TELL, ERASE = "look", "wait", "search", "tell", "erase"
ARCHIVE, PLACES, SCRUB = "archive", "places", "scrub"


class ErasurePreview(msgspec.Struct):
    """The preview of a request: matches in the trail, elsewhere by location name, and the person's account, if any."""

    trail: SubjectMatches
    places: dict[str, int] = {}
    account: dict[str, str] | None = None
    searched_through: int = -1


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request. Times in µs since 1970; `subject` and `preview` are None once it is over.

    `first_by` is the first of the two people who agreed: whoever requested it, unless that was an API key. `expires_at`
    is None once it is confirmed or over. `copies_until` is when the last continuous copy of the data goes.
    """

    erasure_id: UUID
    state: State
    stage: str
    subject: Subject | None
    reason: str
    requested_by: str
    requested_by_name: str
    requested_at: int
    expires_at: int | None
    first_by: str
    first_by_name: str
    first_at: int | None
    confirmed_by: str
    confirmed_by_name: str
    confirmed_at: int | None
    finished_at: int | None
    copies_until: int | None
    preview: ErasurePreview | None
    events: int
    held: int
    waits_for: str

    @property
    def is_in_left_copies(self) -> bool:
        """Whether copies hold the data in a place in which none is deleted any more."""
        return self.copies_until == FOR_EVER

    @property
    def public_id(self) -> str:
        return ids.encode(PREFIX, self.erasure_id.bytes)


def request_erasure(
    connection: Connection, scope: Scope, subject: Subject, reason: str, *, now: int, caller: Caller = NOWHERE
) -> Erasure:
    """Request an erasure and start the search for its preview; erases nothing.

    Raises BadRequest (`bad_erasure`, `reason_names_subject`), Conflict (`too_many_erasures`).
    """
    require(scope, "admin")
    wanted = validate_subject(subject)
    words = " ".join(reason.split())
    if not 1 <= len(words) <= MAX_REASON or not words.isprintable():
        raise BadRequest(
            f"Give a reason of 1 to {MAX_REASON} characters. It stays in the trail permanently.",
            code="bad_erasure",
            field="reason",
        )
    if SubjectMatcher(wanted).occurs_in(words):
        raise BadRequest(
            "The reason stays in the trail permanently. Do not name the person in it; use a ticket number.",
            code="reason_names_subject",
            field="reason",
        )
    organizations.lock_row(connection, scope.org_id)
    mine = (erasures.c.org_id == scope.org_id) & erasures.c.state.in_(("looking", "ready"))
    if len(connection.execute(select(erasures.c.erasure_id).where(mine)).all()) >= MAX_OPEN:
        raise Conflict(f"{MAX_OPEN} erasures are unconfirmed. Confirm or cancel one first.", code="too_many_erasures")
    erasure_id = ids.new_uuid(now)
    end = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar_one()
    connection.execute(
        insert(erasures).values(
            org_id=scope.org_id,
            erasure_id=erasure_id,
            state="looking",
            stage=LOOK,
            place="",
            subject=msgspec.json.encode(wanted).decode(),
            reason=words,
            requested_by=scope.principal.id,
            requested_by_name=_name(scope.principal),
            requested_at=now,
            confirmed_by="",
            confirmed_by_name="",
            end_index=end,
            holds="",
            found="",
            events=0,
            held=0,
            waits_for="",
        )
    )
    request_decision(connection, scope, ERASURE, erasure_id, now=now, caller=caller)
    return show(connection, scope, ids.encode(PREFIX, erasure_id.bytes))


def confirm(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Erasure:
    """Agree to a request. With the second of two people it is confirmed: later events are not searched then.

    The operator is the second person where the organization has no two who may. Raises Forbidden (`person_required`,
    `second_person_needed`), Conflict (`still_looking`, `erasure_over`).
    """
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    erasure = show(connection, scope, public_id)
    require_person(scope, ERASURE.page)
    if erasure.state == "confirmed":
        return erasure
    if erasure.state == "looking":
        raise Conflict("The trail is still being searched. Confirm when the preview is ready.", code="still_looking")
    decision = find_pending(connection, scope, ERASURE, erasure.erasure_id)
    if erasure.state != "ready" or decision is None or now >= decision.expires_at:
        raise _already_over(erasure)
    if confirm_decision(connection, scope, ERASURE, decision, now=now, caller=caller).state == "confirmed":
        end = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
        connection.execute(
            update(erasures)
            .where(is_erasure(scope.org_id, erasure.erasure_id))
            .values(
                state="confirmed",
                stage=WAIT,
                place="",
                confirmed_by=scope.principal.id,
                confirmed_by_name=_name(scope.principal),
                confirmed_at=now,
                end_index=end,
            )
        )
    return show(connection, scope, public_id)


def cancel(connection: Connection, scope: Scope, public_id: str, *, now: int, caller: Caller = NOWHERE) -> Erasure:
    """Cancel a request and delete its personal data; idempotent. Conflict (`erasure_over`) once confirmed."""
    require(scope, "admin")
    organizations.lock_row(connection, scope.org_id)
    erasure = show(connection, scope, public_id)
    if erasure.state == "cancelled":
        return erasure
    decision = find_pending(connection, scope, ERASURE, erasure.erasure_id)
    if erasure.state not in ("looking", "ready") or decision is None:
        raise _already_over(erasure)
    cancel_decision(connection, scope, ERASURE, decision, now=now, caller=caller)
    forget(connection, scope.org_id, erasure.erasure_id, "cancelled", now)
    return show(connection, scope, public_id)


def show(connection: Connection, scope: Scope, public_id: str) -> Erasure:
    """A request in any state; NotFound (`no_erasure`)."""
    require(scope, "admin")
    try:
        erasure_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found() from None
    row = connection.execute(_erasures().where(is_erasure(scope.org_id, erasure_id))).first()
    if row is None:
        raise _not_found()
    return _erasure_of(row)


def organization_of(connection: Connection, public_id: str) -> UUID:
    """The id of the organization that an erasure belongs to, for the operator; NotFound (`no_erasure`)."""
    try:
        erasure_id = ids.parse_uuid(PREFIX, public_id)
    except ValueError:
        raise _not_found() from None
    org_id: UUID | None = connection.execute(
        select(erasures.c.org_id).where(erasures.c.erasure_id == erasure_id)
    ).scalar()
    if org_id is None:
        raise _not_found()
    return org_id


def list_erasures(connection: Connection, scope: Scope, *, most: int = 1000) -> list[Erasure]:
    """All requests in any state, newest first."""
    require(scope, "admin")
    mine = erasures.c.org_id == scope.org_id
    statement = _erasures().where(mine).order_by(erasures.c.requested_at.desc()).limit(most)
    return [_erasure_of(row) for row in connection.execute(statement)]


def is_erasure(org_id: UUID, erasure_id: UUID) -> Any:
    """The SQL condition for one request's row."""
    return (erasures.c.org_id == org_id) & (erasures.c.erasure_id == erasure_id)


def forget(
    connection: Connection, org_id: UUID, erasure_id: UUID, state: State, now: int, copies_until: int | None = None
) -> None:
    """End a request in this state and delete all personal data of it."""
    connection.execute(
        delete(erasure_steps).where(erasure_steps.c.org_id == org_id, erasure_steps.c.erasure_id == erasure_id)
    )
    connection.execute(
        update(erasures)
        .where(is_erasure(org_id, erasure_id))
        .values(state=state, stage="", place="", subject="", found="", holds="", waits_for="", finished_at=now)
        .values(copies_until=copies_until)
    )


def account_of(connection: Connection, org_id: UUID, subject: Subject) -> dict[str, str] | None:
    """The person's account in the organization, if there is one; an erasure does not remove accounts."""
    joined = select(people.c.user_id, people.c.email, memberships.c.role).join(
        memberships, memberships.c.user_id == people.c.user_id
    )
    by_email = people.c.email == subject.email.lower()
    known = _user_id(subject.id)
    wanted = by_email if known is None else (people.c.user_id == known) | by_email
    row = connection.execute(joined.where(memberships.c.org_id == org_id, wanted)).first()
    return None if row is None else {"id": ids.encode("usr", row.user_id.bytes), "role": row.role}


def first_person(connection: Connection, org_id: UUID, erasure_id: UUID) -> str:
    """The id of the first of two people who confirmed what an API key requested; empty if a person requested it."""
    said = select(decisions.c.first_by).where(
        decisions.c.org_id == org_id,
        decisions.c.kind == ERASURE.name,
        decisions.c.target_id == erasure_id,
        decisions.c.first_by != decisions.c.requested_by,
    )
    return connection.execute(said).scalar() or ""


def _erasures() -> Select[Any]:
    """Erasures with their decisions. Those of a restored backup, and of earlier versions, may have none."""
    agreed = (decisions.c.org_id == erasures.c.org_id) & (decisions.c.target_id == erasures.c.erasure_id)
    return select(
        erasures,
        case((decisions.c.state == "pending", decisions.c.expires_at)).label("expires_at"),
        func.coalesce(decisions.c.first_by, "").label("first_by"),
        func.coalesce(decisions.c.first_by_name, "").label("first_by_name"),
        decisions.c.first_at,
    ).outerjoin(decisions, agreed & (decisions.c.kind == ERASURE.name))


def _user_id(public_id: str) -> UUID | None:
    try:
        return ids.parse_uuid("usr", public_id)
    except ValueError:
        return None


def _name(principal: Principal) -> str:
    return principal.label[:254]


def _already_over(erasure: Erasure) -> Conflict:
    return Conflict(f"This erasure is {erasure.state} and cannot be changed. Request a new one.", code="erasure_over")


def _not_found() -> NotFound:
    return NotFound("Erasure not found.", code="no_erasure")


def _erasure_of(row: Row[Any]) -> Erasure:
    said = row._mapping
    known = {name: said[name] for name in Erasure.__slots__ if name not in ("subject", "preview")}
    subject = msgspec.json.decode(row.subject, type=Subject) if row.subject else None
    preview = msgspec.json.decode(row.found, type=ErasurePreview) if row.found else None
    return Erasure(**known, subject=subject, preview=preview)


# `requested_by` and `confirmed_by` of an erasure that is replayed after a restore.
AGAIN = TALLYSTICK.id
