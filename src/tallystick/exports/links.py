"""Links by which a file is taken without a session, over at a time."""

import struct
from base64 import b64encode
from uuid import UUID

from tallystick.access.secret import open_link, sign_link
from tallystick.clock import SECOND_US, from_us
from tallystick.errors import NotFound
from tallystick.exports.request import KINDS, Export

_PURPOSE = b"tallystick/export-link/v1\0"
_FORM = struct.Struct(">16s16sQ")


def signed(secret: str, org_id: UUID, export_id: UUID, until: int) -> str:
    """What stands in a link to the export, good until then (microseconds, to the second)."""
    return sign_link(secret, _PURPOSE, _FORM.pack(org_id.bytes, export_id.bytes, until // SECOND_US))


def opened(secret: str, text: str, *, now: int) -> tuple[UUID, UUID]:
    """Organization and export that a link leads to. NotFound: `no_link` for one not made here, `link_over`."""
    said = open_link(secret, _PURPOSE, text)
    if said is None:
        raise NotFound("This link is not valid. Check that it was copied completely.", code="no_link")
    org_id, export_id, until = _FORM.unpack(said)
    if until * SECOND_US <= now:
        raise NotFound("This link has expired. Ask the sender for a new one.", code="link_over")
    return UUID(bytes=org_id), UUID(bytes=export_id)


def name_of(one: Export) -> str:
    """`audit-log-2026-11-23-exp_….csv`."""
    return f"audit-log-{from_us(one.asked_at):%Y-%m-%d}-{one.shown_id}.{KINDS[one.format].suffix}"


def headers_of(one: Export) -> dict[str, str]:
    """Of every answer that is the file (RFC 6266, RFC 9530)."""
    return {
        "Content-Disposition": f'attachment; filename="{name_of(one)}"',
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(one.sha256)).decode()}:",
    }
