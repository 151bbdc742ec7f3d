"""Events as a PDF: a cover page with filter and period, then a table, with description and details below each row."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import lru_cache
from typing import Any, BinaryIO

import msgspec

from tallystick.clock import from_us
from tallystick.errors import BadRequest
from tallystick.events.record import StoredEvent
from tallystick.events.words import resource_words
from tallystick.render.csv_lines import details_json
from tallystick.render.fields import ActorFields, parse_actor, parse_details, parse_target, parse_what, parse_who
from tallystick.render.fonts import Face
from tallystick.render.lines import TextLine, line_of, wrap, wrap_beginning, wrap_block, wrap_code
from tallystick.render.pages import ACCENT, FAINT, INK, LEADING, MARGIN, RED, ROOM, TOP, Imprint, Pages

MAX_ROWS = 250_000
BODY = 9.5
CELL = 7.0
GAP = 6.0
MAX_LINES = 2
MAX_COVER_LINES = 40  # of one value
MIN_TRUNCATED = 2  # one character and the ellipsis
MAX_CELL = 600  # characters that are laid out: more than two lines hold in any script
MAX_DETAILS = 4000  # characters of an event's details that are printed; the other formats hold all
SMALL = 6.5
INDENT = 80.0
LABEL = 92.0
COUNTS_FORM = "counted"
_decode_resources = msgspec.json.Decoder(list[dict[str, Any]]).decode
COLUMNS: tuple[tuple[str, float, Face], ...] = (
    ("Timestamp", 80, "sans"),
    ("User", 106, "sans"),
    ("Action", 98, "mono"),
    ("Resource", 98, "sans"),
    ("IP address", 66, "mono"),
    ("Status", 39, "sans"),
)


@dataclass(frozen=True, slots=True)
class CoverPage:
    """The content of the cover page. Times in words; `checkpoint` is the signed note, or empty.

    `holes`: positions in the log whose events the server lacks, in words; empty if there are none.
    """

    organization: str = ""
    filter: str = ""
    period: str = ""
    made_at: str = ""
    made_by: str = ""
    checkpoint: str = ""
    holes: str = ""
    zone: tzinfo = field(default=UTC)
    zone_name: str = "UTC"


def write_pdf(blocks: Iterable[Sequence[StoredEvent]], target: BinaryIO, about: CoverPage) -> None:
    """Write the document; BadRequest (`too_many_for_pdf`) for more than MAX_ROWS events."""
    pages = Pages(Imprint("Audit log", about.organization, about.made_at))
    _cover(pages, about)
    table = _Table(pages, about.zone, about.zone_name)
    for block in blocks:
        if table.rows + len(block) > MAX_ROWS:
            raise BadRequest(
                f"A PDF holds at most {MAX_ROWS:,} events. Take a shorter period, or another format.",
                code="too_many_for_pdf",
            )
        for stored in block:
            table.add_lines(stored)
    pages.fill(COUNTS_FORM, table.counts(), "sans", BODY, INK)
    target.write(pages.render_pdf())


def _cover(pages: Pages, about: CoverPage) -> None:
    pages.text("Audit log", "bold", 9, ACCENT)
    pages.add_lines(wrap(about.organization, "bold", 17, ROOM))
    pages.space(10)
    pages.rule()
    pages.space(8)
    said = (
        ("Filter", about.filter),
        ("Period", about.period),
        ("Times in", about.zone_name),
        ("Order", "newest first"),
        ("Created", f"{about.made_at} by {about.made_by}"),
        *((("Without", about.holes),) if about.holes else ()),
    )
    foot = _labelled(pages, "Events", [line_of("", "sans", BODY)])
    pages.reserve(COUNTS_FORM, MARGIN + LABEL, foot)
    for label, text in said:
        _labelled(pages, label, wrap_beginning(text, "sans", BODY, ROOM - LABEL, MAX_COVER_LINES))
    if about.checkpoint:
        pages.space(8)
        pages.rule()
        pages.space(8)
        _labelled(pages, "Checkpoint", wrap_block(about.checkpoint.strip(), "mono", 7, ROOM - LABEL))
        words = (
            "All events listed here are in the log that this checkpoint covers. This document is a summary and no "
            "proof by itself: export a bundle of the same events to get the proofs."
        )
        _labelled(pages, "", wrap(words, "sans", 8, ROOM - LABEL))


def _labelled(pages: Pages, label: str, lines: list[TextLine]) -> float:
    """Draw a label with lines beside it; returns the y of the first line, in points."""
    pages.ensure_room(min(len(lines), 4) * BODY * LEADING)
    foot = pages.y - BODY * LEADING + BODY * (LEADING - 1) / 2
    pages.draw(line_of(label, "sans", BODY), MARGIN, foot, FAINT)
    pages.add_lines(lines, MARGIN + LABEL)
    pages.space(3)
    return foot


class _Table:
    """The table, from the second page on, with a header on every page."""

    def __init__(self, pages: Pages, zone: tzinfo, zone_name: str) -> None:
        self._pages = pages
        self._zone = zone
        self._zone_name = zone_name
        self.rows = 0
        self._failed = 0
        self._newest = self._oldest = ""

    def add_lines(self, stored: StoredEvent) -> None:
        """Add an event, in as many lines as its longest cell needs, at most two."""
        if not self.rows:
            self._pages.start_table(self._head)
        what = parse_what(stored.what or b"{}")
        who = parse_who(stored.who or b"{}")
        actor, resource = parse_actor(bytes(who.actor)), parse_target(stored.target)
        failed = what.status == "failed"
        when = f"{from_us(stored.occurred_at).astimezone(self._zone):%Y-%m-%d %H:%M:%S}"
        self._newest, self._oldest = self._newest or when, when
        self.rows += 1
        self._failed += failed
        cells = (
            (line_of(when, "sans", CELL),),
            wrap_cell(_user(actor), 1),
            wrap_cell(what.action, 2),
            wrap_cell(resource.name or resource.id, 3),
            wrap_cell(who.context.ip_address, 4),
            wrap_cell(what.status.capitalize(), 5),
        )
        below = _details_lines(stored, bytes(resource.resources))
        height = max(map(len, cells)) * CELL * LEADING + 3
        self._pages.ensure_room(height + min(len(below), MAX_LINES) * CELL * LEADING)
        self._draw(cells, failed)
        self._pages.space(height)
        for line in below:
            self._pages.ensure_room(line.size * LEADING)
            self._pages.space(line.size * LEADING)
            colour = INK if line.size == CELL else FAINT
            self._pages.draw(line, MARGIN + INDENT, self._pages.y + 2, colour, is_repeated=False)
        if below:
            self._pages.space(2)
        self._pages.rule()

    def counts(self) -> str:
        """The numbers of events for the cover page."""
        if not self.rows:
            return "no matching events"
        last = self._oldest if self._oldest == self._newest else f"{self._oldest} to {self._newest}"
        return f"{self.rows:,} ({self.rows - self._failed:,} success, {self._failed:,} failed), {last}"

    def _draw(self, cells: Sequence[Sequence[TextLine]], failed: bool) -> None:
        left = MARGIN
        for place, lines in enumerate(cells):
            colour = RED if failed and place == len(cells) - 1 else INK
            for number, line in enumerate(lines):
                self._pages.draw(line, left, self._pages.y - (number + 1) * CELL * LEADING, colour)
            left += COLUMNS[place][1]

    def _head(self) -> None:
        left = MARGIN
        foot = TOP - 8 * LEADING
        for name, width, _ in COLUMNS:
            words = f"{name} ({self._zone_name})" if name == "Timestamp" else name
            self._pages.draw(truncate(words, "bold", 7, width - 2), left, foot, INK)
            left += width
        self._pages.space(8 * LEADING + 5)
        self._pages.rule()


def _user(actor: ActorFields) -> str:
    name = actor.email or actor.name or actor.id
    other = bytes(actor.on_behalf_of)
    return f"{name} for {_user(parse_actor(other))}" if other else name


def _details_lines(stored: StoredEvent, resources: bytes) -> list[TextLine]:
    """The further resources of an event, its description and its reason, then its details as JSON."""
    lines: list[TextLine] = []
    if resources:
        _, *others = _decode_resources(resources)
        lines += _description_lines(f"Also: {'; '.join(map(resource_words, others))}")
    details = parse_details(stored.details or b"{}")
    if details.description:
        lines += _description_lines(details.description)
    if details.status_reason:
        lines += _description_lines(f"Reason: {details.status_reason}")
    if objects := details_json(stored.details):
        text = msgspec.json.format(objects, indent=0)
        left = len(text) - MAX_DETAILS
        shown = text if left <= 0 else f"{text[:MAX_DETAILS]}… {left:,} more characters, which the other formats hold"
        lines += wrap_code(shown, SMALL, ROOM - INDENT)
    return lines


@lru_cache(maxsize=4096)
def _description_lines(text: str) -> tuple[TextLine, ...]:
    return tuple(wrap(text, "sans", CELL, ROOM - INDENT))


@lru_cache(maxsize=16_384)
def wrap_cell(text: str, column: int) -> tuple[TextLine, ...]:
    """Wrap the text to the width of a column, to at most two lines, with an ellipsis if it is longer; cached."""
    _, width, face = COLUMNS[column]
    room = width - GAP
    lines = wrap(text[:MAX_CELL], face, CELL, room)
    if len(lines) <= MAX_LINES and len(text) <= MAX_CELL:
        return tuple(lines)
    rest = " ".join("".join(run.text for run in line.runs) for line in lines[MAX_LINES - 1 : MAX_LINES])
    return (*lines[: MAX_LINES - 1], truncate(f"{rest}…", face, CELL, room))


def truncate(text: str, face: Face, size: float, room: float) -> TextLine:
    """The longest beginning of a text that fits into `room` points, with an ellipsis if something is cut off."""
    line = line_of(text, face, size)
    if line.width <= room or len(text) <= MIN_TRUNCATED:
        return line
    beginning = text.rstrip("…")
    # By halves: a text of thousands of characters would otherwise be measured as often as it is long.
    low, high = 1, max(1, len(beginning) - 1)
    while low < high:
        middle = (low + high + 1) // 2
        fits = line_of(f"{beginning[:middle]}…", face, size).width <= room
        low, high = (middle, high) if fits else (low, middle - 1)
    return line_of(f"{beginning[:low]}…", face, size)
