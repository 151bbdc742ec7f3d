"""`tallystick user`: adds, changes and removes people of organizations, as the operator."""

import secrets
import sys
from collections.abc import Callable
from datetime import UTC
from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.access import members, organizations, people
from tallystick.access.members import Member
from tallystick.access.passwords import HashedPassword, hash_password
from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database, installed_settings
from tallystick.cli.terminal import JsonOption, emit, note, print_table, say
from tallystick.clock import now_us, optional_rfc3339, rfc3339, second_words
from tallystick.database.engine import Database
from tallystick.errors import Conflict
from tallystick.invitations import invitation
from tallystick.invitations.invitation import LinkDelivery

app = typer.Typer()
user = typer.Typer(no_args_is_help=True, help="Add, change and remove people of organizations.")
app.add_typer(user, name="user")

EmailArgument = Annotated[str, typer.Argument(metavar="EMAIL", help="Email address that the person signs in with.")]
OrgOption = Annotated[str, typer.Option(help="The organization's short name.")]
EverywhereOption = Annotated[
    str, typer.Option(help="The organization's short name. Without it, in every organization of the person.")
]
PasswordStdinOption = Annotated[bool, typer.Option("--password-stdin", help="Read the password from standard input.")]


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
    org: OrgOption,
    role: Annotated[
        Role,
        typer.Option(
            help="owner: everything. admin: everything except ownership. auditor: read only. member: own events."
        ),
    ],
    name: Annotated[str, typer.Option(help="Display name.")] = "",
    password_stdin: PasswordStdinOption = False,
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
        result = {"id": made.public_id, "email": made.email, "role": made.role, "org": org}
        emit(result | ({"password": password} if is_new else {}))
        return
    note(f"{made.email} is {made.role} of {org}." + (" Password, shown only once:" if is_new else ""))
    if is_new:
        say(password)


@user.command()
def invite(
    email: EmailArgument,
    org: OrgOption,
    role: Annotated[Role, typer.Option(help="What the person may do.")],
    json: JsonOption = False,
) -> None:
    """Invite a person, who sets name and password.

    With a mail server, the link is sent by email; otherwise it is printed to standard output, to be handed over. It
    works once, for three days.
    """
    settings = installed_settings()
    delivery = LinkDelivery(settings.public_url, by_email=settings.smtp_url is not None)
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        made, link = invitation.invite(connection, scope, email, role, delivery, now=now_us(), caller=CLI_CALLER)
    if json:
        emit({"id": made.public_id, "email": made.email, "role": made.role, "org": org, "link": link or None})
        return
    note(f"{made.email} gets an email with a link." if not link else f"Hand this link to {made.email}:")
    if link:
        say(link)


@user.command("list")
def list_users(org: OrgOption, json: JsonOption = False) -> None:
    """List the people of an organization with their roles and last sign-ins."""
    with control_database() as database, database.read() as connection:
        found = members.list_members(connection, operator_scope(organizations.by_slug(connection, org).org_id))
    if json:
        emit([_facts(one) for one in found])
        return
    print_table(("Email", "Role", "State", "Last sign-in", "Name"), map(_cells, found), whole=("Email",))
    if not found:
        note(f"{org} has no members.")


@user.command("role")
def change_role(
    email: EmailArgument, role: Annotated[Role, typer.Argument(help="The new role.")], org: OrgOption
) -> None:
    """Change a person's role. Running servers apply it within a second."""
    changed = _change(org, email, members.change_role, role)
    note(f"{changed.email} is {changed.role} of {org}.")


@user.command()
def disable(email: EmailArgument, org: EverywhereOption = "") -> None:
    """Sign a person out and refuse access until it is enabled again. Running servers apply it within a second."""
    _set_disabled(email, org, True)
    note(f"{email} has no access to {org or 'any organization'} now.")


@user.command()
def enable(email: EmailArgument, org: EverywhereOption = "") -> None:
    """Give a person access again, with the same role."""
    _set_disabled(email, org, False)
    note(f"{email} has access to {org or 'their organizations'} again.")


@user.command()
def remove(email: EmailArgument, org: OrgOption) -> None:
    """Remove a person from an organization. The account stays. Running servers apply it within a second."""
    removed = _change(org, email, members.remove)
    note(f"{removed.email} does not belong to {org} any more.")


@user.command("reset-password")
def reset_password(email: EmailArgument, password_stdin: PasswordStdinOption = False) -> None:
    """Set a new password and end all sessions of the person.

    Without --password-stdin, a password is generated and printed to standard output once.
    """
    password = _read_password() if password_stdin else secrets.token_urlsafe(15)
    hashed = hash_password(password)
    with control_database() as database, database.write() as connection:
        people.set_password(connection, email, hashed, now=now_us(), caller=CLI_CALLER)
    note(f"{email} has a new password." + ("" if password_stdin else " Shown only once:"))
    if not password_stdin:
        say(password)


def _add_person(
    database: Database, email: str, org: str, role: str, hashed: HashedPassword | None, name: str
) -> Member:
    with database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        return people.create(connection, scope, email, role, hashed, now=now_us(), name=name, caller=CLI_CALLER)


def _change(org: str, email: str, act: Callable[..., Member], *what: Any) -> Member:
    """The member after a change in one organization."""
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        member = members.find_by_address(connection, scope, email)
        return act(connection, scope, member.user_id, *what, now=now_us(), caller=CLI_CALLER)


def _set_disabled(email: str, org: str, disabled: bool) -> None:
    if org:
        _change(org, email, members.set_disabled, disabled)
        return
    with control_database() as database, database.write() as connection:
        people.set_disabled(connection, email, disabled, now=now_us(), caller=CLI_CALLER)


def _cells(one: Member) -> tuple[str, ...]:
    seen = "" if one.signed_in_at is None else second_words(one.signed_in_at, UTC)
    return one.email, one.role, "disabled" if one.is_disabled else "active", seen, one.name


def _facts(one: Member) -> dict[str, object]:
    return {
        "id": one.public_id,
        "email": one.email,
        "name": one.name,
        "role": one.role,
        "disabled": one.is_disabled,
        "joined_at": rfc3339(one.joined_at),
        "signed_in_at": optional_rfc3339(one.signed_in_at),
        "sign_in_method": one.sign_in_method or None,
    }


def _read_password() -> str:
    line = sys.stdin.readline()
    if not line.strip():
        raise typer.BadParameter("Standard input has no password. Pipe one line in", param_hint="--password-stdin")
    return line.rstrip("\r\n")
