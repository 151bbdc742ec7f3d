"""The destination context: what creating, checking and using destinations needs beside the database."""

from dataclasses import dataclass

from tallystick.access.secret import SecretBox
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.smtp import MailServer


@dataclass(frozen=True, slots=True)
class DestinationContext:
    """The seal of stored secrets, the guard of outgoing connections, and the mail server, if there is one."""

    seal: SecretBox
    guard: Guard
    mail_server: MailServer | None = None
