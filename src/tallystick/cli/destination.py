"""`tallystick destination`: where alerts go, and how what went there fared."""

import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from tallystick.cli.client import Client
from tallystick.cli.terminal import emit, id_of, listing, note, say, visible

app = typer.Typer()
destination = typer.Typer(no_args_is_help=True, help="Where alerts go: webhooks, Slack, mail.")
app.add_typer(destination, name="destination")

PATH = "/v1/destinations"
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, one a line.")]
Which = Annotated[str, id_of("DESTINATION")]


class Kind(StrEnum):
    """What it is."""

    webhook = "webhook"
    slack = "slack"
    email = "email"


@destination.command()
def create(
    kind: Annotated[Kind, typer.Argument(help="What it is.")],
    targets: Annotated[
        list[str],
        typer.Argument(metavar="TARGET", help="The URL, or - for the first line of standard input; e-mail addresses."),
    ],
    name: Annotated[str, typer.Option(help="What it is called.")] = "",
    json: Json = False,
) -> None:
    """Make one. What signs a webhook is printed this once.

    For example: tallystick destination create email you@example.com --name Operations
    """
    if kind is Kind.email:
        settings: dict[str, Any] = {"to": targets}
    elif len(targets) > 1:
        raise typer.BadParameter("One URL.", param_hint="TARGET")
    else:
        settings = {"url": sys.stdin.readline().strip() if targets == ["-"] else targets[0]}
    made = Client.from_environment().send("POST", PATH, {"kind": kind.value, "settings": settings, "name": name})
    if json:
        emit(made)
        return
    say(made["id"])
    if made["secret"]:
        note(f"Its secret, shown this once: {made['secret']}")


@destination.command("list")
def list_destinations(json: Json = False) -> None:
    """Those of the organization, by name, and how they fare."""
    found: list[dict[str, Any]] = Client.from_environment().get(PATH, {})["data"]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Destination", "Name", "Kind", "State", "Waiting", "Given up", "Last error")
        listing(titles, map(_cells, found), whole=("Destination",))
    note(f"{len(found)} destinations.")


@destination.command()
def show(shown_id: Which) -> None:
    """One of them, as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{shown_id}", {}))


@destination.command()
def test(shown_id: Which) -> None:
    """Send it a message that says it is a test; `deliveries` says how that went."""
    say(Client.from_environment().send("POST", f"{PATH}/{shown_id}/test", None)["delivery"])


@destination.command()
def deliveries(shown_id: Which) -> None:
    """What went there last with every attempt, as JSON, one a line."""
    for one in Client.from_environment().get(f"{PATH}/{shown_id}/deliveries", {})["data"]:
        emit(one)


@destination.command()
def retry(shown_id: Which, delivery: Annotated[str, id_of("DELIVERY")]) -> None:
    """Send again what was given up."""
    Client.from_environment().send("POST", f"{PATH}/{shown_id}/deliveries/{delivery}/retry", None)
    note(f"{visible(delivery)} goes again.")


@destination.command()
def rotate(shown_id: Which) -> None:
    """Give a webhook a new secret, and print it this once; the one before signs beside it for a day."""
    say(Client.from_environment().send("POST", f"{PATH}/{shown_id}/rotate", None)["secret"])


@destination.command()
def enable(shown_id: Which) -> None:
    """Let it get what waits, and what comes."""
    Client.from_environment().send("PATCH", f"{PATH}/{shown_id}", {"enabled": True})
    note(f"{visible(shown_id)} is on.")


@destination.command()
def disable(shown_id: Which) -> None:
    """Let nothing go there; the trail tells of it."""
    Client.from_environment().send("PATCH", f"{PATH}/{shown_id}", {"enabled": False})
    note(f"{visible(shown_id)} is off.")


@destination.command()
def delete(shown_id: Which) -> None:
    """Delete it with what waits for it."""
    Client.from_environment().send("DELETE", f"{PATH}/{shown_id}", None)
    note(f"{visible(shown_id)} is deleted.")


def _cells(one: dict[str, Any]) -> list[str]:
    state = one["state"] if one["enabled"] else "off"
    cells = (one["id"], one["name"], one["kind"], state, one["waiting"], one["given_up"], one["last_error"] or "")
    return [visible(str(cell)) for cell in cells]
