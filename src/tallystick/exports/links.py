"""Links by which a file is taken without a session, over at a time."""

import struct
from uuid import UUID

from tallystick.access import signed_links
from tallystick.clock import SECOND_US
from tallystick.errors import NotFound

_PURPOSE = b"tallystick/export-link/v1\0"
_FORM = struct.Struct(">16s16sQ")


def signed(secret: str, org_id: UUID, export_id: UUID, until: int) -> str:
    """What stands in a link to the export, good until then (microseconds, to the second)."""
    return signed_links.sealed(secret, _PURPOSE, _FORM.pack(org_id.bytes, export_id.bytes, until // SECOND_US))


def opened(secret: str, text: str, *, now: int) -> tuple[UUID, UUID]:
    """Organization and export that a link leads to. NotFound: `no_link` for one not made here, `link_over`."""
    said = signed_links.unsealed(secret, _PURPOSE, text)
    if said is None:
        raise NotFound("There is no such link. Was it copied whole?", code="no_link")
    org_id, export_id, until = _FORM.unpack(said)
    if until * SECOND_US <= now:
        raise NotFound("This link is over. Ask whoever sent it for another.", code="link_over")
    return UUID(bytes=org_id), UUID(bytes=export_id)
