"""What goes with a file that is taken: its name, its size, its hash."""

from base64 import b64encode

from tallystick.clock import from_us
from tallystick.exports.kinds import KINDS
from tallystick.exports.request import Export


def name_of(one: Export) -> str:
    """`audit-log-2026-11-23-exp_….csv`."""
    return f"audit-log-{from_us(one.asked_at):%Y-%m-%d}-{one.shown_id}.{KINDS[one.format].suffix}"


def headers_of(one: Export) -> dict[str, str]:
    """Of every answer that is the file (RFC 6266, RFC 9530)."""
    return {
        "Content-Disposition": f'attachment; filename="{name_of(one)}"',
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(one.sha256)).decode()}:",
    }
