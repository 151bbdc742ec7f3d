"""`tallystick send`: records one event."""

from typing import Annotated, Any

import msgspec
import typer

from tallystick.cli.client import ApiError, Client
from tallystick.cli.terminal import CommandFailed, JsonOption, emit, note, say

app = typer.Typer()

ACTOR, RESOURCE, CONTEXT = "Who", "What was affected", "From where"
DETAILS = ("changes", "request", "response", "metadata")


def _json_object(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.MsgspecError as problem:
        raise typer.BadParameter(f"not a JSON object ({problem}). Write one such as '{{\"resources\": 5}}'") from None


Details = Annotated[dict[str, Any] | None, typer.Option(parser=_json_object, metavar="JSON", help="A JSON object.")]


def _option(panel: str, text: str) -> Any:
    return typer.Option(help=text, rich_help_panel=panel)


@app.command()
def send(
    action: Annotated[str, typer.Argument(help='What happened, such as "deployment.failed".', metavar="ACTION")],
    description: Annotated[str, typer.Option(help="Free text of at most 500 characters.")] = "",
    status: Annotated[str, typer.Option(help="success or failed. Defaults to the catalogue's status.")] = "",
    category: Annotated[str, typer.Option(help="Defaults to the catalogue's category.")] = "",
    severity: Annotated[
        str, typer.Option(help="info, low, medium, high or critical. Defaults to the catalogue's severity.")
    ] = "",
    status_reason: Annotated[str, typer.Option(help="Why it failed, or succeeded: at most 500 characters.")] = "",
    original_action: Annotated[str, typer.Option(help="The action as its source names it.")] = "",
    timestamp: Annotated[str, typer.Option(help="RFC 3339 time with time zone. Defaults to now.")] = "",
    external_id: Annotated[
        str, typer.Option(help="Your own ID. An event sent again with the same ID is not recorded twice.")
    ] = "",
    actor_type: Annotated[str, _option(ACTOR, "Defaults to user if any other actor option is given.")] = "",
    actor_id: Annotated[str, _option(ACTOR, "ID of the actor, such as usr_456.")] = "",
    actor_email: Annotated[
        str, _option(ACTOR, "Email address of the actor. Without any actor option, the API key is the actor.")
    ] = "",
    actor_name: Annotated[str, _option(ACTOR, "Display name.")] = "",
    on_behalf_of: Annotated[
        str, _option(ACTOR, "Email address of the person that the actor, such as an AI agent, acts for.")
    ] = "",
    resource_type: Annotated[str, _option(RESOURCE, "Defaults to the first part of the action.")] = "",
    resource_id: Annotated[str, _option(RESOURCE, "ID of the resource, such as prj_88.")] = "",
    resource_name: Annotated[str, _option(RESOURCE, "Display name.")] = "",
    ip_address: Annotated[str, _option(CONTEXT, "IP address of the actor.")] = "",
    user_agent: Annotated[str, _option(CONTEXT, "Browser or client of the actor.")] = "",
    request_id: Annotated[str, _option(CONTEXT, "ID of the request.")] = "",
    session_id: Annotated[str, _option(CONTEXT, "ID of the actor's session.")] = "",
    trace_id: Annotated[str, _option(CONTEXT, "ID of the trace.")] = "",
    source: Annotated[str, _option(CONTEXT, "Program that sent the request, such as web, api or cli.")] = "",
    context: Annotated[
        dict[str, Any] | None,
        typer.Option(
            parser=_json_object,
            metavar="JSON",
            rich_help_panel=CONTEXT,
            help="""Further fields of the context, such as '{"channel": "mcp", "tool": "deploy"}'.""",
        ),
    ] = None,
    changes: Details = None,
    request: Details = None,
    response: Details = None,
    metadata: Details = None,
    wait: Annotated[bool, typer.Option("--wait", help="Wait until searches find the event.")] = False,
    json: JsonOption = False,
) -> None:
    """Record one event and print its id.

    For example: tallystick send deployment.failed --actor-email sarah@acme.com --resource-type project
    --resource-name api-infrastructure --changes '{"resources_planned": 5}'
    """
    _record(_event_from_options(locals()), wait, json)


def _record(event: dict[str, Any], wait: bool, json: bool) -> None:
    try:
        answer = Client.from_environment().record(msgspec.json.encode(event), "application/json", searchable=wait)
    except ApiError as refused:
        raise CommandFailed(refused.problems(1).get(0, refused.detail)) from None
    recorded = answer["events"][0]
    if recorded.get("duplicate") and not answer.get("duplicate"):
        differs = ", with different content" if recorded.get("conflict") else ""
        note(f"An event with this external ID was already recorded{differs}. Nothing was recorded now.")
    if dropped := recorded.get("dropped"):
        note(f"An intake rule of the organization ({dropped}) dropped this event: it was not recorded.")
    if json:
        emit(answer)
    elif not dropped:
        say(recorded["id"])


def _event_from_options(options: dict[str, Any]) -> dict[str, Any]:
    """The event of the command's options, without the empty ones."""
    event = {
        name: options[name]
        for name in (
            "action", "description", "status", "status_reason", "category", "severity", "original_action", "timestamp",
            "external_id",
        )
    }  # fmt: skip
    actor = _without_empty({name: options[f"actor_{name}"] for name in ("type", "id", "email", "name")})
    resource = _without_empty({name: options[f"resource_{name}"] for name in ("type", "id", "name")})
    context = ("ip_address", "user_agent", "request_id", "session_id", "trace_id", "source")
    if options["on_behalf_of"]:
        actor["on_behalf_of"] = {"email": options["on_behalf_of"]}
    event["actor"] = {"type": "user"} | actor if actor else None
    event["resource"] = {"type": options["action"].split(".")[0]} | resource if resource else None
    event["context"] = (options["context"] or {}) | _without_empty({name: options[name] for name in context})
    return _without_empty(event | {name: options[name] for name in DETAILS})


def _without_empty(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value or name == "action"}
