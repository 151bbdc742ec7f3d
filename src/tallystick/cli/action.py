"""`tallystick action`: describes an organization's own actions, and lists what is known and seen."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

import msgspec
import typer

from tallystick.cli.client import Client
from tallystick.cli.terminal import JsonOption, counted, emit, note, print_table
from tallystick.events.action_catalogue import SchemaMode
from tallystick.events.catalogue import Category, Severity, Status

app = typer.Typer()
action = typer.Typer(no_args_is_help=True, help="Describe your organization's own actions.")
app.add_typer(action, name="action")

PATH = "/v1/actions"
Which = Literal["own", "seen", "built_in", "all"]
ActionName = Annotated[str, typer.Argument(metavar="ACTION", help="The action, such as invoice.approved.")]


@action.command("list")
def list_actions(
    which: Annotated[
        Which, typer.Option(help="own: described; seen: recorded, not described; built_in; or all.")
    ] = "all",
    json: JsonOption = False,
) -> None:
    """List actions with their number of events: your own, those seen and not described, and built-in ones in use."""
    answer = Client.from_environment().get(PATH, {})
    found: list[dict[str, Any]] = [one for one in answer["data"] if which in ("all", one["origin"])]
    if which == "all" and not json:
        found = [one for one in found if one["origin"] != "built_in" or one["events"]]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Action", "Origin", "Category", "Severity", "Events", "Sentence")
        print_table(titles, map(_row, found), whole=("Action",))
    note(f"{counted(len(found), 'action')}{', not all of them counted in time' if answer['partial'] else ''}.")


@action.command()
def describe(
    name: ActionName,
    sentence: Annotated[str, typer.Option(help="Such as '{actor} approved {resource} of {changes.amount}'.")] = "",
    category: Annotated[Category | None, typer.Option(help="Default: that of the longest known beginning.")] = None,
    status: Annotated[Status, typer.Option(help="Of events that give none.")] = "success",
    severity: Annotated[Severity, typer.Option(help="Of events that give none.")] = "info",
    description: Annotated[str, typer.Option(help="What the action means.")] = "",
    schema: Annotated[
        Path | None, typer.Option(help="File with a JSON Schema for changes and metadata; - is standard input.")
    ] = None,
    mode: Annotated[SchemaMode, typer.Option(help="What happens to an event that does not fit.")] = "warn",
    json: JsonOption = False,
) -> None:
    """Describe an action, or replace its description.

    For example: tallystick action describe invoice.approved --sentence "{actor} approved {resource}" --severity low
    """
    body: dict[str, Any] = {"sentence": sentence, "status": status, "severity": severity, "description": description}
    body |= {"schema": None if schema is None else _read(schema), "mode": mode}
    if category is not None:
        body["category"] = category
    described = Client.from_environment().send("PUT", f"{PATH}/{quote(name, safe='')}", body)
    if json:
        emit(described)
    else:
        note(f"Described {described['action']}.")


@action.command()
def remove(name: ActionName) -> None:
    """Remove the description of an action. Its events stay as they were recorded."""
    Client.from_environment().send("DELETE", f"{PATH}/{quote(name, safe='')}", None)
    note(f"Removed the description of {name}.")


def _read(path: Path) -> dict[str, Any]:
    try:
        data = sys.stdin.buffer.read() if str(path) == "-" else path.read_bytes()
        return msgspec.json.decode(data, type=dict[str, Any])
    except OSError as error:
        raise typer.BadParameter(f"{path} cannot be read: {error.strerror}.", param_hint="--schema") from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise typer.BadParameter(f"{path} is not a JSON object: {error}.", param_hint="--schema") from None


def _row(one: dict[str, Any]) -> list[str]:
    origin = one["origin"].replace("_", "-")
    return [one["action"], origin, one["category"], one["severity"], f"{one['events']:,}", one["sentence"]]
