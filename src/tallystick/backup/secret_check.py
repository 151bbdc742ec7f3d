"""Whether the secret key that is there decrypts the secrets that a restore brings back."""

from pathlib import Path

from tallystick.access.secret import DecryptionFailed, SecretBox
from tallystick.backup import control_database
from tallystick.backup.manifest import BackupManifest
from tallystick.backup.secret_rotation import SEALED_COLUMNS
from tallystick.errors import Conflict
from tallystick.secret_keys import KEPT_FILE, PREVIOUS_FILE
from tallystick.settings import Settings


def check_secret(
    settings: Settings, directory: Path, manifest: BackupManifest, later: tuple[Path, BackupManifest] | None
) -> None:
    """Raise Conflict unless the settings' keys decrypt the stored secrets that come back: the `later` ones, if any."""
    root, last = later or (directory, manifest)
    if _decrypts(settings, root, last):
        return
    if later is not None and _decrypts(settings, directory, manifest):
        raise Conflict(
            f"The secret key was rotated between {manifest.taken_at} and {last.taken_at}, and only the key of before "
            f"is there. Provide the one that the rotation made: {settings.data_dir / KEPT_FILE}, or "
            "TALLYSTICK_SECRET_KEY. If it is lost, restore a moment before the rotation with --at."
        )
    raise Conflict(
        f"The stored secrets of {last.taken_at} were encrypted with another secret key, which backups do not contain. "
        f"Provide the one that the original server had then: {settings.data_dir / KEPT_FILE}, or "
        "TALLYSTICK_SECRET_KEY; if it was rotated since, as the previous one: "
        f"{settings.data_dir / PREVIOUS_FILE}, or TALLYSTICK_SECRET_KEY_OLD. If it is lost, restore with "
        "--without-key; nothing can be signed after that."
    )


def _decrypts(settings: Settings, directory: Path, manifest: BackupManifest) -> bool:
    for column in SEALED_COLUMNS:
        table, box, place = column.table, SecretBox(settings.secret_keys, column), column.info["sealing"].place
        for row in control_database.rows_of(directory, manifest, table.name):
            values = {name: control_database.decode(row[name], table.columns[name]) for name in (*place, column.name)}
            try:
                box.open(values.pop(column.name), *values.values())
            except DecryptionFailed:
                return False
    return True
