"""Email: one message to each address, sent again only to those that did not get it."""

import time
from collections.abc import Mapping, Set
from dataclasses import replace
from hashlib import sha256
from html import escape
from typing import Any

from tallystick.access import names
from tallystick.access.members import member_addresses
from tallystick.destinations.delivery_queue import DeliveryResult
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.destinations.kinds.kind import (
    CheckedSettings,
    DeliveryTarget,
    DestinationKind,
    SettingField,
    SettingsCheck,
    invalid_settings,
)
from tallystick.destinations.message import Message
from tallystick.destinations.mime import InvalidEmail, write_email
from tallystick.destinations.secrets import DestinationSecrets
from tallystick.destinations.smtp import EmailNotSent, MailServer, send_email
from tallystick.display_text import display_line
from tallystick.errors import BadRequest

MAX_RECIPIENTS = 20
SENDING_SECONDS = 60.0  # after this long no further address is begun, so that the claim does not expire
TEMPLATES = EmailTemplates("tallystick.destinations")


class EmailKind(DestinationKind[Email]):
    """Email addresses. `outside` are those that belonged to no member when they were given."""

    name = "email"
    label = "Email"
    by_email = True
    fields = (
        SettingField(
            "to", "Addresses", "a list of addresses; those of non-members wait for an owner's approval", is_list=True
        ),
    )

    def check(self, request: SettingsCheck, settings: Mapping[str, Any]) -> CheckedSettings:
        addresses = _check_addresses(settings.get("to"))
        members = member_addresses(request.connection, request.scope.org_id)
        outside = [address for address in addresses if address not in members]
        return CheckedSettings({"to": addresses, "outside": outside}, DestinationSecrets())

    def outside(self, checked: CheckedSettings) -> Set[str]:
        return set(checked.shown["outside"])

    def describe(self, settings: Mapping[str, Any]) -> str:
        return ", ".join(settings["to"])

    def write(self, message: Message) -> Email:
        return alert_email(message)

    def send(self, target: DeliveryTarget, message: Message, content: Email) -> DeliveryResult:
        server = target.context.mail_server
        if server is None:
            return DeliveryResult("Email is not configured. An operator can set TALLYSTICK_SMTP_URL.")
        with target.database.read() as connection:
            allowed = member_addresses(connection, target.org_id) | set(target.settings.get("outside", ()))
        wanted = target.settings["to"] if target.remaining is None else target.remaining
        addresses = [address for address in wanted if address in allowed]
        if not addresses:
            return DeliveryResult("None of its addresses belongs to a member any more.", permanent=True)
        problem, permanent, unreachable, remaining = "", True, False, []
        ends_at = time.monotonic() + SENDING_SECONDS
        for place, address in enumerate(addresses):
            if time.monotonic() > ends_at:
                problem, permanent = "The mail server timed out before all recipients were served.", False
                remaining += addresses[place:]
                break
            try:
                _send_one(server, address, content, message, target.at)
            except (InvalidEmail, EmailNotSent) as error:
                problem = str(error)
                permanent = permanent and (isinstance(error, InvalidEmail) or error.permanent)
                remaining.append(address)
                if isinstance(error, EmailNotSent) and error.unreachable:
                    unreachable = True
                    remaining += addresses[place + 1 :]
                    break
        return DeliveryResult(
            problem, permanent=bool(problem) and permanent, unreachable=unreachable, remaining=tuple(remaining)
        )


def alert_email(message: Message) -> Email:
    """The message as an email: its facts in a column, then the sentence and the links."""
    width = max((len(display_line(label)) for label, _ in message.facts), default=0) + 5
    email = TEMPLATES.render("alert", message=message, width=width)
    return replace(email, plain_subject=message.plain_title)


def _send_one(server: MailServer, address: str, email: Email, message: Message, at: int) -> None:
    """Sends the email; without the text of the events where the mail server refuses it, such as for a word in it.

    Raises EmailNotSent, InvalidEmail.
    """
    # The same in every attempt at this address, so that a repeated message is recognised.
    unique = f"{message.id}.{sha256(address.encode()).hexdigest()[:16]}"
    try:
        send_email(server, address, write_email(server.sender, address, email, at=at, message_id=unique))
    except EmailNotSent as error:
        if not error.refused:
            raise
        email = _bare_email(message)
        send_email(server, address, write_email(server.sender, address, email, at=at, message_id=unique))


def _bare_email(message: Message) -> Email:
    links = "".join(f"{display_line(label)}: {display_line(url)}\n" for label, url in message.links)
    text = f"The mail server refused the full message.\n\n{links}"
    return Email(message.plain_title, text, f"<pre>{escape(text)}</pre>\n")


def _check_addresses(given: object) -> list[str]:
    if (
        not isinstance(given, list)
        or not 1 <= len(given) <= MAX_RECIPIENTS
        or not all(isinstance(one, str) for one in given)
    ):
        raise invalid_settings(f"to must be a list of 1 to {MAX_RECIPIENTS} email addresses.")
    try:
        return list(dict.fromkeys(names.email(text) for text in given))
    except BadRequest as problem:
        raise invalid_settings(problem.detail) from None
