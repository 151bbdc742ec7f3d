"""The fonts of PDF documents: which one has a character, and how wide a text is in it.

The files in `fonts/` are embedded as subsets, so that a document looks the same everywhere. A character that none of
them has is looked for in the Noto fonts that the operator installed (Debian: fonts-noto-core).
"""

from functools import cache, lru_cache
from pathlib import Path
from typing import Literal
from unicodedata import name

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.ttfonts import ShapedStr, TTFError, TTFont, shapeStr

FOLDER = Path(__file__).parent / "fonts"
SYSTEM_FOLDERS = (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
Face = Literal["sans", "bold", "mono"]
_NOTO = (
    "NotoSansThai-Regular", "NotoSansDevanagari-Regular", "NotoSansBengali-Regular", "NotoSansTamil-Regular",
    "NotoEmoji-Regular",
)  # fmt: skip
# For each face, the fonts in the order in which they are searched for a character.
_FACES: dict[Face, tuple[str, ...]] = {
    "sans": ("DejaVuSans", "DroidSansFallback", *_NOTO),
    "bold": ("DejaVuSans-Bold", "DejaVuSans", "DroidSansFallback", *_NOTO),
    "mono": ("DejaVuSansMono", "DejaVuSans", "DroidSansFallback", *_NOTO),
}
_SYMBOLS = ("NotoSansSymbols-Regular", "NotoSansSymbols2-Regular")
MAX_NAME_WORDS = 3  # of a script: `NEW TAI LUE`


@cache
def _font(name: str) -> TTFont:
    font = TTFont(name, str(_system_files()[name] if name not in _shipped() else FOLDER / f"{name}.ttf"))
    pdfmetrics.registerFont(font)
    return font


@cache
def _shipped() -> frozenset[str]:
    return frozenset(path.stem for path in FOLDER.glob("*.ttf"))


@cache
def _system_files() -> dict[str, Path]:
    """The Noto fonts that are installed, by name."""
    return {path.stem: path for folder in SYSTEM_FOLDERS for path in folder.rglob("NotoSans*-Regular.ttf")}


@cache
def _letters(name: str) -> frozenset[int]:
    return frozenset(_font(name).face.charToGlyph)


@lru_cache(maxsize=65_536)
def font_for(face: Face, letter: str) -> str:
    """The name of the first font of the face that has the character; "" when none has it."""
    found = next((font for font in _FACES[face] if ord(letter) in _letters(font)), "")
    return found or next((font for font in _system_fonts(letter) if _has(font, letter)), "")


def _system_fonts(letter: str) -> list[str]:
    """The installed fonts for the script that the name of a character begins with, then those for symbols."""
    words = name(letter, "").title().split()
    scripts = ["".join(words[:count]) for count in range(1, MAX_NAME_WORDS + 1)]
    return [one for one in (*(f"NotoSans{script}-Regular" for script in scripts), *_SYMBOLS) if one in _system_files()]


def _has(font: str, letter: str) -> bool:
    try:
        return ord(letter) in _letters(font)
    except (TTFError, OSError):  # a file that is damaged, or of a kind that cannot be embedded
        return False


def is_shaped(font: str) -> bool:
    """Whether characters of the font take their form and place from their neighbours, as in Indic scripts and Thai."""
    return font.startswith("Noto")


def shape(font: str, text: str, size: float) -> str:
    """The text with the glyphs and places that the font gives it, as reportlab draws it."""
    if not (is_shaped(font) and _font(font).shapable):
        return text
    shaped: str = shapeStr(text, font, size)
    return shaped


def width(font: str, text: str, size: float) -> float:
    """The width of a text in one font, in points."""
    shaped = shape(font, text, size)
    if isinstance(shaped, ShapedStr):
        return float(sum(one.x_advance for one in shaped.__shapeData__) * size / 1000)
    measured: float = _font(font).stringWidth(shaped, size)
    return measured
