"""One file on its way to one recipient: a mail with the file or with a link to it, or a file in a directory."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from hashlib import sha256
from pathlib import Path
from typing import Literal
from uuid import UUID

from tallystick import ids
from tallystick.clock import exact_time
from tallystick.destinations.file_storage import FileStorage
from tallystick.destinations.smtp import Email, EmailNotSent, MailServer, compose, send_content, to_bytes
from tallystick.exports import links
from tallystick.exports.links import file_name
from tallystick.exports.request import KINDS, Export
from tallystick.exports.words import describe_filter
from tallystick.schedules import unsubscribe
from tallystick.schedules.schedule import Schedule
from tallystick.work.calendar import MOST_PERIODS

MOST_ATTACHED = 10_000_000  # bytes of a whole mail: few servers take more than twice that
HEADROOM = 20_000
DeliveryMethod = Literal["attached", "link", "stored"]


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A finished file, and what is said of it. `period` are its first and last day, or empty."""

    schedule: Schedule
    run_id: UUID
    export: Export
    path: Path
    organization: str
    period: str
    left_out: bool


@dataclass(frozen=True, slots=True)
class ExportMailer:
    """How mail leaves, and where its links lead."""

    relay: MailServer
    secret: str
    public_url: str

    def send(self, parcel: ExportFile, address: str, now: int) -> DeliveryMethod:
        """Hand a mail over; EmailNotSent, InvalidEmail. The same file sent again has the same Message-ID."""
        ways: list[DeliveryMethod] = []

        def write(most: int) -> bytes:
            limit = min(most or MOST_ATTACHED, MOST_ATTACHED)
            if (parcel.export.bytes or 0) * 1.4 + HEADROOM <= limit:
                content = to_bytes(self._message(parcel, address, now, attached=True))
                if len(content) <= limit:
                    ways.append("attached")
                    return content
            return link(most)

        def link(_most: int) -> bytes:
            ways.append("link")
            return to_bytes(self._message(parcel, address, now, attached=False))

        self._hand_over(address, write, link)
        return ways[-1]

    def _hand_over(self, address: str, write: Callable[[int], bytes], smaller: Callable[[int], bytes]) -> None:
        try:
            asyncio.run(send_content(self.relay, address, write))
        except EmailNotSent as problem:
            if not problem.too_large:
                raise
            asyncio.run(send_content(self.relay, address, smaller))

    def _message(self, parcel: ExportFile, address: str, now: int, *, attached: bool) -> EmailMessage:
        token = unsubscribe.sign_token(self.secret, parcel.schedule.org_id, parcel.schedule.schedule_id, address)
        address_of_link = f"{self.public_url.rstrip('/')}/unsubscribe/{token}"
        letter = export_email(parcel, address_of_link, None if attached else self._link(parcel))
        # With the export: a file that had to be made again is another content, thus another mail.
        about = parcel.export.export_id.bytes + address.encode()
        unique = f"{parcel.run_id.hex}.{sha256(about).hexdigest()[:16]}"
        message = compose(self.relay, address, letter.subject, letter.text, letter.html, at=now, message_id=unique)
        message["List-Unsubscribe"] = f"<{address_of_link}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
        if attached:
            main, _, sub = KINDS[parcel.export.format].media_type.partition(";")[0].partition("/")
            message.add_attachment(
                parcel.path.read_bytes(), maintype=main, subtype=sub, filename=file_name(parcel.export),
                params={"charset": "utf-8"} if main == "text" else None,
            )  # fmt: skip
        return message

    def _link(self, parcel: ExportFile) -> str:
        until = parcel.export.expires_at or 0
        token = links.make_link(self.secret, parcel.export.org_id, parcel.export.export_id, until)
        return f"{self.public_url.rstrip('/')}/v1/export-links/{token}"


def store_file(place: FileStorage, parcel: ExportFile) -> DeliveryMethod:
    """Put the file into the operator's directory or bucket; TargetError. Put again it replaces itself."""
    folder = f"{ids.encode('org', parcel.schedule.org_id.bytes)}/{parcel.schedule.shown_id}"
    with parcel.path.open("rb") as file:
        place.put(f"{folder}/{file_name(parcel.export)}", file)
    return "stored"


def export_email(parcel: ExportFile, unsubscribe: str, link: str | None) -> Email:
    """What the recipient reads."""
    schedule, export = parcel.schedule, parcel.export
    rows = f"{export.rows or 0:,} event{'' if export.rows == 1 else 's'}"
    organization = " ".join(parcel.organization.split())
    zone = schedule.calendar.zone
    kind = KINDS[export.format].words
    size = f"{export.bytes or 0:,} bytes"
    paragraphs = [
        f"The scheduled export “{schedule.name}” contains {rows} from the audit log of {organization}.",
        f"Filter: {describe_filter(schedule.filter)}",
        f"Period: {_period(parcel)}",
        f"Times in the file are in UTC. Schedule: {schedule.calendar.words}.",
        f"File: {file_name(export)}, {kind}, {size}, SHA-256 {export.sha256}",
    ]
    if export.format == "pdf":
        paragraphs[3] = f"Time zone: {schedule.calendar.zone_name}. Schedule: {schedule.calendar.words}."
    if parcel.left_out:
        paragraphs.append(f"More than {MOST_PERIODS} periods were not delivered in time. Earlier ones are skipped.")
    if schedule.role == "member":
        paragraphs.append(f"It holds what {schedule.by.email} did, which is what {schedule.by.email} may see.")
    if link is None:
        paragraphs.append("The file is attached.")
    else:
        until = exact_time(export.expires_at or 0, zone)[:16]
        paragraphs.append(
            f"The file is too large to attach. Anyone with this link can download it until {until} "
            f"({schedule.calendar.zone_name})."
        )
    subject = f"{schedule.name}: {rows} of {organization[:80]}"
    download = None if link is None else ("Download the file", link)
    return Email(subject, tuple(paragraphs), download, ("Unsubscribe", unsubscribe))


def _period(parcel: ExportFile) -> str:
    zone = parcel.schedule.calendar.zone_name
    if parcel.period:
        first, last = parcel.period.split()
        return f"{first} to {last} ({zone})" if first != last else f"{first} ({zone})"
    begin, end = parcel.export.first, parcel.export.position
    if end <= begin:
        return "no events since the last file"
    return f"events recorded since the last file, including late ones: log index {begin:,} to {end - 1:,}"
