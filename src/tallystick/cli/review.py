"""`tallystick review`: the reviews of the trail, looked at and signed."""

from typing import Annotated, Any

import typer

from tallystick.cli.client import Client
from tallystick.cli.terminal import CommandFailed, emit, id_of, listing, note, say, visible

app = typer.Typer()
review = typer.Typer(no_args_is_help=True, help="List reviews of the trail, look at one, sign one.")
app.add_typer(review, name="review")

PATH = "/v1/reviews"
Json = Annotated[bool, typer.Option("--json", help="Print it as JSON, one review a line.")]


@review.command("list")
def list_reviews(
    status: Annotated[str, typer.Option(help="Only those: open, signed or withdrawn.")] = "",
    json: Json = False,
) -> None:
    """The reviews of the organization, newest first, and what waits."""
    client = Client.from_environment()
    found: list[dict[str, Any]] = client.get(PATH, {"status": status, "limit": 200} if status else {"limit": 200})[
        "data"
    ]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Review", "From", "Until", "Events", "Findings", "Status", "By")
        listing(titles, map(_cells, found), whole=("Review",))
    waits = client.get("/v1/review-reminder", {})
    note(f"{len(found)} reviews, {waits['open']} open, {len(waits['overdue'])} overdue.")


@review.command()
def show(shown_id: Annotated[str, id_of("REVIEW")]) -> None:
    """One review with its findings, as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{shown_id}", {}))


@review.command()
def sign(
    conclusion: Annotated[str, typer.Option(help="What you conclude.")],
    shown_id: Annotated[str, id_of("[REVIEW]", "An open review; without one, a new one.", optional=True)] = "",
    start: Annotated[str, typer.Option(help="Of a new one: date or time from which on.")] = "",
    end: Annotated[str, typer.Option(help="Of a new one: time before which, or last date.")] = "",
    tz: Annotated[str, typer.Option(help="The zone of bare dates; else UTC.")] = "",
    query: Annotated[str, typer.Option("--query", "-q", help="Which events; else all of the period.")] = "",
    finding: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT=NOTE", help="What is noted at an event; several times for several."),
    ] = None,
    json: Json = False,
) -> None:
    """Sign a review, as the key in TALLYSTICK_API_KEY. Nothing of it changes after that.

    For example: tallystick review sign --start 2024-01-01 --end 2024-01-07 --conclusion "All explained."
    """
    client = Client.from_environment()
    notes = [_finding(text) for text in finding or []]
    if shown_id:
        for one in notes:
            client.send("POST", f"{PATH}/{shown_id}/findings", one)
        made = client.send("POST", f"{PATH}/{shown_id}/sign", {"conclusion": conclusion})
    else:
        if not (start and end):
            raise CommandFailed("Give an open review, or --start and --end of a new one.")
        period = {"start": start, "end": end, **({"tz": tz} if tz else {})}
        made = client.send(
            "POST", PATH, {"period": period, "query": query, "findings": notes, "conclusion": conclusion}
        )
    if json:
        emit(made)
    else:
        say(made["id"])
    note(f"Signed: {made['events']:,} events, SHA-256 {made['sha256']}")


def _finding(text: str) -> dict[str, str]:
    event, _, words = text.partition("=")
    return {"event": event.strip(), "note": words.strip()}


def _cells(one: dict[str, Any]) -> tuple[str, ...]:
    by = one["signed_by"] or one["opened_by"]
    events = "" if one["events"] is None else f"{one['events']:,}"
    status = "overdue" if one["overdue"] else one["status"]
    return (
        one["id"], one["period"]["start"][:16], one["period"]["end"][:16], events, str(one["findings"]), status,
        visible(by["name"]),
    )  # fmt: skip
