"""The demo's organization, its owner and its API key: made once, and remembered beside the database."""

import secrets
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import msgspec
from sqlalchemy import Connection

from tallystick.access import keys, organizations, people
from tallystick.access.passwords import hash_password
from tallystick.access.scopes import PERMISSIONS, operator_scope
from tallystick.database.engine import Database
from tallystick.demo.cast import MAYA
from tallystick.errors import Conflict, NotFound
from tallystick.ledger import log

SLUG, NAME, PLAN, RETENTION_DAYS = "acme", "Acme", "enterprise", 3650
KEY_NAME = "Acme platform"
REMEMBERED = "demo.json"
LETTERS = "abcdefghjkmnpqrstuvwxyz"  # none that looks like another


class Acme(msgspec.Struct, frozen=True):
    """What a start has to know of the one before; `loaded_through` in µs since 1970 UTC, `count` as asked for then."""

    org_id: UUID
    email: str
    password: str
    api_key: str
    loaded_through: int | None = None
    count: int = 0
    watched: bool = True  # whether its rules were begun


def keep(acme: Acme, data_dir: Path) -> None:
    """Remember this for the next start; readable by this user alone, whole or not at all."""
    path = data_dir / REMEMBERED
    aside = path.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(acme)))
    aside.replace(path)


def ensure_acme(
    database: Database, data_dir: Path, now: int, *, furnish: Callable[[Connection, UUID], object] | None = None
) -> Acme:
    """The demo organization as it is, or made now (`now` in µs), and furnished in the same transaction.

    Raises Conflict when there is an organization `acme` that the demo did not make: it is left alone.
    """
    with database.read() as connection:
        try:
            there = organizations.by_slug(connection, SLUG).org_id
        except NotFound:
            there = None
    if there is None:
        return _made(database, data_dir, now, furnish)
    known = _remembered(data_dir / REMEMBERED)
    if known is None or known.org_id != there:
        raise Conflict(
            f"{data_dir} has an organization {SLUG!r} that is not the demo's. "
            "Set another TALLYSTICK_DATA_DIR for the demo."
        )
    return known


def _made(database: Database, data_dir: Path, now: int, furnish: Callable[[Connection, UUID], object] | None) -> Acme:
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(3))
    kept = hash_password(password)
    with database.write() as connection:
        made = organizations.create(connection, SLUG, NAME, PLAN, RETENTION_DAYS, now=now)
        log.create(connection, made.org_id, now=now)
        scope = operator_scope(made.org_id)
        people.create(connection, scope, MAYA.email, "owner", kept, now=now, name=MAYA.name)
        if furnish is not None:
            furnish(connection, made.org_id)
        api_key = keys.create_key(connection, scope, KEY_NAME, PERMISSIONS, now=now)
        acme = Acme(made.org_id, MAYA.email, password, str(api_key), watched=False)
        keep(acme, data_dir)
    return acme


def _remembered(path: Path) -> Acme | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Acme)
    except (OSError, msgspec.MsgspecError):
        return None
