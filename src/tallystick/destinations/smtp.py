"""SMTP: hands a message to the mail server."""

import asyncio
import socket
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote, urlsplit

import aiosmtplib

from tallystick.destinations.name_lookup import MAX_ADDRESSES, look_up, own_host_name

ANSWER_SECONDS = 30.0  # for each answer of the server
MIN_SECONDS = 60.0  # for the whole conversation about a small message
MAX_SECONDS = 300.0  # and about a large one
SLOWEST_BYTES = 50_000  # a second, which a server must take
QUIT_SECONDS = 5.0  # the message is accepted then
TOO_LARGE, TOO_LARGE_NOW = 552, 452
PORTS = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
Encryption = Literal["smtp", "smtps", "smtp+starttls"]


class EmailNotSent(Exception):
    """The mail server did not accept the message; the text holds no secret.

    `permanent`: it never will. `unreachable`: no connection was made. `refused`: it refused the size or the content,
    so that it may accept another form of the message.
    """

    def __init__(
        self, detail: str, *, permanent: bool = False, unreachable: bool = False, refused: bool = False
    ) -> None:
        super().__init__(detail)
        self.permanent = permanent
        self.unreachable = unreachable
        self.refused = refused


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


def send_email(server: MailServer, recipient: str, content: bytes) -> None:
    """Hands a message to the mail server, whose certificate is verified. Blocks. Raises EmailNotSent."""
    asyncio.run(_send(server, recipient, content))


async def _send(server: MailServer, recipient: str, content: bytes) -> None:
    is_connected = is_accepted = False
    try:
        async with asyncio.timeout(min(MIN_SECONDS + len(content) / SLOWEST_BYTES, MAX_SECONDS)):
            client = await _connect(server)
            try:
                is_connected = True
                size = client.esmtp_extensions.get("size", "")
                if size.isdecimal() and 0 < int(size) < len(content):
                    raise aiosmtplib.SMTPDataError(TOO_LARGE, "larger than the server announces to take")
                await client.sendmail(server.sender, [recipient], content)
                is_accepted = True
                with suppress(aiosmtplib.SMTPException):
                    await client.quit(timeout=QUIT_SECONDS)
            finally:
                client.close()
    except (aiosmtplib.SMTPException, OSError, ValueError) as error:
        if not is_accepted:
            raise _problem(error, is_connected=is_connected) from None


async def _connect(server: MailServer) -> aiosmtplib.SMTP:
    """A client that is connected, encrypted and signed in as the URL says."""
    # Both blocking: nothing else happens in this loop, and the loop could not end before such a call.
    local_name, connection = own_host_name(), _open_socket(server)
    encrypted = server.encryption != "smtp"
    client = aiosmtplib.SMTP(
        hostname=server.host,
        username=server.user or None,
        password=server.password or None,
        local_hostname=local_name,
        use_tls=server.encryption == "smtps",
        start_tls=server.encryption == "smtp+starttls",
        tls_context=ssl.create_default_context() if encrypted else None,
        timeout=ANSWER_SECONDS,
        sock=connection,
    )
    try:
        await client.connect()
        with suppress(aiosmtplib.SMTPHeloError):  # an old server knows no EHLO, and announces no limit
            await client.ehlo()
    except BaseException:
        client.close()
        connection.close()
        raise
    return client


def _open_socket(server: MailServer) -> socket.socket:
    """A connection to the mail server. Raises OSError."""
    ends_at = time.monotonic() + ANSWER_SECONDS
    problem: OSError = TimeoutError()
    for address in look_up(server.host, server.port, ANSWER_SECONDS)[:MAX_ADDRESSES]:
        try:
            connection = socket.create_connection((address, server.port), max(0.1, ends_at - time.monotonic()))
        except OSError as error:
            problem = error
        else:
            connection.setblocking(False)
            return connection
    raise problem


def _problem(error: Exception, *, is_connected: bool) -> EmailNotSent:
    """What an error means for the message."""
    match error:
        case aiosmtplib.SMTPAuthenticationError():
            return EmailNotSent(f"the mail server rejected the user name or password ({error.code})")
        case aiosmtplib.SMTPRecipientsRefused():
            codes = [one.code for one in error.recipients]
            return EmailNotSent(f"the mail server rejected the recipient ({codes[0]})", permanent=min(codes) >= 500)
        case aiosmtplib.SMTPResponseException() if is_connected:
            is_content = isinstance(error, aiosmtplib.SMTPDataError) and error.code >= 500
            return EmailNotSent(
                f"the mail server answered {error.code}",
                permanent=error.code >= 500,
                refused=is_content or error.code in (TOO_LARGE, TOO_LARGE_NOW),
            )
        case _:
            lost = (
                "the connection to the mail server broke off" if is_connected else "the mail server cannot be reached"
            )
            return EmailNotSent(f"{lost}: {type(error).__name__}", unreachable=not is_connected)
