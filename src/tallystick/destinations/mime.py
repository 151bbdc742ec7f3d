"""Emails as bytes: a head that only Tallystick writes, and a MIME body.

The header classes of the email package decode encoded words (`=?…?=`) in the values that they are given, line breaks
included, and some Python versions then write these line breaks out. Therefore the head is written here: text of others
appears in it only as base64 words, and `=?` nowhere else. The finished head is checked line by line before it leaves.
"""

import re
from base64 import b64encode, encodebytes
from collections.abc import Mapping
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid

import structlog

from tallystick.clock import from_us
from tallystick.destinations.email_templates import MAX_SUBJECT, Email
from tallystick.display_text import display_block, display_line

MAX_LINE = 998  # bytes, without CR LF: the limit of SMTP
WORD_BYTES = 39  # of UTF-8 in an encoded word, so that `Subject: ` and the first word fit into 76 characters
# Seven bits, so that every server takes it.
_POLICY = SMTP.clone(cte_type="7bit")
_ENCODED_WORD = r"=\?utf-8\?b\?[A-Za-z0-9+/]+={0,2}\?="
_SUBJECT = re.compile(rf"Subject: {_ENCODED_WORD}(?:\r\n {_ENCODED_WORD})*\r\n")
_HEADER = re.compile(r"([A-Za-z-]+): [\x21-\x7e][\x20-\x7e]*\r\n")
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9.-]{1,255}")
_MESSAGE_ID = re.compile(r"[A-Za-z0-9._-]{1,200}")
_FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")
_BODY_HEADERS = (("MIME-Version", "Content-Type"), ("MIME-Version", "Content-Type", "Content-Transfer-Encoding"))
logger = structlog.get_logger(__name__)


class InvalidEmail(ValueError):
    """The message cannot be written, such as to an invalid address."""


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file of an email; `name` is ASCII and names no directory, `media_type` is such as `text/csv`."""

    name: str
    media_type: str
    content: bytes


def write_email(
    sender: str,
    recipient: str,
    email: Email,
    *,
    at: int,
    message_id: str = "",
    headers: Mapping[str, str] | None = None,
    attachment: Attachment | None = None,
) -> bytes:
    """The message as it is sent, dated `at` (microseconds). Raises InvalidEmail for an invalid address.

    A message that cannot be written is written with its plain subject and its text alone; one with an attachment
    raises InvalidEmail instead. `message_id` is the part of the Message-ID before the @, by default a new one.
    `headers` are further ones, which are not encoded.
    """
    fixed = _fixed_headers(sender, recipient, at, message_id) | dict(headers or {})
    try:
        return _checked(fixed, email.subject, _body(email, attachment))
    except Exception as error:  # whatever the reason: a plain message is better than none
        logger.warning("email_written_plainly", error=type(error).__name__)
        if attachment is not None:
            raise InvalidEmail(f"The message cannot be written: {type(error).__name__}.") from None
    return _checked(fixed, email.plain_subject, _plain_body(email.text))


def _fixed_headers(sender: str, recipient: str, at: int, message_id: str) -> dict[str, str]:
    for name, address in (("sender", sender), ("recipient", recipient)):
        if not _ADDRESS.fullmatch(address) or "=?" in address:
            raise InvalidEmail(f"The address of the {name} is not valid.")
    domain = sender.rpartition("@")[2]
    return {
        "From": f"Tallystick <{sender}>",
        "To": recipient,
        "Date": format_datetime(from_us(at)),
        "Message-ID": f"<{message_id}@{domain}>" if _MESSAGE_ID.fullmatch(message_id) else make_msgid(domain=domain),
        "Auto-Submitted": "auto-generated",  # so that no out-of-office message answers
    }


def _checked(fixed: Mapping[str, str], subject: str, body: bytes) -> bytes:
    """The message: the head and the body, which begins with its own headers.

    Raises InvalidEmail if a header is not one of these, or stands there twice, or if a line is too long.
    """
    # Long lines stay whole: a folded List-Unsubscribe would be no link.
    head = "".join(f"{name}: {value}\r\n" for name, value in fixed.items()) + f"Subject: {_encode_subject(subject)}\r\n"
    message = head.encode("ascii") + body
    written, _, _ = message.decode("ascii").partition("\r\n\r\n")
    if sorted(_header_names(f"{written}\r\n")) not in [sorted([*fixed, "Subject", *own]) for own in _BODY_HEADERS]:
        raise InvalidEmail("The headers of the message are not valid.")
    lines = message.split(b"\r\n")
    if any(len(line) > MAX_LINE or b"\r" in line or b"\n" in line or b"\0" in line for line in lines):
        raise InvalidEmail("A line of the message is not valid.")
    return message


def _header_names(head: str) -> list[str]:
    """The names of the headers. Raises InvalidEmail for anything else in the head."""
    names: list[str] = []
    at = 0
    while at < len(head):
        subject = _SUBJECT.match(head, at)
        header = subject or _HEADER.match(head, at)
        if header is None or ("=?" in header[0] and not subject):
            raise InvalidEmail("A header of the message is not valid.")
        names.append("Subject" if subject else header[1])
        at = header.end()
    return names


def _encode_subject(subject: str) -> str:
    """The subject as it may stand in a head: plain ASCII, or base64 words (RFC 2047) on lines of their own."""
    shown = display_line(subject, MAX_SUBJECT) or "(no subject)"
    if shown.isascii() and "=?" not in shown:
        return shown
    words, word = [], b""
    for letter in shown:
        encoded = letter.encode()
        if len(word) + len(encoded) > WORD_BYTES:
            words.append(word)
            word = b""
        word += encoded
    return "\r\n ".join(f"=?utf-8?b?{b64encode(one).decode()}?=" for one in [*words, word])


def _body(email: Email, attachment: Attachment | None) -> bytes:
    """Text and HTML, and the file, with their MIME headers; none of these has a text of others."""
    message = EmailMessage(policy=_POLICY)
    message.set_content(display_block(email.text))
    message.add_alternative(display_block(email.html), subtype="html")
    if attachment is not None:
        if not _FILE_NAME.fullmatch(attachment.name):
            raise InvalidEmail("The name of the attachment is not valid.")
        main, _, sub = attachment.media_type.partition("/")
        charset = {"charset": "utf-8"} if main == "text" else None
        message.add_attachment(attachment.content, maintype=main, subtype=sub, filename=attachment.name, params=charset)
    _, _, parts = message.as_bytes().partition(b"\r\n\r\n")
    # The email package folds these two lines in different ways.
    head = (
        f'MIME-Version: 1.0\r\nContent-Type: {message.get_content_type()}; boundary="{message.get_boundary()}"\r\n\r\n'
    )
    return head.encode("ascii") + parts


def _plain_body(text: str) -> bytes:
    """The text alone in base64, written without the email package."""
    head = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    return head + encodebytes(text.encode("utf-8", "backslashreplace")).replace(b"\n", b"\r\n")
