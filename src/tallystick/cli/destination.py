"""`tallystick destination`: where alerts go, and how what went there fared."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.cli.client import Client
from tallystick.cli.terminal import counted, emit, id_of, listing, note, say, visible

app = typer.Typer()
destination = typer.Typer(no_args_is_help=True, help="Manage where alerts are sent: webhooks, Slack, email.")
app.add_typer(destination, name="destination")

PATH = "/v1/destinations"
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one item per line.")]
Which = Annotated[str, id_of("DESTINATION")]


class Kind(StrEnum):
    """Kind of destination."""

    webhook = "webhook"
    slack = "slack"
    email = "email"


@destination.command()
def create(
    kind: Annotated[Kind, typer.Argument(help="Kind of destination.")],
    targets: Annotated[
        list[str],
        typer.Argument(
            metavar="TARGET", help="URL, or '-' to read it from standard input; for email, one or more addresses."
        ),
    ],
    name: Annotated[str, typer.Option(help="Name.")] = "",
    json: Json = False,
) -> None:
    """Create a destination. The signing secret of a webhook is shown only once.

    For example: tallystick destination create email you@example.com --name Operations
    """
    if kind is Kind.email:
        settings: dict[str, Any] = {"to": targets}
    elif len(targets) > 1:
        raise typer.BadParameter("Give exactly one URL.", param_hint="TARGET")
    else:
        settings = {"url": sys.stdin.readline().strip() if targets == ["-"] else targets[0]}
    made = Client.from_environment().send("POST", PATH, {"kind": kind.value, "settings": settings, "name": name})
    if json:
        emit(made)
        return
    say(made["id"])
    if made["secret"]:
        note(f"Signing secret, shown only once: {made['secret']}")


@destination.command("list")
def list_destinations(json: Json = False) -> None:
    """List destinations by name, with their status."""
    found: list[dict[str, Any]] = Client.from_environment().get(PATH, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Destination", "Name", "Kind", "Status", "Waiting", "Failed", "Last error")
        listing(titles, map(_cells, found), whole=("Destination",))
    note(f"{counted(len(found), 'destination')}.")


@destination.command()
def show(shown_id: Which) -> None:
    """Show one as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{shown_id}", {}))


@destination.command()
def test(shown_id: Which) -> None:
    """Send a test message. See `deliveries` for the result."""
    say(Client.from_environment().send("POST", f"{PATH}/{shown_id}/test", None)["delivery"])


@destination.command()
def deliveries(shown_id: Which) -> None:
    """List the latest deliveries with all attempts, as JSON, one per line."""
    for one in Client.from_environment().get(f"{PATH}/{shown_id}/deliveries", {})["data"]:
        emit(one)


@destination.command()
def retry(shown_id: Which, delivery: Annotated[str, id_of("DELIVERY")]) -> None:
    """Retry a failed delivery."""
    Client.from_environment().send("POST", f"{PATH}/{shown_id}/deliveries/{delivery}/retry", None)
    note(f"Retrying {visible(delivery)}.")


@destination.command()
def rotate(shown_id: Which) -> None:
    """Rotate the signing secret of a webhook. The new one is shown only once; the previous one also signs for a day."""
    say(Client.from_environment().send("POST", f"{PATH}/{shown_id}/rotate", None)["secret"])


@destination.command()
def enable(shown_id: Which) -> None:
    """Turn a destination on. Waiting messages are sent."""
    Client.from_environment().send("PATCH", f"{PATH}/{shown_id}", {"enabled": True})
    note(f"{visible(shown_id)} is on.")


@destination.command()
def disable(shown_id: Which) -> None:
    """Turn a destination off. This is recorded."""
    Client.from_environment().send("PATCH", f"{PATH}/{shown_id}", {"enabled": False})
    note(f"{visible(shown_id)} is off.")


@destination.command()
def delete(shown_id: Which) -> None:
    """Delete a destination and the messages that wait for it."""
    Client.from_environment().send("DELETE", f"{PATH}/{shown_id}", None)
    note(f"Deleted {visible(shown_id)}.")


def _cells(one: dict[str, Any]) -> list[str]:
    state = one["state"] if one["enabled"] else "off"
    cells = (one["id"], one["name"], one["kind"], state, one["waiting"], one["given_up"], one["last_error"] or "")
    return [visible(str(cell)) for cell in cells]
