"""Prints results to standard output and messages to standard error; shared arguments and options."""

import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from tallystick.display_text import display_block, display_line, escape_json

GAP, INDENT = 2, 4  # terminal columns between cells, and before the further lines of a row
WIDE = 400  # columns if stdout is no terminal, so that lines in a file or pipe are not cut

stderr = Console(stderr=True, highlight=False, emoji=False)
stdout = Console(highlight=False, emoji=False, width=None if sys.stdout.isatty() else WIDE)
Event = dict[str, Any]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
STATUS_STYLES = {"failed": "bold red", "success": "green"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,100}")


class CommandFailed(Exception):
    """A failure that ends the command with status 1; `detail` says what went wrong and what to do."""

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class NoInstallation(CommandFailed):
    """A command that needs an installation found none: the command ends with status 2."""


def say(text: str) -> None:
    """Prints a result on standard output: unchanged in a file or pipe, as `display_block` on a terminal."""
    _write((display_block(text) if sys.stdout.isatty() else text) + "\n")


def emit(value: Any) -> None:
    """Prints a result as one line of JSON on standard output, with unseen characters escaped."""
    _write(escape_json(msgspec.json.encode(value).decode()) + "\n")


def note(text: str) -> None:
    """Prints a message on standard error, with unseen characters by their code points."""
    stderr.print(Text(display_block(text)), soft_wrap=True)


def fail(detail: str) -> int:
    """Prints an error on standard error and returns the exit status 1."""
    stderr.print(Text.assemble(("Error:", "bold red"), f" {display_line(detail)}"), soft_wrap=True)
    return 1


def counted(number: int, noun: str) -> str:
    """`1 rule`, `2,000 rules`"""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def any_of(choices: Sequence[str]) -> str:
    """`owner, admin or member`"""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last


def print_table(titles: Sequence[str], rows: Iterable[Sequence[str | Text]], *, whole: Collection[str] = ()) -> None:
    """Prints a table unless it is empty; cells are shown as `display_line`.

    Cells wrap between words only, and cells of the columns in `whole` not at all, so that ids and names can be
    copied. If that is too wide for the terminal, each row is printed as a paragraph instead.
    """
    lines = [[Text(display_line(cell)) if isinstance(cell, str) else cell for cell in cells] for cells in rows]
    if not lines:
        return
    widths = [
        max(_least_width(cell, title in whole) for cell in (Text(title), *column))
        for title, *column in zip(titles, *lines, strict=True)
    ]
    if sum(widths) + GAP * (len(widths) - 1) > stdout.width:
        for cells in lines:
            stdout.print(_paragraph(cells))
        return
    table = Table(box=None, pad_edge=False)
    for title, width in zip(titles, widths, strict=True):
        table.add_column(title, overflow="fold", no_wrap=title in whole, min_width=width)
    for cells in lines:
        table.add_row(*cells)
    stdout.print(table)


def _least_width(cell: Text, is_whole: bool) -> int:
    """The number of terminal columns that a cell needs: those of its longest word, or of the whole cell."""
    return max((cell_len(part) for part in ([cell.plain] if is_whole else cell.plain.split())), default=0)


def _paragraph(cells: Sequence[Text]) -> Text:
    """The cells of a row one after the other; lines break between cells, and between words of a long one."""
    said, used = Text(), 0
    for cell in filter(None, cells):
        parts = [cell] if INDENT + cell_len(cell.plain) <= stdout.width else cell.split(" ")
        for place, part in enumerate(parts):
            size, gap = cell_len(part.plain), GAP if place == 0 else 1
            if used and used + gap + size > stdout.width:
                said.append("\n" + " " * INDENT)
                used = INDENT
            elif used:
                said.append(" " * gap)
                used += gap
            said.append_text(part)
            used += size
    return said


def _write(text: str) -> None:
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader closed the pipe (`… | head`): redirect stdout, so that Python does not fail to flush at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)


def event_cells(event: Event) -> list[Text]:
    """Timestamp, user, action, resource, address and status of an event, each as `display_line`."""
    actor, resource = event.get("actor") or {}, event.get("resource") or {}
    status = str(event.get("status", ""))
    cells = (
        event["timestamp"][:19].replace("T", " "),
        actor.get("email") or actor.get("name") or actor.get("id") or "",
        event["action"],
        resource.get("name") or resource.get("id") or "",
        (event.get("context") or {}).get("ip_address") or "",
    )
    return [
        *(Text(display_line(str(cell))) for cell in cells),
        Text(display_line(status), STATUS_STYLES.get(status, "")),
    ]


def _check_id(text: str) -> str:
    if not _ID.fullmatch(text):
        raise typer.BadParameter("An ID consists of letters, digits, _ and -. Copy it from a list.")
    return text


def _check_optional_id(text: str) -> str:
    return _check_id(text) if text else text


def id_argument(what: str, about: str = "ID.", *, optional: bool = False) -> Any:
    """A command argument that is an id; `what` is its name in the usage line."""
    return typer.Argument(metavar=what, help=about, callback=_check_optional_id if optional else _check_id)
