"""`tallystick search`: prints the events that match a search."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from tallystick.cli.client import EVENTS_PATH, Client
from tallystick.cli.terminal import Event, JsonOption, counted, emit, event_cells, note, print_table

app = typer.Typer()

MOST_PER_PAGE = 1000
WORDS = {"exact": "", "estimate": "≈ ", "at_least": "at least "}


@app.command()
def search(
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="What to search for. Leave it out to list all events.")
    ] = None,
    start: Annotated[str, typer.Option(help="Start date or time, inclusive.")] = "",
    end: Annotated[str, typer.Option(help="End time (exclusive), or last date (inclusive).")] = "",
    tz: Annotated[str, typer.Option(help="Time zone of dates, such as Europe/Berlin. Defaults to UTC.")] = "",
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of events to show.")] = 50,
    json: JsonOption = False,
) -> None:
    """Find events, newest first.

    Words and "phrases" are searched for everywhere. Qualifiers are user: action: category: status: resource: type: ip:
    after: before: on: id: session: request: and paths such as changes.error:
    OR, -word and parentheses work. Put -- before a search that begins with a minus sign: tallystick search -- -failed

    For example: tallystick search status:failed user:sarah@acme.com
    """
    given = {"q": " ".join(query or []), "start": start, "end": end, "tz": tz}
    parameters = {name: value for name, value in given.items() if value}
    found = SearchResults(Client.from_environment(), parameters, limit)
    if json:
        for event in found.events():
            emit(event)
    else:
        titles = ("Timestamp (UTC)", "User", "Action", "Resource", "IP address", "Status")
        print_table(titles, map(event_cells, found.events()), whole=("Timestamp (UTC)", "Status"))
    note(found.summary())


class SearchResults:
    """Fetches the events of a search page by page, and summarizes how many there are."""

    def __init__(self, client: Client, parameters: dict[str, str], limit: int) -> None:
        self._client = client
        self._parameters = parameters
        self._limit = limit
        self._shown = 0
        self._first: dict[str, Any] = {}
        self._more = False

    def events(self) -> Iterator[Event]:
        """At most `limit` events; continues after a partial page (one that ran out of time) with its cursor."""
        cursor: str | None = None
        while True:
            wanted = min(self._limit - self._shown, MOST_PER_PAGE)
            parameters: dict[str, str | int] = self._parameters | {"limit": wanted}
            if cursor is not None:
                parameters |= {"cursor": cursor, "count": "none"}
            page = self._client.get(EVENTS_PATH, parameters)
            self._first = self._first or page
            for event in page["data"]:
                self._shown += 1
                yield event
            cursor = page["next_cursor"]
            self._more = cursor is not None
            if cursor is None or self._shown >= self._limit:
                return

    def summary(self) -> str:
        """A sentence: how many events are shown of how many, and whether retention cut the period short."""
        if not self._more:
            told = counted(self._shown, "matching event") if self._shown else "No matching events"
        else:
            total, relation = self._first.get("total"), self._first.get("total_relation", "at_least")
            known = f" of {WORDS.get(relation, '')}{max(total, self._shown):,}" if total is not None else ""
            told = f"Showing the newest {self._shown:,}{known} events. Use --limit to show more"
        start, kept = self._parameters.get("start", ""), str(self._first.get("retention_start", ""))
        if start and start < kept[: len(start)]:
            told += f". Events before {kept[:10]} have expired"
        return told + "."
