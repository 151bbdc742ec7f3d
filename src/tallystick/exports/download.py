"""The name and the headers of a downloaded file."""

from base64 import b64encode

from tallystick.clock import from_us
from tallystick.exports.request import KINDS, Export


def file_name(one: Export) -> str:
    """The file name of a download, such as `audit-log-2026-11-23-exp_….csv`.

    It says so if the file lacks missing or lost events: CSV has no place for that in the file itself.
    """
    name = f"audit-log-{from_us(one.asked_at):%Y-%m-%d}-{one.public_id}"
    incomplete = "-incomplete" if one.missing or one.lost else ""
    return f"{name}{incomplete}.{KINDS[one.format].suffix}"


def file_headers(one: Export) -> dict[str, str]:
    """The headers of a download: its name (RFC 6266) and digest (RFC 9530)."""
    return {
        "Content-Disposition": f'attachment; filename="{file_name(one)}"',
        "Repr-Digest": f"sha-256=:{b64encode(bytes.fromhex(one.sha256)).decode()}:",
    }
