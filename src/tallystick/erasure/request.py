"""Asking for an erasure, confirming it as a second person, letting it be."""

from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

import msgspec
from sqlalchemy import Connection, Row, delete, insert, select, update

from tallystick import ids
from tallystick.access import organizations
from tallystick.access.audit import NOWHERE, Caller, tell
from tallystick.access.scopes import require
from tallystick.access.tables import api_keys, memberships, people
from tallystick.clock import DAY_US
from tallystick.erasure.search import Found
from tallystick.erasure.tables import erasure_steps, erasures
from tallystick.erasure.texts import Subject, Texts, checked
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.ledger.tables import logs
from tallystick.outbox.write import TALLYSTICK
from tallystick.query.scope import Principal, Scope

PREFIX = "ers"
MOST_REASON = 500
MOST_OPEN = 20
OPEN_DAYS = 7

State = Literal["looking", "ready", "confirmed", "completed", "cancelled", "expired"]
# The stages of the work, in their order: the preview; the erasure; and for a restore the latter from `told` on.
LOOK, WAIT, SEARCH, TELL, ERASE = "look", "wait", "search", "tell", "erase"
ARCHIVE, PLACES, SCRUB = "archive", "places", "scrub"


class Preview(msgspec.Struct):
    """What a request found: in the trail, in other places by their names, and the account if there is one."""

    trail: Found
    places: dict[str, int] = {}
    account: dict[str, str] | None = None
    searched_through: int = -1


@dataclass(frozen=True, slots=True)
class Erasure:
    """One request. Times in microseconds; `subject` and `preview` are None once it is over."""

    erasure_id: UUID
    state: State
    stage: str
    subject: Subject | None
    reason: str
    requested_by: str
    requested_by_name: str
    requested_at: int
    confirmed_by: str
    confirmed_by_name: str
    confirmed_at: int | None
    finished_at: int | None
    preview: Preview | None
    events: int
    held: int
    waits_for: str

    @property
    def shown_id(self) -> str:
        return ids.encode(PREFIX, self.erasure_id.bytes)

    @property
    def expires_at(self) -> int | None:
        """When it is forgotten unless somebody confirms it."""
        return self.requested_at + OPEN_DAYS * DAY_US if self.state in ("looking", "ready") else None


def ask(
    connection: Connection, scope: Scope, subject: Subject, reason: str, *, now: int, caller: Caller = NOWHERE
) -> Erasure:
    """Begin to look for the person; nothing is erased by this.

    Raises BadRequest (`bad_erasure`, `reason_names_subject`), Conflict (`too_many_erasures`).
    """
    require(scope, "admin")
    wanted = checked(subject)
    words = " ".join(reason.split())
    if not 1 <= len(words) <= MOST_REASON or not words.isprintable():
        raise BadRequest(
            f"Say why, in 1 to {MOST_REASON} characters: it stands in the trail for ever.",
            code="bad_erasure", field="reason",
        )  # fmt: skip
    if Texts(wanted).stands_in(words):
        raise BadRequest(
            "The reason stands in the trail for ever: leave the person out of it, and write a ticket's number.",
            code="reason_names_subject", field="reason",
        )  # fmt: skip
    organizations.hold_row(connection, scope.org_id)
    mine = (erasures.c.org_id == scope.org_id) & erasures.c.state.in_(("looking", "ready"))
    if len(connection.execute(select(erasures.c.erasure_id).where(mine)).all()) >= MOST_OPEN:
        raise Conflict(f"{MOST_OPEN} erasures wait to be confirmed. Confirm or cancel one.", code="too_many_erasures")
    erasure_id = ids.new_uuid(now)
    end = connection.execute(select(logs.c.stored_end).where(logs.c.org_id == scope.org_id)).scalar_one()
    connection.execute(
        insert(erasures).values(
            org_id=scope.org_id, erasure_id=erasure_id, state="looking", stage=LOOK, place="",
            subject=msgspec.json.encode(wanted).decode(), reason=words,
            requested_by=scope.principal.id, requested_by_name=_name(scope.principal), requested_at=now,
            confirmed_by="", confirmed_by_name="", end_index=end, holds="", found="", events=0, held=0, waits_for="",
        )
    )  # fmt: skip
    _tell(connection, scope, "audit_log.erasure_requested", erasure_id, now, caller)
    return show(connection, scope, ids.encode(PREFIX, erasure_id.bytes))


def confirm(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> Erasure:
    """Let it be done, as somebody else than who asked. What is recorded from now on is not looked through.

    Raises Forbidden (`second_person_needed`), Conflict (`still_looking`, `erasure_over`).
    """
    require(scope, "admin")
    organizations.hold_row(connection, scope.org_id)
    erasure = show(connection, scope, shown_id)
    if erasure.state == "confirmed":
        return erasure
    if erasure.state == "looking":
        raise Conflict("The trail is still being looked through. Confirm what was found.", code="still_looking")
    if erasure.state != "ready" or now >= (erasure.expires_at or 0):
        raise _over(erasure)
    if _is_same(connection, scope, erasure):
        raise Forbidden(
            "Whoever asked for an erasure cannot confirm it. Ask a second owner or admin.", code="second_person_needed"
        )
    end = connection.execute(select(logs.c.size).where(logs.c.org_id == scope.org_id)).scalar_one()
    connection.execute(
        update(erasures).where(one(scope.org_id, erasure.erasure_id)).values(
            state="confirmed", stage=WAIT, place="", confirmed_by=scope.principal.id,
            confirmed_by_name=_name(scope.principal), confirmed_at=now, end_index=end,
        )
    )  # fmt: skip
    _tell(connection, scope, "audit_log.erasure_confirmed", erasure.erasure_id, now, caller)
    return show(connection, scope, shown_id)


def cancel(connection: Connection, scope: Scope, shown_id: str, *, now: int, caller: Caller = NOWHERE) -> Erasure:
    """Let it be, and forget whom it was about; cancelling again changes nothing. Conflict (`erasure_over`)."""
    require(scope, "admin")
    organizations.hold_row(connection, scope.org_id)
    erasure = show(connection, scope, shown_id)
    if erasure.state == "cancelled":
        return erasure
    if erasure.state not in ("looking", "ready"):
        raise _over(erasure)
    forget(connection, scope.org_id, erasure.erasure_id, "cancelled", now)
    _tell(connection, scope, "audit_log.erasure_cancelled", erasure.erasure_id, now, caller)
    return show(connection, scope, shown_id)


def show(connection: Connection, scope: Scope, shown_id: str) -> Erasure:
    """One request, over or not; NotFound (`no_erasure`)."""
    require(scope, "admin")
    try:
        erasure_id = UUID(bytes=ids.decode(PREFIX, shown_id))
    except ValueError:
        raise _none() from None
    row = connection.execute(select(erasures).where(one(scope.org_id, erasure_id))).first()
    if row is None:
        raise _none()
    return _read(row)


def list_erasures(connection: Connection, scope: Scope, *, most: int = 1000) -> list[Erasure]:
    """Every request there was, newest first."""
    require(scope, "admin")
    mine = erasures.c.org_id == scope.org_id
    statement = select(erasures).where(mine).order_by(erasures.c.requested_at.desc()).limit(most)
    return [_read(row) for row in connection.execute(statement)]


def one(org_id: UUID, erasure_id: UUID) -> Any:
    """The condition for one row."""
    return (erasures.c.org_id == org_id) & (erasures.c.erasure_id == erasure_id)


def forget(connection: Connection, org_id: UUID, erasure_id: UUID, state: State, now: int) -> None:
    """The request is over: nothing personal stays of it."""
    connection.execute(
        delete(erasure_steps).where(erasure_steps.c.org_id == org_id, erasure_steps.c.erasure_id == erasure_id)
    )
    connection.execute(
        update(erasures)
        .where(one(org_id, erasure_id))
        .values(state=state, stage="", place="", subject="", found="", holds="", waits_for="", finished_at=now)
    )


def account_of(connection: Connection, org_id: UUID, subject: Subject) -> dict[str, str] | None:
    """The person's account in the organization, which an erasure leaves to whoever manages people."""
    joined = select(people.c.user_id, people.c.email, memberships.c.role).join(
        memberships, memberships.c.user_id == people.c.user_id
    )
    by_email = people.c.email == subject.email.lower()
    known = _user_id(subject.id)
    wanted = by_email if known is None else (people.c.user_id == known) | by_email
    row = connection.execute(joined.where(memberships.c.org_id == org_id, wanted)).first()
    return None if row is None else {"id": ids.encode("usr", row.user_id.bytes), "role": row.role}


def _is_same(connection: Connection, scope: Scope, erasure: Erasure) -> bool:
    """Whether the same person asked, as far as the server can know: also behind a key that the person made."""
    return erasure.requested_by == scope.principal.id or bool(
        _people_behind(connection, scope.org_id, scope.principal.id)
        & _people_behind(connection, scope.org_id, erasure.requested_by)
    )


def _people_behind(connection: Connection, org_id: UUID, principal_id: str) -> set[str]:
    """E-mail address of a person, ids of a key and of the keys that it comes from, and the person who made those."""
    user_id = _user_id(principal_id)
    if user_id is not None:
        return set(connection.execute(select(people.c.email).where(people.c.user_id == user_id)).scalars())
    found: set[str] = set()
    maker = principal_id
    while maker not in found and (key_id := _key_id(maker)) is not None:
        found.add(maker)
        mine = (api_keys.c.org_id == org_id) & (api_keys.c.key_id == key_id)
        maker = connection.execute(select(api_keys.c.created_by).where(mine)).scalar() or ""
    return found | ({maker} if "@" in maker else set())  # the operator makes keys for many


def _key_id(shown_id: str) -> UUID | None:
    try:
        return UUID(bytes=ids.decode("key", shown_id))
    except ValueError:
        return None


def _user_id(shown_id: str) -> UUID | None:
    try:
        return UUID(bytes=ids.decode("usr", shown_id))
    except ValueError:
        return None


def _name(principal: Principal) -> str:
    return (principal.email or principal.name or principal.id)[:254]


def _over(erasure: Erasure) -> Conflict:
    return Conflict(f"This erasure is {erasure.state} and cannot be changed. Ask for a new one.", code="erasure_over")


def _none() -> NotFound:
    return NotFound("There is no such erasure.", code="no_erasure")


def _read(row: Row[Any]) -> Erasure:
    said = row._mapping
    known = {name: said[name] for name in Erasure.__slots__ if name not in ("subject", "preview")}
    subject = msgspec.json.decode(row.subject, type=Subject) if row.subject else None
    preview = msgspec.json.decode(row.found, type=Preview) if row.found else None
    return Erasure(**known, subject=subject, preview=preview)


def _tell(connection: Connection, scope: Scope, action: str, erasure_id: UUID, now: int, caller: Caller) -> None:
    """Without a word of whom it is about."""
    on = {"type": "erasure", "id": ids.encode(PREFIX, erasure_id.bytes)}
    tell(connection, scope.org_id, action, by=scope.principal, caller=caller, on=on, now=now)


# Who stands behind an erasure that is done again after a restore.
AGAIN = TALLYSTICK.id
