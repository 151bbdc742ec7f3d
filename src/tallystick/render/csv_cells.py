"""Cells of CSV files, in which a spreadsheet finds text and no formula, wherever it cuts the lines.

Spreadsheets take what begins with `=`, `+`, `-` or `@` for a formula, also after blanks and full-width or small, and
calculate it as soon as somebody opens the file. Many of them cut lines at semicolons, whatever the file uses, and then
do not see the quotes around a cell: the text behind a separator or line break within it becomes a cell of its own.
"""

import re
from functools import lru_cache

MAX_CACHED = 256  # characters of a text whose cell is kept
_SIGNS = "=+\\-@\uff1d\uff0b\uff0d\uff20\ufe66\ufe62\ufe63\ufe6b"
# Characters that spreadsheets skip at the beginning of a cell, or that cannot be seen there.
_SKIPPED = r"\s\x00-\x1f\x7f-\xa0\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\"'"
_CUTS = r";,|\t\r\n\v\f\x85\u2028\u2029\""
# Where a cell begins, or could begin for a spreadsheet that cuts elsewhere, and a formula follows.
_FORMULA = re.compile(
    rf"^(?=[{_SKIPPED}]*[{_SIGNS}]|\s*[\t\r\n])|(?<=[{_CUTS}])(?=(?:(?![{_CUTS}])[{_SKIPPED}])*[{_SIGNS}])"
)
_SPECIAL = re.compile(r'[",;\r\n]')
_JSON_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')


def _json_formula(cuts: str) -> re.Pattern[str]:
    """What begins a formula within JSON. No two matches begin in one run of blanks: each search takes linear time."""
    return re.compile(rf"[{cuts}](?:(?![{cuts}])[{_SKIPPED}]|\\(?![{cuts}]).)*[{_SIGNS}]")


_JSON_CUTS = r";|\x85\u2028\u2029"
_JSON_FORMULA = _json_formula(_JSON_CUTS)
_JSON_FORMULA_ANYWHERE = _json_formula(rf"{_JSON_CUTS},\"")


def cell(text: str) -> str:
    """The text as a cell, quoted if necessary, with an apostrophe before what a spreadsheet would calculate."""
    return _cached_cell(text) if len(text) <= MAX_CACHED else _cell(text)


def _cell(text: str) -> str:
    shown = _FORMULA.sub("'", text)
    return quote(shown) if _SPECIAL.search(shown) else shown


# Names repeat; long texts would fill the memory.
_cached_cell = lru_cache(maxsize=16_384)(_cell)


def json_cell(text: str, separator: str = ",") -> str:
    """A JSON object as a quoted cell, with JSON escapes for signs that could begin a formula; its value is the same.

    A cell of a file that is cut at semicolons could also be cut at a comma, so that more signs are escaped.
    """
    found = _JSON_FORMULA if separator == "," else _JSON_FORMULA_ANYWHERE
    if found.search(text):
        text = _JSON_TEXT.sub(lambda value: found.sub(_escape_last, value[0]), text)
    return quote(text)


def quote(text: str) -> str:
    """The text as a quoted cell."""
    doubled = text.replace('"', '""')
    return f'"{doubled}"'


def _escape_last(found: re.Match[str]) -> str:
    return f"{found[0][:-1]}\\u{ord(found[0][-1]):04x}"
