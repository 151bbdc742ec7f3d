"""`tallystick key`: creates, lists, rotates and revokes API keys, as the operator."""

from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer

from tallystick.access import keys, organizations
from tallystick.access.keys import MOST_OVERLAP_US, ApiKey
from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.clock import DAY_US, HOUR_US, now_us, optional_rfc3339, rfc3339, second_words

app = typer.Typer()
key = typer.Typer(no_args_is_help=True, help="Create, list, rotate and revoke API keys.")
app.add_typer(key, name="key")


OrgOption = Annotated[str, typer.Option(help="The organization's short name.")]
KeyArgument = Annotated[str, typer.Argument(metavar="KEY_ID", help="`key_…`, as `tallystick key list` shows it.")]


class KeyScope(StrEnum):
    """A scope of an API key."""

    write = "events:write"
    read = "events:read"
    exports = "exports"
    alerts = "alerts"
    admin = "admin"


@key.callback()
def _group() -> None:
    pass


@key.command()
def create(
    org: OrgOption,
    name: Annotated[str, typer.Option(help="What the key is for. Events that it records carry this name.")],
    scope: Annotated[list[KeyScope], typer.Option(help="What the key is allowed to do. Can be repeated.")],
    expires_days: Annotated[
        int | None, typer.Option(min=1, help="Days until the key expires. Defaults to never.")
    ] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="Address or network the key can be used from. Defaults to anywhere.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Create an API key and print it to standard output. It is shown only once."""
    now = now_us()
    expires_at = None if expires_days is None else now + expires_days * DAY_US
    with control_database() as database, database.write() as connection:
        by = operator_scope(organizations.by_slug(connection, org).org_id)
        api_key = keys.create_key(
            connection, by, name, scope, now=now, expires_at=expires_at, allowed_networks=allow or (), caller=CLI_CALLER
        )
    if json:
        emit({"key": str(api_key), "org": org, "name": name, "scopes": sorted(set(scope))})
        return
    note(f"Key {name!r} of {org}, shown only once:")
    say(api_key)


@key.command("list")
def list_keys(org: OrgOption, json: JsonOption = False) -> None:
    """List the API keys of an organization, newest first, also those that have ended."""
    with control_database() as database, database.read() as connection:
        found = keys.list_keys(connection, operator_scope(organizations.by_slug(connection, org).org_id))
    now = now_us()
    if json:
        emit([_facts(one, now) for one in found])
        return
    for one in found:
        used = "never used" if one.last_used_at is None else f"used {second_words(one.last_used_at, UTC)}"
        say(f"{one.public_id}  {one.state(now):8}  {one.name}  …{one.last4}  {' '.join(sorted(one.scopes))}  {used}")
    if not found:
        note(f"{org} has no API keys.")


@key.command()
def revoke(key_id: KeyArgument, org: OrgOption) -> None:
    """Revoke an API key for good. Running servers refuse it within a second."""
    with control_database() as database, database.write() as connection:
        by = operator_scope(organizations.by_slug(connection, org).org_id)
        ended = keys.revoke_key(connection, by, keys.parse_key_id(key_id), now=now_us(), caller=CLI_CALLER)
    note(f"Key {ended.name!r} of {org} is revoked.")


@key.command()
def rotate(
    key_id: KeyArgument,
    org: OrgOption,
    overlap_hours: Annotated[
        int, typer.Option(min=0, max=MOST_OVERLAP_US // HOUR_US, help="Hours for which the old key can still be used.")
    ] = 24,
    json: JsonOption = False,
) -> None:
    """Make a key in place of another one, and print it to standard output. It is shown only once."""
    with control_database() as database, database.write() as connection:
        by = operator_scope(organizations.by_slug(connection, org).org_id)
        made, text = keys.rotate_key(
            connection, by, keys.parse_key_id(key_id), overlap_hours * HOUR_US, now=now_us(), caller=CLI_CALLER
        )
    if json:
        emit({"key": str(text), "id": made.public_id, "org": org, "name": made.name, "scopes": sorted(made.scopes)})
        return
    note(f"Key {made.name!r} of {org}, shown only once:")
    say(text)


def _facts(one: ApiKey, now: int) -> dict[str, object]:
    return {
        "id": one.public_id,
        "name": one.name,
        "last4": one.last4,
        "state": one.state(now),
        "scopes": sorted(one.scopes),
        "allowed_networks": [str(network) for network in one.allowed_networks],
        "created_by": one.created_by,
        "created_at": rfc3339(one.created_at),
        "expires_at": optional_rfc3339(one.expires_at),
        "last_used_at": optional_rfc3339(one.last_used_at),
        "last_used_address": one.last_used_address or None,
        "revoked_at": optional_rfc3339(one.revoked_at),
    }
