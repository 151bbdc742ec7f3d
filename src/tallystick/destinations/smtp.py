"""A mail: written, and given to the mail server."""

import asyncio
import ssl
import unicodedata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime, make_msgid
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib
from markupsafe import Markup, escape

from tallystick.clock import from_us

SECONDS = 30.0  # for each answer
MOST_SECONDS = 300.0
MOST_LINE = 990  # SMTP takes 998
TOO_LARGE, TOO_LARGE_NOW = 552, 452
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
MOST_SUBJECT = 200
Encryption = Literal["smtp", "smtps", "smtp+starttls"]


class InvalidEmail(ValueError):
    """A mail that cannot be written: a line break in a header, an address that is none."""


class EmailNotSent(Exception):
    """The mail server did not take it. `for_good`: nor will it; `too_large`: but it may take a smaller one.

    `away`: it cannot be reached. The text holds no secret.
    """

    def __init__(self, detail: str, *, for_good: bool = False, too_large: bool = False, away: bool = False) -> None:
        super().__init__(detail)
        self.for_good = for_good
        self.too_large = too_large
        self.away = away


@dataclass(frozen=True, slots=True)
class MailServer:
    """The mail server, as TALLYSTICK_SMTP_URL names it; `sender` is the address that mail comes from."""

    encryption: Encryption
    host: str
    port: int
    user: str
    password: str
    sender: str

    def __repr__(self) -> str:
        return f"MailServer({self.encryption}://{self.host}:{self.port})"


@dataclass(frozen=True, slots=True)
class Email:
    """What a mail says: paragraphs, and one link or two with their words under them."""

    subject: str
    paragraphs: tuple[str, ...]
    link: tuple[str, str] | None = None
    also: tuple[str, str] | None = None

    @property
    def text(self) -> str:
        """The plain part."""
        lines = [*self.paragraphs, *(f"{words}: {url}" for words, url in filter(None, (self.link, self.also)))]
        return "\n\n".join(lines) + "\n"

    @property
    def html(self) -> str:
        """The HTML part; every word is escaped."""
        body = Markup().join(Markup("<p>{}</p>\n").format(paragraph) for paragraph in self.paragraphs)
        for words, url in filter(None, (self.link, self.also)):
            body += Markup('<p><a href="{}">{}</a></p>\n').format(url, words)
        return f'<!doctype html>\n<html lang="en"><body>\n<h1>{escape(self.subject)}</h1>\n{body}</body></html>\n'


def parse_mail_server(url: str, sender: str) -> MailServer:
    """The relay of an SMTP URL that the settings took. ValueError without a host."""
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("the mail server's URL names no host")
    encryption: Encryption = "smtps" if parts.scheme == "smtps" else "smtp"
    if parts.scheme == "smtp+starttls":
        encryption = "smtp+starttls"
    port = parts.port or PORTS[encryption]
    return MailServer(
        encryption, parts.hostname, port, unquote(parts.username or ""), unquote(parts.password or ""), sender
    )


def compose(
    relay: MailServer, recipient: str, subject: str, text: str, html: str, *, at: int, message_id: str = ""
) -> EmailMessage:
    """Builds the MIME message. Raises InvalidEmail for a value that would inject a header."""
    message = EmailMessage(policy=SMTP)
    for name, value in (("From", relay.sender), ("To", recipient), ("Subject", subject)):
        if not value or any(map(_breaks, value)) or len(value) > 254:
            raise InvalidEmail(f"{name} cannot be used in a header")
    try:
        message["From"] = Address("Tallystick", addr_spec=relay.sender)
        message["To"] = Address(addr_spec=recipient)
        message["Subject"] = subject
    except (ValueError, IndexError) as error:
        raise InvalidEmail(f"no address: {type(error).__name__}") from None
    message["Date"] = format_datetime(from_us(at))
    domain = relay.sender.rpartition("@")[2]
    message["Message-ID"] = f"<{message_id}@{domain}>" if message_id else make_msgid(domain=domain)
    message["Auto-Submitted"] = "auto-generated"  # nobody's absence is answered to
    message.set_content(text)
    message.add_alternative(html, subtype="html")
    return message


def _breaks(letter: str) -> bool:
    """Controls, halves of a character, and what ends a line; what joins or parts letters may stand in a name."""
    return unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp")


async def send_email(relay: MailServer, message: EmailMessage) -> None:
    """Hands the message to the mail server, whose certificate is verified. Raises EmailNotSent."""
    await send_content(relay, str(message["To"]), lambda _most: to_bytes(message))


def to_bytes(message: EmailMessage) -> bytes:
    """The message as it is sent. A header with a long link stays one line: cut, it would be encoded, and no link."""
    return message.as_bytes(policy=SMTP.clone(max_line_length=MOST_LINE))


async def send_content(relay: MailServer, recipient: str, write: Callable[[int], bytes]) -> None:
    """Send what `write` gives when it is told how many bytes the server takes, 0 when it does not say. EmailNotSent."""
    encrypted = relay.encryption != "smtp"
    client = aiosmtplib.SMTP(
        hostname=relay.host,
        port=relay.port,
        username=relay.user or None,
        password=relay.password or None,
        use_tls=relay.encryption == "smtps",
        start_tls=relay.encryption == "smtp+starttls",
        tls_context=ssl.create_default_context() if encrypted else None,
        timeout=SECONDS,
    )
    try:
        async with asyncio.timeout(MOST_SECONDS), client:
            with suppress(aiosmtplib.SMTPHeloError):  # an old server announces nothing
                await client.ehlo()
            size = client.esmtp_extensions.get("size", "")
            content = write(int(size) if size.isdecimal() else 0)
            await client.sendmail(relay.sender, [recipient], content)
    except aiosmtplib.SMTPAuthenticationError as error:
        raise EmailNotSent(f"the mail server rejected the user name or password ({error.code})") from None
    except aiosmtplib.SMTPRecipientsRefused as error:
        codes = [one.code for one in error.recipients]
        raise EmailNotSent(f"the recipient was rejected ({codes[0]})", for_good=min(codes) >= 500) from None
    except aiosmtplib.SMTPResponseException as error:
        too_large = error.code in (TOO_LARGE, TOO_LARGE_NOW)
        raise EmailNotSent(
            f"the mail server answered {error.code}", for_good=error.code >= 500, too_large=too_large
        ) from None
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        raise EmailNotSent(f"the mail server cannot be reached: {type(error).__name__}", away=True) from None
