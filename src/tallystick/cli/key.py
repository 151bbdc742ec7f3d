"""`tallystick key`: creates API keys, as the operator."""

from enum import StrEnum
from typing import Annotated

import typer

from tallystick.access import keys, organizations
from tallystick.access.scopes import operator_scope
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, emit, note, say
from tallystick.clock import DAY_US, now_us

app = typer.Typer()
key = typer.Typer(no_args_is_help=True, help="Create API keys.")
app.add_typer(key, name="key")


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
    org: Annotated[str, typer.Option(help="The organization's short name.")],
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
