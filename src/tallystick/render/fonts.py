"""The fonts of PDF documents: which one has a character, and how wide a text is in it.

The files in `fonts/` are embedded as subsets, so that a document looks the same everywhere.
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import TTFont

FOLDER = Path(__file__).parent / "fonts"
Face = Literal["sans", "bold", "mono"]
# For each face, the fonts in the order in which they are searched for a character.
_FACES: dict[Face, tuple[str, ...]] = {
    "sans": ("DejaVuSans", "DroidSansFallback"),
    "bold": ("DejaVuSans-Bold", "DejaVuSans", "DroidSansFallback"),
    "mono": ("DejaVuSansMono", "DejaVuSans", "DroidSansFallback"),
}


@cache
def _font(name: str) -> TTFont:
    font = TTFont(name, str(FOLDER / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    return font


@cache
def _letters(name: str) -> frozenset[int]:
    return frozenset(_font(name).face.charToGlyph)


@lru_cache(maxsize=65_536)
def font_for(face: Face, letter: str) -> str:
    """The name of the first font of the face that has the character; "" when none has it."""
    return next((name for name in _FACES[face] if ord(letter) in _letters(name)), "")


def width(font: str, text: str, size: float) -> float:
    """The width of a text in one font, in points."""
    measured: float = _font(font).stringWidth(text, size)
    return measured
