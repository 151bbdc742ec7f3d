"""The frame of every PDF: A4 pages with whose document it is, when it was made, and page n of m."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from reportlab import rl_config
from reportlab.lib.colors import Color, HexColor
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

from tallystick.render.fonts import Face
from tallystick.render.lines import Line, line_of

rl_config.useA85 = 0  # a quarter larger and a tenth slower, for channels that no document of ours goes through

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

MOST_SHOWN = 50_000  # texts that are kept as they are set
_TOTAL = "total"  # a form that every page shows, and that is drawn when the number of pages is known


@dataclass(frozen=True, slots=True)
class Imprint:
    """What stands on every page. `generated_at` in words, with its zone."""

    title: str
    organization: str
    generated_at: str


class Pages:
    """A document being written, from the top of a page to the bottom; `y` is where the next line begins, in points."""

    def __init__(self, imprint: Imprint) -> None:
        self._imprint = imprint
        self._file = io.BytesIO()
        self._canvas = Canvas(self._file, pagesize=A4, lang="en", pageCompression=1)
        self._canvas.setTitle(imprint.title)
        self._canvas.setAuthor(imprint.organization)
        self._canvas.setCreator("Tallystick")
        self._number = 0
        self._shown: dict[tuple[str, float, str], str] = {}
        self._forms: list[tuple[str, Line, Color]] = []
        self._head: Callable[[], None] | None = None
        self.y = 0.0
        self._begin()

    def need(self, height: float) -> None:
        """Go on to a new page unless `height` points are left; what is higher than a page begins where it is."""
        if self.y - height < BOTTOM and not (height > TOP - BOTTOM and self.y > (TOP + BOTTOM) / 2):
            self._end()
            self._begin()

    def begin_with(self, head: Callable[[], None]) -> None:
        """Go on to a new page, and let `head` draw what stands at the top of it and of all that follow."""
        self._head = head
        self._end()
        self._begin()

    def reserve(self, name: str, x: float, y: float) -> None:
        """A place for words that are known later: see `fill`."""
        self._canvas.saveState()
        self._canvas.translate(x, y)
        self._canvas.doForm(name)
        self._canvas.restoreState()

    def fill(self, name: str, text: str, face: Face, size: float, colour: Color) -> None:
        """What stands at a place that was reserved; before `finished`."""
        self._forms.append((name, line_of(text, face, size), colour))

    def space(self, height: float) -> None:
        """Leave room, which nobody needs at the end of a page."""
        self.y = max(self.y - height, BOTTOM)

    def put(self, lines: list[Line], x: float = MARGIN, colour: Color = INK) -> None:
        """Lines below one another from `y` down; goes on to a new page where one is full."""
        for line in lines:
            self.need(line.size * LEADING)
            self.y -= line.size * LEADING
            self.draw(line, x, self.y + line.size * (LEADING - 1) / 2, colour)

    def text(self, text: str, face: Face = "sans", size: float = 9.5, colour: Color = INK) -> None:
        """One line at `y`, for what is known to be short."""
        self.put([line_of(text, face, size)], colour=colour)

    def draw(self, line: Line, x: float, y: float, colour: Color = INK) -> None:
        """One line with its foot at `y`."""
        code = [_colour(colour)]
        for run in line.runs:
            # Setting a text takes longer than all else, and a table has the same ones again and again.
            key = run.font, line.size, run.text
            shown = self._shown.get(key)
            if shown is None:
                shown = self._operators(*key)
                if len(self._shown) < MOST_SHOWN:
                    self._shown[key] = shown
            code.append(f"BT 1 0 0 1 {x:.2f} {y:.2f} Tm {shown}")
            x += run.width
        self._canvas._code.append(f"q {' '.join(code)} Q")

    def _operators(self, font: str, size: float, text: str) -> str:
        """What sets a text, after where it begins."""
        placed = self._canvas.beginText(0, 0)
        placed.setFont(font, size)
        placed.textOut(text)
        return str(placed.getCode()).partition(" Tm ")[2]

    def rule(self, colour: Color = HAIRLINE) -> None:
        """A hairline across the page, at `y`."""
        stroke = _colour(colour).upper()
        self._canvas._code.append(f"q {stroke} .5 w {MARGIN} {self.y:.2f} m {WIDTH - MARGIN:.2f} {self.y:.2f} l S Q")

    def bar(self, x: float, top: float, colour: Color = ACCENT) -> None:
        """An upright line from `top` down to `y`, beside what belongs together; none across a page's end."""
        if top > self.y:
            self._canvas.setStrokeColor(colour)
            self._canvas.setLineWidth(1.5)
            self._canvas.line(x, top, x, self.y)

    def mark(self, x: float, y: float, *, failed: bool) -> None:
        """The shape of a status, as the pages draw it: a diamond for failed, a disc for success."""
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

    def finished(self) -> bytes:
        """The document."""
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
        organization = _cut(self._imprint.organization, "bold", 8, ROOM / 2 - 12)
        _draw(self._canvas, organization, MARGIN, HEIGHT - 48, INK)
        title = _cut(self._imprint.title, "sans", 8, ROOM / 2)
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


@cache
def _colour(colour: Color) -> str:
    """What fills with a colour; in upper case, what strokes with it."""
    return f"{colour.red:.4f} {colour.green:.4f} {colour.blue:.4f} rg"


def _draw(canvas: Canvas, line: Line, x: float, y: float, colour: Color) -> None:
    canvas.setFillColor(colour)
    for run in line.runs:
        canvas.setFont(run.font, line.size)
        canvas.drawString(x, y, run.text)
        x += run.width


def _cut(text: str, face: Face, size: float, room: float) -> Line:
    """The beginning of a text that fits, with an ellipsis where something is missing."""
    line = line_of(text, face, size)
    while line.width > room and len(text) > 1:
        text = text[: min(len(text) - 1, int(len(text) * room / line.width))]
        line = line_of(text + "…", face, size)
    return line
