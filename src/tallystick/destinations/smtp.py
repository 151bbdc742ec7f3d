"""SMTP: composes a message and hands it to the mail server."""

import asyncio
import ssl
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

from tallystick.clock import from_us
from tallystick.destinations.email_templates import Email

ANSWER_SECONDS = 30.0  # for each answer of the server
MAX_SECONDS = 300.0  # for the whole conversation
MAX_LINE = 990  # SMTP allows 998 bytes
MAX_HEADER = 254
TOO_LARGE, TOO_LARGE_NOW = 552, 452
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
Encryption = Literal["smtp", "smtps", "smtp+starttls"]


class InvalidEmail(ValueError):
    """The message cannot be composed: a line break in a header, or an invalid address."""


class EmailNotSent(Exception):
    """The mail server did not accept the message; the text holds no secret.

    `permanent`: it never will. `too_large`: it may accept a smaller one. `unreachable`: no connection was made.
    """

    def __init__(
        self, detail: str, *, permanent: bool = False, too_large: bool = False, unreachable: bool = False
    ) -> None:
        super().__init__(detail)
        self.permanent = permanent
        self.too_large = too_large
        self.unreachable = unreachable


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server of TALLYSTICK_SMTP_URL; `sender` is the address that messages come from."""

    encryption: Encryption
    host: str
    port: int
    user: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"MailServer({self.encryption}://{self.host}:{self.port})"


def parse_mail_server(url: str, sender: str) -> MailServer:
    """The mail server of an SMTP URL. ValueError when the URL names no host."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("the mail server's URL names no host")
    encryption: Encryption = "smtps" if parts.scheme == "smtps" else "smtp"
    if parts.scheme == "smtp+starttls":
        encryption = "smtp+starttls"
    return MailServer(
        encryption=encryption,
        host=parts.hostname,
        port=parts.port or PORTS[encryption],
        user=unquote(parts.username or ""),
        password=unquote(parts.password or ""),
        sender=sender,
    )


def compose(server: MailServer, recipient: str, email: Email, *, at: int, message_id: str = "") -> EmailMessage:
    """Builds the MIME message, dated `at` (microseconds). Raises InvalidEmail for a value that would inject a header.

    `message_id` is the part of the Message-ID before the @; by default it is a new one.
    """
    message = EmailMessage(policy=SMTP)
    for name, value in (("From", server.sender), ("To", recipient), ("Subject", email.subject)):
        if not value or any(map(_breaks_header, value)) or len(value) > MAX_HEADER:
            raise InvalidEmail(f"{name} cannot be used in a header")
    try:
        message["From"] = Address("Tallystick", addr_spec=server.sender)
        message["To"] = Address(addr_spec=recipient)
        message["Subject"] = email.subject
    except (ValueError, IndexError) as error:
        raise InvalidEmail(f"invalid address: {type(error).__name__}") from None
    message["Date"] = format_datetime(from_us(at))
    domain = server.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{message_id}@{domain}>" if message_id else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # so that no out-of-office message answers
    message.set_content(email.text)
    message.add_alternative(email.html, subtype="html")
    return message


def _breaks_header(character: str) -> bool:
    """Whether it is a control, a surrogate or a line separator. Joiners and formatting marks may stand in names."""
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")


async def send_email(server: MailServer, message: EmailMessage) -> None:
    """Hands the message to the mail server, whose certificate is verified. Raises EmailNotSent, InvalidEmail."""
    try:
        content = to_bytes(message)
    except (MessageError, ValueError) as error:
        raise InvalidEmail(f"the message cannot be encoded: {type(error).__name__}") from None
    await send_content(server, str(message["To"]), lambda _most: content)


def to_bytes(message: EmailMessage) -> bytes:
    """The message as it is sent. Long header lines stay whole: a folded List-Unsubscribe would be no link."""
    return message.as_bytes(policy=SMTP.clone(max_line_length=MAX_LINE))


async def send_content(server: MailServer, recipient: str, write: Callable[[int], bytes]) -> None:
    """Sends what `write` returns for the number of bytes that the server announces as its limit, 0 for none.

    Raises EmailNotSent, and whatever `write` raises.
    """
    encrypted = server.encryption != "smtp"
    client = aiosmtplib.SMTP(
        hostname=server.host,
        port=server.port,
        username=server.user or None,
        password=server.password or None,
        use_tls=server.encryption == "smtps",
        start_tls=server.encryption == "smtp+starttls",
        tls_context=ssl.create_default_context() if encrypted else None,
        timeout=ANSWER_SECONDS,
    )
    is_connected = False
    write_error: Exception | None = None
    try:
        async with asyncio.timeout(MAX_SECONDS), client:
            with suppress(aiosmtplib.SMTPHeloError):  # an old server knows no EHLO, and announces no limit
                await client.ehlo()
            is_connected = True
            size = client.esmtp_extensions.get("size", "")
            try:
                content = write(int(size) if size.isdecimal() else 0)
            except Exception as error:
                write_error = error
                raise
            await client.sendmail(server.sender, [recipient], content)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise EmailNotSent(f"the mail server rejected the user name or password ({error.code})") from None
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        detail = f"the mail server rejected the recipient ({codes[0]})"
        raise EmailNotSent(detail, permanent=min(codes) >= 500) from None
    except aiosmtplib.SMTPResponseException as error:
        too_large = error.code in (TOO_LARGE, TOO_LARGE_NOW)
        detail = f"the mail server answered {error.code}"
        raise EmailNotSent(detail, permanent=error.code >= 500, too_large=too_large) from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        if error is write_error:
            raise
        lost = "the connection to the mail server broke off" if is_connected else "the mail server cannot be reached"
        raise EmailNotSent(f"{lost}: {type(error).__name__}", unreachable=not is_connected) from None
