"""`tallystick destination`: manages the destinations of alerts and lists their deliveries."""

import sys
from typing import Annotated, Any

import typer

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.cli.client import Client
from tallystick.cli.control_database import CLI_CALLER, control_database
from tallystick.cli.terminal import JsonOption, counted, emit, id_argument, note, print_table, say
from tallystick.clock import now_us
from tallystick.destinations.approval import approve as approve_destination
from tallystick.destinations.kinds.registry import find_kind, kind_names

app = typer.Typer()
destination = typer.Typer(no_args_is_help=True, help="Manage where alerts are sent: webhooks, Slack, email.")
app.add_typer(destination, name="destination")

PATH = "/v1/destinations"
DestinationId = Annotated[str, id_argument("DESTINATION")]


@destination.command()
def create(
    kind: Annotated[str, typer.Argument(help=f"Kind of destination: {', '.join(kind_names())}.")],
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET", help="URL, or '-' to read it from standard input; for email, one or more addresses."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name.")] = "",
    json: JsonOption = False,
) -> None:
    """Create a destination. The signing secret of a webhook is shown only once.

    For example: tallystick destination create email you@example.com --name Operations
    """
    settings = _settings(kind, targets)
    made = Client.from_environment().send("POST", PATH, {"kind": kind, "settings": settings, "name": name})
    if json:
        emit(made)
        return
    say(made["id"])
    if made["state"] == "waiting_for_approval":
        note("Nothing is sent there until an owner approves it on the page Alerts.")
    if made["secret"]:
        note(f"Signing secret, shown only once: {made['secret']}")


@destination.command("list")
def list_destinations(json: JsonOption = False) -> None:
    """List destinations by name, with their status."""
    found: list[dict[str, Any]] = Client.from_environment().get(PATH, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Destination", "Name", "Kind", "Status", "Waiting", "Failed", "Last error")
        print_table(titles, map(_row, found), whole=("Destination",))
    note(f"{counted(len(found), 'destination')}.")


@destination.command()
def show(public_id: DestinationId) -> None:
    """Show one as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{public_id}", {}))


@destination.command()
def test(public_id: DestinationId) -> None:
    """Send a test message. See `deliveries` for the result."""
    say(Client.from_environment().send("POST", f"{PATH}/{public_id}/test", None)["delivery"])


@destination.command()
def deliveries(public_id: DestinationId) -> None:
    """List the latest deliveries with all attempts, as JSON, one per line."""
    for one in Client.from_environment().get(f"{PATH}/{public_id}/deliveries", {})["data"]:
        emit(one)


@destination.command()
def retry(public_id: DestinationId, delivery: Annotated[str, id_argument("DELIVERY")]) -> None:
    """Retry a failed delivery."""
    Client.from_environment().send("POST", f"{PATH}/{public_id}/deliveries/{delivery}/retry", None)
    note(f"Retrying {delivery}.")


@destination.command()
def rotate(public_id: DestinationId) -> None:
    """Rotate the signing secret of a webhook. The new one is shown only once; the previous one also signs for a day."""
    say(Client.from_environment().send("POST", f"{PATH}/{public_id}/rotate", None)["secret"])


@destination.command()
def enable(public_id: DestinationId) -> None:
    """Turn a destination on. Waiting messages are sent."""
    Client.from_environment().send("PATCH", f"{PATH}/{public_id}", {"enabled": True})
    note(f"{public_id} is on.")


@destination.command()
def disable(public_id: DestinationId) -> None:
    """Turn a destination off. This is recorded."""
    Client.from_environment().send("PATCH", f"{PATH}/{public_id}", {"enabled": False})
    note(f"{public_id} is off.")


@destination.command()
def approve(public_id: DestinationId, org: Annotated[str, typer.Option(help="The organization's short name.")]) -> None:
    """Let messages go to a destination outside the organization, as the operator. Owners do it on the page Alerts."""
    with control_database() as database, database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, org).org_id)
        approve_destination(connection, scope, public_id, None, now=now_us(), caller=CLI_CALLER)
    note(f"{public_id} is approved.")


@destination.command()
def delete(public_id: DestinationId) -> None:
    """Delete a destination and the messages that wait for it."""
    Client.from_environment().send("DELETE", f"{PATH}/{public_id}", None)
    note(f"Deleted {public_id}.")


def _settings(kind_name: str, targets: list[str]) -> dict[str, Any]:
    """The first setting of the kind, filled with what stands on the command line."""
    kind = find_kind(kind_name)
    if kind is None:
        choices = ", ".join(f"'{name}'" for name in kind_names())
        raise typer.BadParameter(f"'{kind_name}' is not one of {choices}.", param_hint="KIND")
    field = kind.fields[0]
    if field.is_list:
        return {field.name: targets}
    if len(targets) > 1:
        raise typer.BadParameter(f"Give exactly one {field.label}.", param_hint="TARGET")
    return {field.name: sys.stdin.readline().strip() if targets == ["-"] else targets[0]}


def _row(item: dict[str, Any]) -> list[str]:
    state = item["state"] if item["enabled"] else "off"
    cells = (item["id"], item["name"], item["kind"], state, item["waiting"], item["given_up"], item["last_error"] or "")
    return list(map(str, cells))
