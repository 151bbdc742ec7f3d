"""Validation of names and texts: slugs, e-mail addresses, display names, notes.

Each function returns the form that is stored, or raises BadRequest.
"""

import re
import unicodedata

from tallystick.errors import BadRequest

MOST_NAME = 100
MOST_EMAIL = 254
_SLUG = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
# `*` would be a wildcard in a query, so no account has one, though RFC 5322 allows it.
_ATOM = r"[a-z0-9!#$%&'+/=?^_`{|}~-]+"
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
# In the head of a mail, `=?` begins an encoded word.
_EMAIL = re.compile(rf"(?!.*=\?)(?=[^@]{{1,64}}@){_ATOM}(?:\.{_ATOM})*@{_LABEL}(?:\.{_LABEL})*")
# Control characters except tab and newline, and halves of surrogate pairs, which no database takes.
_UNWRITABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\ud800-\udfff]")
_BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def slug(text: str) -> str:
    """An organization's short name in commands and URLs."""
    if not _SLUG.fullmatch(text):
        raise BadRequest(
            f"Invalid short name {text!r}. Use 1 to 40 of a-z, 0-9 and -, beginning and ending with a letter or digit.",
            code="bad_slug",
            field="slug",
        )
    return text


def email(text: str) -> str:
    """The one form of an e-mail address by which accounts are compared: ASCII, lower case.

    Other characters are refused: two addresses that look the same would be two accounts, and could fold to one in a
    search.
    """
    text = text.strip()
    folded = text.lower()
    # Asked of the text as it came: the Kelvin sign, for one, has an ASCII letter in lower case.
    if len(text) > MOST_EMAIL or not text.isascii() or not _EMAIL.fullmatch(folded):
        raise BadRequest(
            "This email address cannot be used to sign in. Write it as name@example.com, in ASCII without * "
            "(write other scripts in the domain as xn--…).",
            code="bad_email",
            field="email",
        )
    return folded


def name(text: str, field: str = "name") -> str:
    """A display name: 1 to 100 characters of any script, without control characters and without direction overrides."""
    kept = unicodedata.normalize("NFC", text.strip())
    if not 0 < len(kept) <= MOST_NAME or any(map(_misleads, kept)):
        raise BadRequest(
            f"A name must have 1 to {MOST_NAME} characters and no control characters.", code="bad_name", field=field
        )
    return kept


def clean_text(text: str) -> str:
    """A text of several lines, trimmed, with plain newlines and without control characters; any length, also empty."""
    return _UNWRITABLE.sub("", text.replace("\r\n", "\n").replace("\r", "\n")).strip()


def _misleads(letter: str) -> bool:
    return letter in _BIDI or unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")
