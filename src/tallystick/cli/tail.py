"""`tallystick tail`: prints the last events, then new ones as they are recorded."""

import os
import signal
import time
from collections.abc import Iterable, Iterator
from typing import Annotated, Any

import httpx
import msgspec
import typer
from rich.text import Text

from tallystick.cli.client import EVENTS_PATH, Client
from tallystick.cli.terminal import Event, JsonOption, emit, event_cells, note, stdout

app = typer.Typer()

SILENCE_SECONDS = 40.0  # the server says something every 15
LONGEST_PAUSE_SECONDS = 15.0
WIDTHS = (19, 24, 28, 28, 15, 0)


@app.command()
def tail(
    query: Annotated[
        list[str] | None, typer.Argument(metavar="QUERY", help="Only matching events, as in tallystick search.")
    ] = None,
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=1000, help="Number of events to start with.")] = 10,
    limit: Annotated[int, typer.Option(min=0, help="Stop after this many events. 0 means never.")] = 0,
    json: JsonOption = False,
) -> None:
    """Show the latest events, then new ones as they are recorded, until interrupted.

    After a lost connection it resumes where it stopped: no event is missing or repeated.
    """
    parameters = {"q": " ".join(query)} if query else {}
    # Not KeyboardInterrupt: Python ignores an exception raised inside a finalizer, and tail would continue.
    signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    for count, event in enumerate(follow(Client.from_environment(), parameters, lines), 1):
        _print_event(event, json)
        if count == limit:
            return


def follow(client: Client, parameters: dict[str, str], lines: int) -> Iterator[Event]:
    """The last `lines` events in order of time, then every event recorded since, in order of index."""
    page = client.get(EVENTS_PATH, parameters | {"limit": max(lines, 1), "count": "none"})
    last: list[Event] = page["data"][:lines]
    yield from reversed(last)
    after: int = page["searchable_through"]
    already = {event["index"] for event in last if event["index"] > after}
    for event in _follow_from(client, parameters, after):
        if event["index"] not in already:
            yield event


def _follow_from(client: Client, parameters: dict[str, str], after: int) -> Iterator[Event]:
    """Yields every event after index `after`, reconnecting whenever the connection breaks."""
    pause = 0.5
    while True:
        headers = {"Accept": "text/event-stream", "Last-Event-ID": str(after)}
        try:
            with client.stream(f"{EVENTS_PATH}/live", parameters | {"after": after}, headers, SILENCE_SECONDS) as text:
                for kind, data in parse_event_stream(text):
                    pause = 0.5
                    if kind == "position":
                        after = max(after, data["through"])
                    elif kind == "event" and data["index"] > after:
                        after = data["index"]
                        yield data
        except httpx.TransportError as error:
            note(f"Connection lost ({str(error) or type(error).__name__}); resuming after event {after}.")
        time.sleep(pause)
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


def parse_event_stream(text: Iterable[str]) -> Iterator[tuple[str, Any]]:
    """Yields event name and decoded data of each message of a text/event-stream; ignores comments (keep-alives)."""
    kind = "message"
    data: list[str] = []
    for line in text:
        if not line:
            if data:
                yield kind, msgspec.json.decode("\n".join(data))
            kind, data = "message", []
        elif line.startswith("event:"):
            kind = line[6:].strip()
        elif line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))


def _print_event(event: Event, json: bool) -> None:
    if json:
        emit(event)
        return
    line = Text()
    for cell, width in zip(event_cells(event), WIDTHS, strict=True):
        cell.pad_right(max(width - cell.cell_len, 0))
        line.append_text(cell).append("  ")
    line.rstrip()
    stdout.print(line, soft_wrap=True)
