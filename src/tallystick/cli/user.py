"""`tallystick user`: adds people to organizations, as the operator."""

import secrets
import sys
from enum import StrEnum
from typing import Annotated

import typer

from tallystick import ids
from tallystick.access import organizations, people
from tallystick.access.members import Member
from tallystick.access.passwords import HashedPassword, hash_password
from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.errors import Conflict

app = typer.Typer()
user = typer.Typer(no_args_is_help=True, help="Add people to organizations.")
app.add_typer(user, name="user")


class Role(StrEnum):
    """A role of a member."""

    owner = "owner"
    admin = "admin"
    auditor = "auditor"
    member = "member"


@user.callback()
def _group() -> None:
    pass


@user.command()
def create(
    email: Annotated[str, typer.Argument(metavar="EMAIL", help="Email address to sign in with.")],
    org: Annotated[str, typer.Option(help="The organization's short name.")],
    role: Annotated[
        Role,
        typer.Option(
            help="owner: everything. admin: everything except ownership. auditor: read only. member: own events."
        ),
    ],
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Add a person to an organization.

    Without --password-stdin, a password is generated and printed to standard output once. A person who already has an
    account keeps its password.
    """
    password = _read_password() if password_stdin else secrets.token_urlsafe(15)
    hashed = hash_password(password)
    is_new = not password_stdin
    with control_database() as database:
        try:
            made = _add_person(database, email, org, role, hashed, name)
        except Conflict as conflict:
            if conflict.code != "account_exists" or password_stdin:
                raise
            made, is_new = _add_person(database, email, org, role, None, name), False
    if json:
        result = {"id": ids.encode("usr", made.user_id.bytes), "email": made.email, "role": made.role, "org": org}
        emit(result | ({"password": password} if is_new else {}))
        return
    note(f"{made.email} is {made.role} of {org}." + (" Password, shown only once:" if is_new else ""))
    if is_new:
        say(password)


def _add_person(
    database: Database, email: str, org: str, role: str, hashed: HashedPassword | None, name: str
) -> Member:
    with database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        return people.create(connection, scope, email, role, hashed, now=now_us(), name=name, caller=CLI_CALLER)


def _read_password() -> str:
    line = sys.stdin.readline()
    if not line.strip():
        raise typer.BadParameter("Standard input has no password. Pipe one line in", param_hint="--password-stdin")
    return line.rstrip("\r\n")
