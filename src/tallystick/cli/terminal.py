"""Standard output for results, standard error for words about them."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

WIDE = 400  # columns where nothing limits them: lines that go to a file or a pipe are never cut

words = Console(stderr=True, highlight=False)
results = Console(highlight=False, width=None if sys.stdout.isatty() else WIDE)
Event = dict[str, Any]
STYLES = {"failed": "bold red", "success": "green"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class CommandFailed(Exception):
    """What went wrong and what to do next, in a sentence or two; the command ends with status 1."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


def say(text: str) -> None:
    """A result, as a line of its own, untouched."""
    _write(text + "\n")


def emit(value: Any) -> None:
    """A result as one line of JSON."""
    _write(msgspec.json.encode(value).decode() + "\n")


def note(text: str) -> None:
    """A word to the person at the terminal."""
    words.print(escape(text), soft_wrap=True)


def fail(detail: str) -> int:
    """Say what went wrong; the exit status that goes with it."""
    words.print(f"[bold red]Error:[/] {escape(visible(' '.join(detail.split())))}", soft_wrap=True)
    return 1


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2,000 rules`"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def any_of(choices: Sequence[str]) -> str:
    """`owner, admin or member`"""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def visible(text: str) -> str:
    """Text from an event or a server, with control and direction characters written out.

    An event may hold whatever its sender wanted; it must not move the cursor of who reads it.
    """
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in text)


def listing(titles: Sequence[str], rows: Iterable[Sequence[RenderableType]], *, whole: Collection[str] = ()) -> None:
    """A table of results, where there are any; what is too long goes on in the next line, but for columns `whole`."""
    table = Table(box=None, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold", no_wrap=title in whole)
    for cells in rows:
        table.add_row(*cells)
    if table.row_count:
        results.print(table)


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has seen enough (`… | head`); nothing more can be written, also not when Python exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def shown_cells(event: Event) -> list[Text]:
    """Timestamp, user, action, resource, address, status; no cell can break the line or the terminal."""
    actor, resource = event.get("actor") or {}, event.get("resource") or {}
    status = str(event.get("status", ""))
    cells = (
        event["timestamp"][:19].replace("T", " "),
        actor.get("email") or actor.get("name") or actor.get("id") or "",
        event["action"],
        resource.get("name") or resource.get("id") or "",
        (event.get("context") or {}).get("ip_address") or "",
    )
    return [*(Text(visible(str(cell))) for cell in cells), Text(visible(status), STYLES.get(status, ""))]


def _checked(text: str) -> str:
    if not _ID.fullmatch(text):
        raise typer.BadParameter("An ID consists of letters, digits, _ and -. Copy it from a list.")
    return text


def _checked_if_given(text: str) -> str:
    return _checked(text) if text else text


def id_of(what: str, about: str = "ID.", *, optional: bool = False) -> Any:
    """An argument that is an id, in a usage line as `what`."""
    return typer.Argument(metavar=what, help=about, callback=_checked_if_given if optional else _checked)
