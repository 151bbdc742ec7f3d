"""`tallystick session`: lists and ends sessions of people in browsers, as the operator."""

import os
from datetime import UTC
from typing import Annotated

import typer

from tallystick.access import members, organizations, sessions
from tallystick.access.scopes import operator_scope
from tallystick.access.sessions import Session, SessionLimits
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, counted, emit, note, print_table
from tallystick.clock import now_us, rfc3339, second_words
from tallystick.settings import Settings

app = typer.Typer()
session = typer.Typer(no_args_is_help=True, help="List and end sessions of people in browsers.")
app.add_typer(session, name="session")

OrgOption = Annotated[str, typer.Option(help="The organization's short name.")]


@session.callback()
def _group() -> None:
    pass


@session.command("list")
def list_sessions(org: OrgOption, json: JsonOption = False) -> None:
    """List who is signed in to an organization, last used first."""
    with control_database() as database, database.read() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        limits = SessionLimits.of(Settings.load(os.environ))
        found = sessions.list_of_organization(connection, scope, now_us(), limits)
    if json:
        emit([_facts(one) for one in found])
        return
    print_table(
        ("Email", "Last used", "Signed in", "Address", "Session"), map(_cells, found), whole=("Email", "Session")
    )
    if not found:
        note(f"Nobody is signed in to {org}.")


@session.command("end")
def end_sessions(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Whose sessions.")], org: OrgOption
) -> None:
    """Sign a person out of an organization, everywhere. Running servers apply it within a second."""
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        member = members.find_by_address(connection, scope, email)
        ended = members.sign_out(connection, scope, member.user_id, now=now_us(), caller=CLI_CALLER)
    note(f"{counted(ended, 'session')} of {member.email} ended.")


def _cells(one: Session) -> tuple[str, ...]:
    used, began = (second_words(moment, UTC) for moment in (one.seen_at, one.created_at))
    return one.scope.principal.email, used, began, one.address, one.public_id


def _facts(one: Session) -> dict[str, object]:
    return {
        "id": one.public_id,
        "email": one.scope.principal.email,
        "role": one.scope.role,
        "address": one.address,
        "user_agent": one.user_agent,
        "created_at": rfc3339(one.created_at),
        "seen_at": rfc3339(one.seen_at),
    }
