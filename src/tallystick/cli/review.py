"""`tallystick review`: lists, shows and signs access reviews of the trail."""

from typing import Annotated, Any

import typer

from tallystick.cli.client import Client
from tallystick.cli.terminal import (
    CommandFailed,
    JsonOption,
    counted,
    emit,
    id_argument,
    note,
    print_table,
    say,
)

app = typer.Typer()
review = typer.Typer(no_args_is_help=True, help="List, show and sign reviews of the audit log.")
app.add_typer(review, name="review")

PATH = "/v1/reviews"


@review.command("list")
def list_reviews(
    status: Annotated[str, typer.Option(help="Only reviews with this status: open, signed or withdrawn.")] = "",
    json: JsonOption = False,
) -> None:
    """List reviews, newest first, and how many are open or overdue."""
    client = Client.from_environment()
    found: list[dict[str, Any]] = client.get(PATH, {"status": status, "limit": 200} if status else {"limit": 200})[
        "data"
    ]
    if json:
        for one in found:
            emit(one)
    else:
        titles = ("Review", "From", "Until", "Events", "Findings", "Status", "By")
        print_table(titles, map(_row, found), whole=("Review",))
    waits = client.get("/v1/review-reminder", {})
    note(f"{counted(len(found), 'review')}, {waits['open']} open, {len(waits['overdue'])} overdue.")


@review.command()
def show(public_id: Annotated[str, id_argument("REVIEW")]) -> None:
    """Show a review with its findings, as JSON."""
    emit(Client.from_environment().get(f"{PATH}/{public_id}", {}))


@review.command()
def sign(
    conclusion: Annotated[str, typer.Option(help="Your conclusion.")],
    public_id: Annotated[
        str, id_argument("[REVIEW]", "An open review. Leave it out to start a new one.", optional=True)
    ] = "",
    start: Annotated[str, typer.Option(help="For a new review: start date or time.")] = "",
    end: Annotated[str, typer.Option(help="For a new review: end time, or last date.")] = "",
    tz: Annotated[str, typer.Option(help="Time zone of dates. Defaults to UTC.")] = "",
    query: Annotated[
        str, typer.Option("--query", "-q", help="Search query. Defaults to all events of the period.")
    ] = "",
    finding: Annotated[
        list[str] | None,
        typer.Option(metavar="EVENT=NOTE", help="A note on an event. Can be repeated."),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Sign a review with the key in TALLYSTICK_API_KEY. It cannot be changed afterwards.

    For example: tallystick review sign --start 2024-01-01 --end 2024-01-07 --conclusion "All explained."
    """
    client = Client.from_environment()
    notes = [_parse_finding(text) for text in finding or []]
    if public_id:
        for one in notes:
            client.send("POST", f"{PATH}/{public_id}/findings", one)
        made = client.send("POST", f"{PATH}/{public_id}/sign", {"conclusion": conclusion})
    else:
        if not (start and end):
            raise CommandFailed("Give an open review, or --start and --end to start a new one.")
        period = {"start": start, "end": end, **({"tz": tz} if tz else {})}
        made = client.send(
            "POST", PATH, {"period": period, "query": query, "findings": notes, "conclusion": conclusion}
        )
    if json:
        emit(made)
    else:
        say(made["id"])
    note(f"Signed: {made['events']:,} events, SHA-256 {made['sha256']}")


def _parse_finding(text: str) -> dict[str, str]:
    event, _, words = text.partition("=")
    return {"event": event.strip(), "note": words.strip()}


def _row(item: dict[str, Any]) -> tuple[str, ...]:
    by = item["signed_by"] or item["opened_by"]
    events = "" if item["events"] is None else f"{item['events']:,}"
    status = "overdue" if item["overdue"] else item["status"]
    return (
        item["id"], item["period"]["start"][:16], item["period"]["end"][:16], events, str(item["findings"]), status,
        by["name"],
    )  # fmt: skip
