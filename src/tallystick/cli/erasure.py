"""`tallystick erasure`: shows and confirms erasures, as the operator."""

from typing import Annotated, Any

import typer
from sqlalchemy import Connection

from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.clock import now_us, optional_rfc3339
from tallystick.display_text import display_line
from tallystick.erasure import request
from tallystick.erasure.request import Erasure
from tallystick.query.scope import Scope

app = typer.Typer()
erasure = typer.Typer(
    no_args_is_help=True, help="Show and confirm erasures, where an organization has no two people for it."
)
app.add_typer(erasure, name="erasure")

ErasureId = Annotated[
    str, typer.Argument(metavar="ID", help="Id of the erasure (ers_…), as the page Retention shows it.")
]


@erasure.command()
def show(erasure_id: ErasureId, json: JsonOption = False) -> None:
    """Show an erasure: who requested it, why, and how many events would lose data."""
    with control_database() as database, database.read() as connection:
        found = request.show(connection, _scope(connection, erasure_id), erasure_id)
    _print(found, json)


@erasure.command()
def confirm(erasure_id: ErasureId, json: JsonOption = False) -> None:
    """Confirm an erasure as the second person.

    Possible where the organization has no two owners or admins who could decide it. The person's data is erased
    for good; the trail records the operator as who confirmed it.
    """
    with control_database() as database, database.write() as connection:
        scope = _scope(connection, erasure_id)
        confirmed = request.confirm(connection, scope, erasure_id, now=now_us(), caller=CLI_CALLER)
    _print(confirmed, json)
    if not json and confirmed.state == "ready":
        note("An owner or admin must confirm it too, on the page Retention: an API key requested it.")


def _scope(connection: Connection, erasure_id: str) -> Scope:
    return operator_scope(request.organization_of(connection, erasure_id))


def _print(found: Erasure, json: bool) -> None:
    if json:
        emit(_erasure_json(found))
        return
    say(f"{found.public_id}  {found.state}")
    say(display_line(f"requested by {found.requested_by_name}: {found.reason}"))
    if found.subject is not None:
        identity = (found.subject.email, found.subject.id, *found.subject.also)
        say(display_line(f"erases {', '.join(filter(None, identity))}"))
    if found.preview is not None:
        say(f"{found.preview.trail.events:,} events lose data, {found.preview.trail.held:,} under a legal hold do not")


def _erasure_json(found: Erasure) -> dict[str, Any]:
    return {
        "id": found.public_id,
        "state": found.state,
        "reason": found.reason,
        "requested_by": found.requested_by_name,
        "confirmed_by": found.confirmed_by_name or None,
        "expires_at": optional_rfc3339(found.expires_at),
        "events": None if found.preview is None else found.preview.trail.events,
    }
