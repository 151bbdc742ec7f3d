"""Text layout: lines of runs, wrapped to a width, in visual order, each character in a font that has it."""

import re
from dataclasses import dataclass
from itertools import groupby
from unicodedata import category

import arabic_reshaper
from bidi import get_display

from tallystick.display_text import code_point, display_block, display_line
from tallystick.render.fonts import Face, font_for, is_shaped, width

# Words, spaces, and single characters of scripts without spaces, which may be wrapped anywhere.
_ANYWHERE = r"\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\uff00-\uffef"
_PIECES = re.compile(rf"\s+|[{_ANYWHERE}]|[^\s{_ANYWHERE}]+")
FIRST_MEASURED = 64  # characters: about a line
_RIGHT_TO_LEFT = re.compile(r"[\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff]")
# What only chooses the shape of its neighbours, and has none of its own: joiners, selectors and tags.
_JOINERS = "\u200c\u200d"
_SHAPING = re.compile(rf"[{_JOINERS}\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0020-\U000e007f\U000e0100-\U000e01ef]")
_shaper = arabic_reshaper.ArabicReshaper({"delete_harakat": False})


@dataclass(frozen=True, slots=True)
class TextRun:
    """Characters of one font, in visual order; `width` in points."""

    font: str
    text: str
    width: float


@dataclass(frozen=True, slots=True)
class TextLine:
    """One line of text at a size in points."""

    runs: tuple[TextRun, ...]
    size: float

    @property
    def width(self) -> float:
        return sum(run.width for run in self.runs)


def line_of(text: str, face: Face, size: float) -> TextLine:
    """The whole text as one line, newlines as spaces."""
    seen = _visual_order(_printable(text).replace("\n", " "))
    letters: list[tuple[str, str]] = []
    for letter in seen:
        before = letters[-1][0] if letters else ""
        if not _SHAPING.match(letter):
            letters.append((font_for(face, letter), letter))
        elif letter in _JOINERS and before and is_shaped(before):
            letters.append((before, letter))
    runs = []
    for font, group in groupby(letters, key=lambda one: one[0]):
        together = "".join(letter for _, letter in group)
        if not font:
            font, together = font_for(face, "U"), "".join(code_point(letter) for letter in together)
        runs.append(TextRun(font, together, width(font, together, size)))
    return TextLine(tuple(runs), size)


def wrap(text: str, face: Face, size: float, room: float) -> list[TextLine]:
    """Wrap the text as one paragraph, whatever line breaks it has, to lines of at most `room` points.

    Lines are broken at spaces if possible; an empty text is one empty line.
    """
    return _paragraph(display_line(text), face, size, room)


def wrap_beginning(text: str, face: Face, size: float, room: float, most: int) -> list[TextLine]:
    """As `wrap`, at most `most` lines of the text; a text with more ends with a line that says so.

    A filter that was cut in silence would hide what it leaves out.
    """
    lines = wrap(text, face, size, room)
    if len(lines) <= most:
        return lines
    return [*lines[:most], *wrap(f"… {len(lines) - most:,} more lines are left out here.", face, size, room)]


def wrap_block(text: str, face: Face, size: float, room: float) -> list[TextLine]:
    """Wrap a text that has lines of its own, such as a note that a person wrote, paragraph by paragraph."""
    found: list[TextLine] = []
    for paragraph in _printable(text).split("\n"):
        found += _paragraph(paragraph.rstrip(), face, size, room)
    return found


def wrap_code(text: str, size: float, room: float) -> list[TextLine]:
    """Wrap a text of one paragraph in the fixed-width font, behind a blank if possible."""
    shown = display_line(text)
    if not shown.isascii():  # characters of other fonts have other widths
        return wrap(text, "mono", size, room)
    font = font_for("mono", "0")
    letter = width(font, "0", size)
    most, lines = int(room / letter), []
    while len(shown) > most:
        cut = shown.rfind(" ", most // 2, most) + 1 or most
        lines.append(shown[:cut])
        shown = shown[cut:]
    return [TextLine((TextRun(font, line, len(line) * letter),), size) for line in (*lines, shown)]


def _paragraph(text: str, face: Face, size: float, room: float) -> list[TextLine]:
    lines: list[TextLine] = []
    begun, taken = "", 0.0
    for piece in _PIECES.findall(text):
        wide = line_of(piece, face, size).width
        if taken + wide > room and begun:
            lines.append(line_of(begun.rstrip(), face, size))
            begun, taken = "", 0.0
            if piece.isspace():
                continue
        if wide > room:
            while (cut := _fitting_length(piece, face, size, room)) < len(piece):
                lines.append(line_of(piece[:cut], face, size))
                piece = piece[cut:]
            wide = line_of(piece, face, size).width
        begun, taken = begun + piece, taken + wide
    return [*lines, line_of(begun, face, size)]


def _fitting_length(piece: str, face: Face, size: float, room: float) -> int:
    """The number of characters of a piece that fit, at least one."""

    def fits(length: int) -> bool:
        return line_of(piece[:length], face, size).width <= room

    # The bound grows from a short beginning: measuring half of a word of thousands of characters for each of its lines
    # would cost the square of its length.
    high = min(len(piece), FIRST_MEASURED)
    while high < len(piece) and fits(high):
        high = min(len(piece), 2 * high)
    low = 1
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    # A mark stays with its character.
    while low > 1 and low < len(piece) and (category(piece[low])[0] == "M" or _SHAPING.match(piece[low])):
        low -= 1
    return low


def _printable(text: str) -> str:
    return display_block(text).replace("\t", "    ")


def _visual_order(text: str) -> str:
    if text.isascii():
        return text
    if _RIGHT_TO_LEFT.search(text):
        shown = get_display(_shaper.reshape(text), base_dir="L")
        text = shown if isinstance(shown, str) else shown.decode()
    return text
