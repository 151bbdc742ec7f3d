"""Encrypts the stored secrets anew after a change of the secret key, and counts which key decrypts them."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

import structlog
from sqlalchemy import Column, Connection, RowMapping, select, update

from tallystick.access.secret import DecryptionFailed, SecretBox
from tallystick.access.tables import organizations
from tallystick.destinations.tables import destinations
from tallystick.ledger.tables import signing_keys
from tallystick.secret_keys import SecretKeys

# Every column of stored secrets; a test compares them with those that `sealed_column` declares.
SEALED_COLUMNS: tuple[Column[Any], ...] = (signing_keys.c.sealed, destinations.c.sealed)
logger = structlog.get_logger(__name__)
CURRENT, PREVIOUS, LOST = "current", "previous", "lost"


def count_sealed(connection: Connection, keys: SecretKeys) -> Counter[str]:
    """The numbers of stored secrets of the `current` key, of a `previous` one, and of none (`lost`)."""
    return Counter(state for _, _, state, _ in _sealed(connection, keys, lock=False))


def warn_of_lost(connection: Connection, keys: SecretKeys) -> None:
    """Log that there are stored secrets that none of the keys decrypts."""
    if lost := count_sealed(connection, keys)[LOST]:
        logger.error("secrets_not_decrypted", secrets=lost, advice="See tallystick doctor.")


def lost_secrets(connection: Connection, keys: SecretKeys) -> list[str]:
    """For each organization with secrets that no key decrypts a line that says which: signing keys, destinations."""
    found: dict[str, dict[str, int]] = {}
    for column, row, state, _ in _sealed(connection, keys, lock=False):
        if state == LOST:
            slug = select(organizations.c.slug).where(organizations.c.org_id == row["org_id"])
            name = connection.execute(slug).scalar() or str(row["org_id"])
            kinds = found.setdefault(name, {})
            kinds[column.table.name] = kinds.get(column.table.name, 0) + 1
    return [
        f"{slug}: {', '.join(f'{number:,} {kind.replace(chr(95), chr(32))}' for kind, number in sorted(kinds.items()))}"
        for slug, kinds in sorted(found.items())
    ]


def reseal(connection: Connection, keys: SecretKeys) -> Counter[str]:
    """Encrypt with the current key what a previous one decrypts, in the caller's transaction; lost secrets stay.

    The rows are locked, so that a change that a server makes meanwhile is neither lost nor overwritten. Returns the
    numbers as they were before.
    """
    counts: Counter[str] = Counter()
    for column, row, state, resealed in _sealed(connection, keys, lock=True):
        counts[state] += 1
        if state == PREVIOUS:
            this = [key == row[key.name] for key in column.table.primary_key.columns]
            connection.execute(update(column.table).where(*this).values({column: resealed}))
    return counts


def _sealed(
    connection: Connection, keys: SecretKeys, *, lock: bool
) -> Iterator[tuple[Column[Any], RowMapping, str, bytes]]:
    """Each stored secret: its column, its row, which key decrypts it, and how the current key encrypts it."""
    for column in SEALED_COLUMNS:
        box, place = SecretBox(keys, column), column.info["sealing"].place
        rows = select(column.table).with_for_update() if lock else select(column.table)
        for row in connection.execute(rows).mappings().all():
            where = [row[name] for name in place]
            try:
                plain, is_current = box.open_with(row[column.name], *where)
            except DecryptionFailed:
                yield column, row, LOST, b""
                continue
            yield column, row, CURRENT if is_current else PREVIOUS, box.seal(plain, *where)
