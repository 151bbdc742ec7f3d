"""The text of an API key: `tsk_`, 30 random base-62 characters, and 6 of their CRC32, by which it is recognized."""

import re
import zlib

ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
PREFIX = "tsk_"
KEY_LENGTH = 40
_FORM = re.compile(r"tsk_([0-9A-Za-z]{30})([0-9A-Za-z]{6})")
_ANYWHERE = re.compile(r"tsk_(?=([0-9A-Za-z]{30})([0-9A-Za-z]{6}))")


def is_key_text(token: str) -> bool:
    """Whether the text has the form and check digits of a key."""
    match = _FORM.fullmatch(token)
    return match is not None and check_digits(match[1]) == match[2]


def check_digits(text: str) -> str:
    """CRC32 in base 62, six digits: tells a mistyped key from an unknown one without a look-up."""
    value = zlib.crc32(text.encode())
    digits = ""
    for _ in range(6):
        value, digit = divmod(value, 62)
        digits = ALPHABET[digit] + digits
    return digits


def replace_keys(text: str, replacement: str) -> str:
    """The text with `replacement` for each key in it, wherever it stands; other texts that begin alike stay."""
    pieces, end = [], 0
    for match in _ANYWHERE.finditer(text):
        if match.start() >= end and check_digits(match[1]) == match[2]:
            pieces += [text[end : match.start()], replacement]
            end = match.start() + KEY_LENGTH
    return "".join([*pieces, text[end:]]) if pieces else text


def holds_key(text: str) -> bool:
    """Whether a key stands in the text."""
    return PREFIX in text and any(check_digits(match[1]) == match[2] for match in _ANYWHERE.finditer(text))
