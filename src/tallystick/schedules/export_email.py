"""The email that delivers an export file, attached or as a link, and the file in the operator's storage."""

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Literal
from uuid import UUID

from tallystick import ids
from tallystick.clock import exact_time
from tallystick.destinations.email_templates import Email, EmailTemplates
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.mime import Attachment, InvalidEmail, write_email
from tallystick.destinations.smtp import EmailNotSent, MailServer, send_email
from tallystick.exports.download import file_name
from tallystick.exports.request import KINDS, Export
from tallystick.exports.words import describe_filter
from tallystick.schedules import unsubscribe
from tallystick.schedules.schedule import Schedule
from tallystick.secret_keys import SecretKeys
from tallystick.work.calendar import MOST_PERIODS

MAX_ATTACHED = 10_000_000  # bytes of the whole email: few servers accept more than twice that
BASE64_GROWTH = 1.4
HEADROOM = 20_000  # bytes for text and headers
TEMPLATES = EmailTemplates("tallystick.schedules")
DeliveryMethod = Literal["attached", "link", "stored"]


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A finished file of a run. `period` holds its first and last day, or is empty.

    `left_out`: periods before this one are not delivered, since too many were missed.
    """

    schedule: Schedule
    run_id: UUID
    export: Export
    path: Path
    organization: str
    period: str
    left_out: bool


@dataclass(frozen=True, slots=True)
class ExportMailer:
    """Sends export files by email; `keys` sign the links to unsubscribe. All links begin with `public_url`."""

    mail_server: MailServer
    keys: SecretKeys
    public_url: str

    def send(self, file: ExportFile, address: str, now: int, file_link: Callable[[], str]) -> DeliveryMethod:
        """Sends one email: with the file if the server accepts it, otherwise with a link to it,
        whose token `file_link` makes.

        The same file sent again has the same Message-ID. Raises EmailNotSent, InvalidEmail, OSError.
        """
        if (file.export.bytes or 0) * BASE64_GROWTH + HEADROOM <= MAX_ATTACHED:
            media_type = KINDS[file.export.format].media_type.partition(";")[0]
            attachment = Attachment(file_name(file.export), media_type, file.path.read_bytes())
            try:
                send_email(self.mail_server, address, self._write(file, address, now, attachment=attachment))
            except (InvalidEmail, EmailNotSent) as error:
                if isinstance(error, EmailNotSent) and not error.refused:
                    raise
            else:
                return "attached"
        link = f"{self._base}/v1/export-links/{file_link()}"
        send_email(self.mail_server, address, self._write(file, address, now, link=link))
        return "link"

    def _write(
        self, file: ExportFile, address: str, now: int, *, attachment: Attachment | None = None, link: str | None = None
    ) -> bytes:
        token = unsubscribe.sign_token(self.keys, file.schedule.org_id, file.schedule.schedule_id, address)
        unsubscribe_url = f"{self._base}/unsubscribe/{token}"
        # Of the export as well: a file that was made again is different content, thus a different message.
        content = file.export.export_id.bytes + address.encode()
        return write_email(
            self.mail_server.sender,
            address,
            export_email(file, unsubscribe_url, link),
            at=now,
            message_id=f"{file.run_id.hex}.{sha256(content).hexdigest()[:16]}",
            headers={
                "List-Unsubscribe": f"<{unsubscribe_url}>",
                "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
            },
            attachment=attachment,
        )

    @property
    def _base(self) -> str:
        return self.public_url.rstrip("/")


def store_file(storage: FileStorage, file: ExportFile) -> DeliveryMethod:
    """Puts the file into the operator's directory or bucket; stored again, it replaces itself. Raises TargetError."""
    folder = f"{ids.encode('org', file.schedule.org_id.bytes)}/{file.schedule.public_id}"
    with file.path.open("rb") as content:
        storage.put(f"{folder}/{file_name(file.export)}", content)
    return "stored"


def export_email(file: ExportFile, unsubscribe_url: str, link: str | None) -> Email:
    """Subject and body; `link` leads to the file when it is not attached."""
    schedule, export = file.schedule, file.export
    return TEMPLATES.render(
        "export",
        schedule=schedule,
        events=f"{export.rows or 0:,} event{'' if export.rows == 1 else 's'}",
        organization=" ".join(file.organization.split()),
        filter=describe_filter(schedule.filter),
        period=_period(file),
        is_pdf=export.format == "pdf",
        file_name=file_name(export),
        file_kind=KINDS[export.format].words,
        file_size=f"{export.bytes or 0:,} bytes",
        sha256=export.sha256,
        left_out=file.left_out,
        most_periods=MOST_PERIODS,
        link=link,
        until=exact_time(export.expires_at or 0, schedule.calendar.zone)[:16],
        unsubscribe=unsubscribe_url,
    )


def _period(file: ExportFile) -> str:
    zone = file.schedule.calendar.zone_name
    if file.period:
        first, last = file.period.split()
        return f"{first} to {last} ({zone})" if first != last else f"{first} ({zone})"
    begin, end = file.export.first, file.export.position
    if end <= begin:
        return "no events since the last file"
    return f"events recorded since the last file, including late ones: log index {begin:,} to {end - 1:,}"
