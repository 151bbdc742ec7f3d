"""The template filters that show values of events and other text from users.

Templates print every text as `display_line`; these filters say where it is otherwise, and keep right-to-left text
from reordering what stands beside it.
"""

import re

from markupsafe import Markup, escape

from tallystick.display_text import ExactText, display_block, display_line

# From a right-to-left character to the last one before the next left-to-right letter.
_RTL = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufefe\U00010800-\U00010fff\U0001e800-\U0001efff"
_RTL_RUN = re.compile(rf"[{_RTL}](?:[{_RTL}\W\d_]*[{_RTL}])?")
_LEFT_TO_RIGHT = Markup('<bdi dir="ltr">{}</bdi>')
_ITS_OWN = Markup("<bdi>{}</bdi>")
_TECHNICAL = re.compile(r"[A-Za-z0-9]")


def exact(value: object) -> ExactText:
    """The value with its own characters, for form fields and for what a button copies."""
    return ExactText(value)


def lines(text: str) -> ExactText:
    """A text of several lines with its line breaks, shown as `display_block`."""
    return ExactText(display_block(text))


def direction(text: str) -> str:
    """`ltr` for an email address or an id, which read in this direction in every script; else `auto`."""
    is_word = text != "" and not any(map(str.isspace, text))
    return "ltr" if is_word and ("@" in text or _TECHNICAL.search(text)) else "auto"


def bdi(value: object) -> Markup:
    """A value as an element of its own, so that its direction changes nothing around it."""
    text = display_line(str(value))
    return _LEFT_TO_RIGHT.format(text) if direction(text) == "ltr" else _ITS_OWN.format(text)


def sentence(text: str) -> Markup:
    """A sentence that holds names, read from left to right, with every right-to-left part as an element of its own."""
    shown, at, parts = display_line(text), 0, []
    for run in _RTL_RUN.finditer(shown):
        parts += [escape(shown[at : run.start()]), _ITS_OWN.format(run[0])]
        at = run.end()
    return _LEFT_TO_RIGHT.format(Markup().join([*parts, escape(shown[at:])]))


def inline_code(text: str) -> Markup:
    """A message with text between backticks as `<code>`."""
    parts = (
        escape(part) if number % 2 == 0 else Markup("<code>{}</code>").format(part)
        for number, part in enumerate(display_line(text).split("`"))
    )
    return Markup().join(parts)
