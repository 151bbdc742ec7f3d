"""Signed links that download a file without a session until they expire; and the headers of a downloaded file."""

import struct
from base64 import b64encode
from uuid import UUID

from tallystick.access.secret import open_link, sign_link
from tallystick.clock import SECOND_US, from_us
from tallystick.errors import NotFound
from tallystick.exports.request import KINDS, Export

_PURPOSE = b"tallystick/export-link/v1\0"
_PAYLOAD = struct.Struct(">16s16sQ")


def make_link(secret: str, org_id: UUID, export_id: UUID, until: int) -> str:
    """The token of a link to an export, valid until `until` (µs since 1970, rounded down to a second)."""
    return sign_link(secret, _PURPOSE, _PAYLOAD.pack(org_id.bytes, export_id.bytes, until // SECOND_US))


def read_link(secret: str, text: str, *, now: int) -> tuple[UUID, UUID]:
    """The organization and export of a link's token. NotFound: `no_link` if invalid, `link_over` if expired."""
    said = open_link(secret, _PURPOSE, text)
    if said is None:
        raise NotFound("This link is not valid. Check that it was copied completely.", code="no_link")
    org_id, export_id, until = _PAYLOAD.unpack(said)
    if until * SECOND_US <= now:
        raise NotFound("This link has expired. Ask the sender for a new one.", code="link_over")
    return UUID(bytes=org_id), UUID(bytes=export_id)


def file_name(one: Export) -> str:
    """The file name of a download, such as `audit-log-2026-11-23-exp_….csv`."""
    return f"audit-log-{from_us(one.asked_at):%Y-%m-%d}-{one.public_id}.{KINDS[one.format].suffix}"


def file_headers(one: Export) -> dict[str, str]:
    """The headers of a download: its name (RFC 6266) and digest (RFC 9530)."""
    return {
        "Content-Disposition": f'attachment; filename="{file_name(one)}"',
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(one.sha256)).decode()}:",
    }
