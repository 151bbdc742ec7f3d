"""The secret key of an installation and its previous one, and the files of the data directory that keep them.

A rotation writes the present key into `secret.key.old`, then a new one into `secret.key`, each completely or not at
all, and only then encrypts the stored secrets anew. So after a crash at any point, every stored secret can be decrypted
with one of the two.
"""

import hmac
import os
import secrets
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from tallystick.durable import replace_file, sync_file, sync_folder
from tallystick.setting_values import SECRET_LENGTH

KEPT_FILE = "secret.key"
PREVIOUS_FILE = "secret.key.old"
KEY_BYTES = 32  # of a new key, which is written as twice as many characters


@dataclass(frozen=True, slots=True)
class SecretKeys:
    """The secret key, which encrypts and signs, and previous ones, which only decrypt and verify. The `repr` has none.

    `is_kept`: in the data directory, not in the settings.
    """

    current: str = field(repr=False)
    previous: tuple[str, ...] = field(default=(), repr=False)
    is_kept: bool = False

    @property
    def every(self) -> tuple[str, ...]:
        """The current key, then the previous ones."""
        return (self.current, *self.previous)


def read_or_create_key(data_dir: Path, *, make: bool) -> str:
    """The key that the data directory keeps, created at the first call; two processes get the same one.

    Without `make`, empty if there is none. Raises OSError, ValueError if the file holds no key.
    """
    kept = data_dir / KEPT_FILE
    if not make and not kept.exists():
        return ""
    data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not kept.exists():
        _create_key(kept)
    return _read_key(kept)


def holds_secrets(database_file: Path) -> bool:
    """Whether a SQLite file has encrypted values, which a new key would not decrypt; True if it cannot be read."""
    if not database_file.exists() or database_file.stat().st_size == 0:
        return False
    sealed = "SELECT m.name FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table' AND c.name = ?"
    try:
        with closing(sqlite3.connect(f"{database_file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            tables = [name for (name,) in connection.execute(sealed, ("sealed",)).fetchall()]
            return any(connection.execute(f'SELECT 1 FROM "{name}" LIMIT 1').fetchone() for name in tables)  # noqa: S608
    except sqlite3.Error:
        return True


def read_previous_key(data_dir: Path) -> str:
    """The key that a rotation replaced; empty if there is no such file. Raises as `read_or_create_key`."""
    kept = data_dir / PREVIOUS_FILE
    return _read_key(kept) if kept.exists() else ""


def replace_key(data_dir: Path, current: str) -> str:
    """Keep the current key as the previous one, and a new one as the current; returns the new one. Raises OSError."""
    created = secrets.token_hex(KEY_BYTES)
    for name, key in ((PREVIOUS_FILE, current), (KEPT_FILE, created)):
        with replace_file(data_dir / name, data_dir / f"{name}.new") as file:
            file.write(f"{key}\n".encode("ascii"))
    return created


def key_mark(key: str) -> str:
    """Text that is the same for the same key and tells nothing about it."""
    return hmac.digest(key.encode(), b"tallystick key mark", "sha256").hex()[:16]


def _read_key(kept: Path) -> str:
    key = kept.read_text(encoding="utf-8", errors="replace").strip()
    # From an empty key, anybody can derive every other one.
    if len(key) < SECRET_LENGTH:
        raise ValueError(f"{kept} holds no secret key of at least {SECRET_LENGTH} characters.")
    return key


def _create_key(kept: Path) -> None:
    """Whole or not at all, and never over another process's: written aside, then linked to its name."""
    aside = kept.with_name(f"{KEPT_FILE}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(secrets.token_hex(KEY_BYTES) + "\n")
            sync_file(file)
        os.link(aside, kept)
        sync_folder(kept.parent)  # before anything is encrypted with it
    except FileExistsError:
        return
    finally:
        aside.unlink()
