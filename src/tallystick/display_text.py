"""The form in which people read text that others wrote: one line where a line states a fact, nothing unseen.

Whoever sends an event chooses its names and texts. Line breaks in them could add facts of their own to a message, and
direction controls could turn the sentence around them. `display_line` and `display_block` flatten breaks and show
what cannot be seen by its code point, as `⟨U+202E⟩`. Ordinary text of every script and emoji stay unchanged. Only what
is read has this form: text that is stored, searched, copied or exported as data keeps its bytes.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from unicodedata import category, name

MAX_MARKS = 5  # combining marks on one character; more would cover the lines above and below it
MAX_CACHED = 256  # characters of a text whose form is kept
ELLIPSIS = "…"
_ZWNJ, _ZWJ, _BLACK_FLAG, _KEYCAP = "\u200c", "\u200d", "\U0001f3f4", "\u20e3"
_BREAKS = re.compile("\r\n|[\n\r\v\f\x85\u2028\u2029]")
# A single one of these blanks is ordinary (French punctuation, a Japanese name); every other blank becomes a space.
_BLANKS = " \xa0\u202f\u3000"
_BLANK_RUNS = re.compile(r"[\t\n\r\v\f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000 ]+")
# Assigned characters that look like nothing and yet count as letters, marks or symbols.
_LOOKS_EMPTY = frozenset("\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0\ufffc\U00016fe4\U0001d159")
# Marks that only join letters of their own script, and look like nothing behind others.
_STACKERS = frozenset("\u2d7f\U00010a3f\U0001107f\U0001193e\U00011a47\U00011a99\U00011d45\U00011d97")
_SELECTORS = re.compile("[\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_LINK = re.compile(r":(?=//)|(?<=\bmailto):|(?<=\bwww)\.", re.IGNORECASE)
_UNSEEN = frozenset(("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"))
_MARKS = frozenset(("Mn", "Me"))
# Format characters that have a shape: the number and verse signs of Arabic, Syriac and Kaithi.
_WITH_SHAPE = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
# Scripts in which ZWJ and ZWNJ choose the shape of letters: Arabic and its relatives, and those of India and its
# neighbours.
_JOINING = re.compile(
    "[\u0600-\u0dff\u0f00-\u109f\u1780-\u18af\u1a20-\u1aaf\u1b00-\u1cff\ua840-\ua87f\ua8e0-\ua9ff\uaa00-\uaaff"
    "\uabc0-\uabff\ufb50-\ufdff\ufe70-\ufefe\U00010a00-\U00010a5f\U00011000-\U00011fff\U0001e900-\U0001e95f]"
)
_MONGOLIAN = re.compile("[\u1820-\u18aa]")
_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
_EMOJI = re.compile("[©®‼⁉™ℹ\u2190-\u2bff〰〽㊗㊙\U0001f000-\U0001faff]")
# The flags of England, Scotland and Wales, the only sequences of tag characters in use.
_TAGGED_FLAG = re.compile(
    "\U0001f3f4\U000e0067\U000e0062(?:\U000e0065\U000e006e\U000e0067|\U000e0073\U000e0063\U000e0074"
    "|\U000e0077\U000e006c\U000e0073)\U000e007f"
)


def display_line(text: str, limit: int = 0) -> str:
    """The text on one line, with unseen characters by their code points and runs of blanks as one.

    At most `limit` characters, if it is given; a text that was cut ends with an ellipsis.
    """
    return _cached_line(text, limit) if len(text) <= MAX_CACHED else _line(text, limit)


def _line(text: str, limit: int) -> str:
    flat = _BLANK_RUNS.sub(_one_blank, text).strip(_BLANKS)
    return _cut(flat, limit) if limit else _escape_unseen(flat)


# Names and actions repeat; long texts would fill the memory.
_cached_line = lru_cache(maxsize=16_384)(_line)


def display_block(text: str) -> str:
    """The text with its lines and indentation, as `display_line` otherwise; every kind of line break becomes LF."""
    lines = _BREAKS.sub("\n", text).split("\n")
    return "\n".join("\t".join(map(_escape_unseen, line.split("\t"))) for line in lines)


def _one_blank(run: re.Match[str]) -> str:
    return run[0] if run[0] in _BLANKS else " "


def _escape_unseen(line: str) -> str:
    return line if line.isascii() and line.isprintable() else "".join(_pieces(line))


def _cut(line: str, limit: int) -> str:
    pieces: list[str] = []
    length = 0
    for piece in _pieces(line):
        pieces.append(piece)
        length += len(piece)
        if length > limit:
            break
    else:
        return "".join(pieces)
    # A joiner would join the ellipsis, and a blank before it would be one too many.
    while pieces and (length > limit - len(ELLIPSIS) or pieces[-1] in (_ZWJ, _ZWNJ, *_BLANKS)):
        length -= len(pieces.pop())
    return "".join(pieces) + ELLIPSIS


def _pieces(line: str) -> Iterator[str]:
    """The characters of a line, or what stands for them. Every decision depends on what was yielded before it.

    Therefore a line that was shown once stays the same when it is shown again.
    """
    before, marks, at = "", 0, 0  # the last piece; the combining marks since the last other character
    while at < len(line):
        letter = line[at]
        kind = category(letter)
        if letter == _BLACK_FLAG and (flag := _TAGGED_FLAG.match(line, at)):
            before, marks = flag[0], 0
        elif letter in (_ZWJ, _ZWNJ) or _SELECTORS.match(letter):
            is_kept = _joins(line, at, before, marks) or _selects(line, at, before)
            before = letter if is_kept else code_point(letter)
            marks = marks if is_kept else 0
        elif letter in _LOOKS_EMPTY or (kind in _UNSEEN and letter not in _WITH_SHAPE):
            before, marks = code_point(letter), 0
        elif kind in _MARKS:
            before, marks, at = _mark(line, at, before, marks)
        else:
            before, marks = (" " if kind == "Zs" and letter not in _BLANKS else letter), 0
        yield before
        at += len(before) if before.startswith(_BLACK_FLAG) else 1


def code_point(letter: str) -> str:
    """`⟨U+202E⟩`: what stands for a character that cannot be seen."""
    return f"⟨U+{ord(letter):04X}⟩"


def _mark(line: str, at: int, before: str, marks: int) -> tuple[str, int, int]:
    """A combining mark, the number of marks so far and its position; or what stands for a mark or many of them.

    A mark without a character before it would change a character of ours.
    """
    if not before or (len(before) > 1 and not before.startswith(_BLACK_FLAG)):
        return code_point(line[at]), 0, at
    if line[at] in _STACKERS and name(before, "").partition(" ")[0] != name(line[at]).partition(" ")[0]:
        return code_point(line[at]), 0, at
    if marks < MAX_MARKS:
        return line[at], marks + 1, at
    end = at + 1
    while end < len(line) and category(line[end]) in _MARKS and not _SELECTORS.match(line[end]):
        end += 1
    return f"⟨{end - at} more marks⟩", 0, end - 1


def _joins(line: str, at: int, before: str, marks: int) -> bool:
    """Whether the joiner at a position joins two emoji, or letters of a script that needs it."""
    following = line[at + 1 : at + 2]
    if not following or line[at] not in (_ZWJ, _ZWNJ):
        return False
    kind = category(following)
    if _JOINING.match(before) and _JOINING.match(following):
        return kind[0] == "L" or kind == "Mc" or (kind == "Mn" and marks < MAX_MARKS)
    is_emoji = _EMOJI.match(before) or before == "\ufe0f"
    return line[at] == _ZWJ and bool(is_emoji and _EMOJI.match(following)) and kind != "Cn"


def _selects(line: str, at: int, before: str) -> bool:
    """Whether the variation selector at a position chooses a form of the character before it."""
    selector = line[at]
    if selector in "\ufe0e\ufe0f":
        keycap = before in "0123456789#*" and before != "" and line[at + 1 : at + 2] == _KEYCAP
        return keycap or bool(_EMOJI.match(before))
    if selector < "\ufe00":
        return bool(_MONGOLIAN.match(before))
    return bool(_HAN.match(before)) and (selector >= "\U000e0100" or selector <= "\ufe02")


def defang_links(text: str) -> str:
    """The text without what mail and chat programs make links of on their own: `https[:]//evil.example`, `www[.]`."""
    return _LINK.sub(lambda found: f"[{found[0]}]", text)


def escape_json(text: str) -> str:
    """JSON of the same value without a character that cannot be seen, for terminals and logs.

    JSON itself escapes neither the controls from U+0080 on, by which terminals take commands too, nor line separators.
    """
    return text if text.isprintable() else "".join(map(_json_letter, text))


def _json_letter(letter: str) -> str:
    return letter if letter.isprintable() else json.dumps(letter)[1:-1]


class ExactText(str):
    """Text that a template prints with its own characters: what a form sends back or a button copies."""

    __slots__ = ()


def display_value(value: object) -> object:
    """What a template prints for a value: text on one line as `display_line`, unless it is marked-up or exact."""
    return display_line(value) if type(value) is str else value


def display_message_value(value: object) -> object:
    """What a template of a message prints for a value: as `display_value`, with links in text defanged."""
    shown = display_value(value)
    return defang_links(shown) if type(shown) is str else shown
