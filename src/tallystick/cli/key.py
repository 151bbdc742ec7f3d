"""`tallystick key`: creates, lists, changes, rotates and revokes API keys, as the operator."""

from datetime import UTC
from enum import StrEnum
from typing import Annotated

import typer

from tallystick.access import keys, organizations
from tallystick.access.key_changes import KeyChange, change_key
from tallystick.access.keys import MOST_OVERLAP_US, ApiKey
from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.clock import DAY_US, HOUR_US, now_us, optional_rfc3339, rfc3339, second_words
from tallystick.search.filter_text import parse_filter

app = typer.Typer()
key = typer.Typer(no_args_is_help=True, help="Create, list, change, rotate and revoke API keys.")
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
    filter_text: Annotated[
        str, typer.Option("--filter", help="The only events it can read, such as category:deployments.")
    ] = "",
    for_others: Annotated[
        bool, typer.Option("--for-others", help="It records what others did: an event without an actor is nobody's.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Create an API key and print it to standard output. It is shown only once."""
    now = now_us()
    expires_at = None if expires_days is None else now + expires_days * DAY_US
    with control_database() as database, database.write() as connection:
        by = operator_scope(organizations.by_slug(connection, org).org_id)
        api_key = keys.create_key(
            connection, by, name, scope, now=now, expires_at=expires_at, allowed_networks=allow or (),
            limit=parse_filter(filter_text, now=now), records_for_others=for_others, caller=CLI_CALLER,
        )  # fmt: skip
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
def change(
    key_id: KeyArgument,
    org: OrgOption,
    name: Annotated[str | None, typer.Option(help="A new name.")] = None,
    scope: Annotated[list[KeyScope] | None, typer.Option(help="Only these of its scopes. Can be repeated.")] = None,
    allow: Annotated[
        list[str] | None, typer.Option(help="Address or network it can be used from. Can be repeated.")
    ] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, help="Days from now until it expires.")] = None,
    filter_text: Annotated[
        str | None, typer.Option("--filter", help="The only events it can read; an empty text removes the filter.")
    ] = None,
    for_others: Annotated[
        bool | None, typer.Option("--for-others/--for-itself", help="Whose events without an actor are.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Change an API key. What is not given stays. Running servers obey within a second."""
    now = now_us()
    wanted = KeyChange(
        name=name, scopes=scope, allowed_networks=allow,
        expires_at="unchanged" if expires_days is None else now + expires_days * DAY_US,
        limit="unchanged" if filter_text is None else parse_filter(filter_text, now=now),
        records_for_others=for_others,
    )  # fmt: skip
    with control_database() as database, database.write() as connection:
        by = operator_scope(organizations.by_slug(connection, org).org_id)
        changed = change_key(connection, by, keys.parse_key_id(key_id), wanted, now=now_us(), caller=CLI_CALLER)
    if json:
        emit(_facts(changed, now))
        return
    note(f"Key {changed.name!r} of {org} is changed.")


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
        "filter": None if one.limit is None else one.limit.text,
        "records_for_others": one.records_for_others,
        "created_by": one.created_by,
        "created_at": rfc3339(one.created_at),
        "expires_at": optional_rfc3339(one.expires_at),
        "last_used_at": optional_rfc3339(one.last_used_at),
        "last_used_address": one.last_used_address or None,
        "revoked_at": optional_rfc3339(one.revoked_at),
    }
