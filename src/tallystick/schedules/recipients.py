"""Recipients of scheduled exports: their addresses, and an owner's consent to those outside the organization."""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import Connection

from tallystick.access import names
from tallystick.access.members import member_addresses
from tallystick.access.scopes import is_owner, require
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.scope import Scope
from tallystick.schedules.schedule import OPERATOR_STORAGE, Recipient

MAX_RECIPIENTS = 20


def check_recipients(scope: Scope, texts: Iterable[str], *, to_storage: bool) -> list[str]:
    """Validates addresses; returns them normalized, with the operator's storage as one of them if `to_storage`.

    Raises BadRequest (`bad_schedule`), Forbidden (`own_address_only`).
    """
    found: list[str] = []
    for text in texts:
        try:
            found.append(names.email(text))
        except BadRequest:
            raise invalid(
                "recipients", f"{text[:100]!r} is not an email address. Write it as name@example.com."
            ) from None
    found = list(dict.fromkeys(found))
    if len(found) > MAX_RECIPIENTS:
        raise invalid("recipients", f"A schedule can have at most {MAX_RECIPIENTS} recipients.")
    if to_storage:
        require(scope, "admin")
        found.append(OPERATOR_STORAGE)
    if not found:
        raise invalid("recipients", "Add at least one recipient.")
    # Auditors and members may read, but not give data away: an export to themselves is reading.
    if scope.role in ("auditor", "member") and found != [scope.principal.email]:
        raise Forbidden(
            f"As {scope.role} you can schedule exports only to your own address, {scope.principal.email}. "
            "Ask an owner or admin to add other recipients.",
            code="own_address_only",
        )
    return found


def is_member(connection: Connection, org_id: UUID, address: str) -> bool:
    """Whether the address belongs to a member whose access is not disabled, or is the operator's storage."""
    return address == OPERATOR_STORAGE or address in member_addresses(connection, org_id)


def may_receive(connection: Connection, org_id: UUID, recipient: Recipient) -> bool:
    """Whether a file may be sent there now. A member who left needs consent like anybody outside the organization."""
    agreed = bool(recipient.consent_by) or is_member(connection, org_id, recipient.address)
    return recipient.state == "active" and agreed


def new_row(
    connection: Connection, scope: Scope, schedule_id: UUID, address: str, *, until: int, now: int
) -> dict[str, object]:
    """The row of a new recipient, who waits for consent if they are outside the organization."""
    inside = is_member(connection, scope.org_id, address)
    agreed = not inside and is_owner(scope)
    return {
        "org_id": scope.org_id,
        "schedule_id": schedule_id,
        "address": address,
        "until": until,
        "added_at": now,
        "state": "active" if inside or agreed else "waiting",
        "consent_by": scope.principal.label[:254] if agreed else "",
        "consent_at": now if agreed else None,
    }


def invalid(field: str, detail: str) -> BadRequest:
    return BadRequest(detail, code="bad_schedule", field=field)
