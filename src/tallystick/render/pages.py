"""The frame of every PDF: A4 pages with organization, title, time of creation, and page n of m."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from reportlab import rl_config
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tallystick.display_text import display_line
from tallystick.render.fonts import Face, is_shaped, shape
from tallystick.render.lines import TextLine, TextRun, line_of

rl_config.useA85 = 0  # ASCII85 would make files a quarter larger, for channels that are not 8-bit clean

WIDTH, HEIGHT = A4
MARGIN = 54.0
TOP = HEIGHT - 78.0
BOTTOM = 64.0
ROOM = WIDTH - 2 * MARGIN
LEADING = 1.4

INK = HexColor(0x14181B)
FAINT = HexColor(0x565F66)
HAIRLINE = HexColor(0xCFD6D9)
ACCENT = HexColor(0x0B5A63)
RED = HexColor(0x98141B)
GREEN = HexColor(0x17603A)

MAX_CACHED_TEXTS = 50_000  # laid out texts in memory
_TOTAL = "total"  # a form that every page shows, drawn once the number of pages is known


@dataclass(frozen=True, slots=True)
class Imprint:
    """The header and footer of every page. `generated_at` in words, with its zone."""

    title: str
    organization: str
    generated_at: str


class Pages:
    """A document, written from top to bottom; `y` is the top of the next line, in points from the page's bottom."""

    def __init__(self, imprint: Imprint) -> None:
        self._imprint = imprint
        self._file = io.BytesIO()
        self._canvas = Canvas(self._file, pagesize=A4, lang="en", pageCompression=1)
        self._canvas.setTitle(display_line(imprint.title))
        self._canvas.setAuthor(display_line(imprint.organization))
        self._canvas.setCreator("Tallystick")
        self._number = 0
        self._shown: dict[tuple[str, float, str], str] = {}
        self._forms: list[tuple[str, TextLine, Color]] = []
        self._head: Callable[[], None] | None = None
        self.y = 0.0
        self._begin()

    def ensure_room(self, height: float) -> None:
        """Start a new page unless `height` points are left; content higher than a page starts in place."""
        if self.y - height < BOTTOM and not (height > TOP - BOTTOM and self.y > (TOP + BOTTOM) / 2):
            self._end()
            self._begin()

    def start_table(self, head: Callable[[], None]) -> None:
        """Start a new page; `head` draws the table header on it and on all following pages."""
        self._head = head
        self._end()
        self._begin()

    def reserve(self, name: str, x: float, y: float) -> None:
        """Reserve a position for a text that `fill` provides later."""
        self._canvas.saveState()
        self._canvas.translate(x, y)
        self._canvas.doForm(name)
        self._canvas.restoreState()

    def fill(self, name: str, text: str, face: Face, size: float, colour: Color) -> None:
        """Provide the text of a reserved position; before `render_pdf`."""
        self._forms.append((name, line_of(text, face, size), colour))

    def space(self, height: float) -> None:
        """Leave vertical space, except beyond the end of a page."""
        self.y = max(self.y - height, BOTTOM)

    def add_lines(self, lines: list[TextLine], x: float = MARGIN, colour: Color = INK) -> None:
        """Draw lines below each other from `y` down, on new pages as needed."""
        for line in lines:
            self.ensure_room(line.size * LEADING)
            self.y -= line.size * LEADING
            self.draw(line, x, self.y + line.size * (LEADING - 1) / 2, colour)

    def text(self, text: str, face: Face = "sans", size: float = 9.5, colour: Color = INK) -> None:
        """Draw a short text as one line at `y`."""
        self.add_lines([line_of(text, face, size)], colour=colour)

    def draw(self, line: TextLine, x: float, y: float, colour: Color = INK, *, is_repeated: bool = True) -> None:
        """Draw one line with its baseline at `y`; the layout of texts that are not repeated is not cached."""
        code = [_colour(colour)]
        for run in line.runs:
            # Laying out a text takes most of the time, and tables repeat the same texts: cache the result.
            key = run.font, line.size, run.text
            shown = self._shown.get(key)
            if shown is None:
                shown = self._operators(*key)
                if is_repeated and len(self._shown) < MAX_CACHED_TEXTS:
                    self._shown[key] = shown
            drawn = f"BT 1 0 0 1 {x:.2f} {y:.2f} Tm {shown}"
            code.append(f"{start}{drawn} EMC" if (start := _spoken(run)) else drawn)
            x += run.width
        self._canvas._code.append(f"q {' '.join(code)} Q")

    def _operators(self, font: str, size: float, text: str) -> str:
        """The PDF operators that draw a text, without its position."""
        placed = self._canvas.beginText(0, 0)
        placed.setFont(font, size)
        placed.textOut(shape(font, text, size))
        return str(placed.getCode()).partition(" Tm ")[2]

    def rule(self, colour: Color = HAIRLINE) -> None:
        """Draw a hairline across the page at `y`."""
        stroke = _colour(colour).upper()
        self._canvas._code.append(f"q {stroke} .5 w {MARGIN} {self.y:.2f} m {WIDTH - MARGIN:.2f} {self.y:.2f} l S Q")

    def bar(self, x: float, top: float, colour: Color = ACCENT) -> None:
        """Draw a vertical line from `top` down to `y`; nothing when a page break lies between."""
        if top > self.y:
            self._canvas.setStrokeColor(colour)
            self._canvas.setLineWidth(1.5)
            self._canvas.line(x, top, x, self.y)

    def mark(self, x: float, y: float, *, failed: bool) -> None:
        """Draw the symbol of a status, as the pages show it: a diamond for failed, a disc for success."""
        self._canvas.setFillColor(RED if failed else GREEN)
        if not failed:
            self._canvas.circle(x, y, 2.6, stroke=0, fill=1)
            return
        path = self._canvas.beginPath()
        path.moveTo(x, y + 3.4)
        for across, up in ((3.4, 0), (0, -3.4), (-3.4, 0)):
            path.lineTo(x + across, y + up)
        path.close()
        self._canvas.drawPath(path, stroke=0, fill=1)

    def render_pdf(self) -> bytes:
        """Finish the document; returns its bytes."""
        self._end()
        total = (_TOTAL, line_of(str(self._number), "sans", 8), FAINT)
        for name, line, colour in (total, *self._forms):
            self._canvas.beginForm(name)
            _draw(self._canvas, line, 0, 0, colour)
            self._canvas.endForm()
        self._canvas.save()
        return self._file.getvalue()

    def _begin(self) -> None:
        self._number += 1
        self.y = TOP
        across = WIDTH - MARGIN
        organization = _truncate(self._imprint.organization, "bold", 8, ROOM / 2 - 12)
        _draw(self._canvas, organization, MARGIN, HEIGHT - 48, INK)
        title = _truncate(self._imprint.title, "sans", 8, ROOM / 2)
        _draw(self._canvas, title, across - title.width, HEIGHT - 48, FAINT)
        self._canvas.setStrokeColor(HAIRLINE)
        self._canvas.setLineWidth(0.5)
        self._canvas.line(MARGIN, HEIGHT - 56, across, HEIGHT - 56)
        made = line_of(f"Generated {self._imprint.generated_at} by Tallystick", "sans", 8)
        _draw(self._canvas, made, MARGIN, 36, FAINT)
        counted = line_of(f"Page {self._number} of ", "sans", 8)
        left = across - counted.width - line_of("0000", "sans", 8).width
        _draw(self._canvas, counted, left, 36, FAINT)
        self._canvas.saveState()
        self._canvas.translate(left + counted.width, 36)
        self._canvas.doForm(_TOTAL)
        self._canvas.restoreState()
        if self._head is not None:
            self._head()

    def _end(self) -> None:
        self._canvas.showPage()


def _spoken(run: TextRun) -> str:
    """The operator that says what the glyphs up to `EMC` mean, for readers that copy or search them; usually empty.

    Only shaped glyphs and characters beyond U+FFFF need it: their own entries in the fonts say something else.
    """
    if not is_shaped(run.font) and (run.text.isascii() or max(run.text) <= "\uffff"):
        return ""
    return f"/Span <</ActualText <FEFF{run.text.encode('utf-16-be').hex().upper()}>>> BDC "


@cache
def _colour(colour: Color) -> str:
    """The PDF operator that sets the fill colour; in upper case, the stroke colour."""
    return f"{colour.red:.4f} {colour.green:.4f} {colour.blue:.4f} rg"


def _draw(canvas: Canvas, line: TextLine, x: float, y: float, colour: Color) -> None:
    canvas.setFillColor(colour)
    for run in line.runs:
        canvas.setFont(run.font, line.size)
        start = _spoken(run)
        canvas._code.append(start)
        canvas.drawString(x, y, shape(run.font, run.text, line.size))
        canvas._code.append("EMC" if start else "")
        x += run.width


def _truncate(text: str, face: Face, size: float, room: float) -> TextLine:
    """The longest beginning of a text that fits into `room` points, with an ellipsis if something is cut off."""
    line = line_of(text, face, size)
    while line.width > room and len(text) > 1:
        text = text[: min(len(text) - 1, int(len(text) * room / line.width))]
        line = line_of(text + "…", face, size)
    return line
