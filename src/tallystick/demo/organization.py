"""Creates the demo organization with its owner and API key once, and keeps its state in the data directory."""

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
from tallystick.demo.people import MAYA
from tallystick.errors import Conflict, NotFound
from tallystick.ledger import log

SLUG, NAME, PLAN, RETENTION_DAYS = "acme", "Acme", "enterprise", 3650
KEY_NAME = "Acme platform"
STATE_FILE = "demo.json"
LETTERS = "abcdefghjkmnpqrstuvwxyz"  # none that looks like another


class Acme(msgspec.Struct, frozen=True):
    """The state between starts: credentials, the time up to which events were loaded (µs since 1970 UTC), `count`."""

    org_id: UUID
    email: str
    password: str
    api_key: str
    loaded_through: int | None = None
    count: int = 0
    rules_enabled: bool = msgspec.field(name="watched", default=True)  # the name in the file


def save_state(acme: Acme, data_dir: Path) -> None:
    """Saves the state for the next start, atomically and readable only by this user."""
    path = data_dir / STATE_FILE
    aside = path.with_suffix(".new")
    aside.touch(mode=0o600)
    aside.write_bytes(msgspec.json.format(msgspec.json.encode(acme)))
    aside.replace(path)


def ensure_acme(
    database: Database, data_dir: Path, now: int, *, prepare: Callable[[Connection, UUID], object] | None = None
) -> Acme:
    """The demo organization; created if it does not exist, with `prepare` called in the same transaction.

    `now` is in µs since 1970 UTC. Raises Conflict if an organization `acme` exists that the demo did not create.
    """
    with database.read() as connection:
        try:
            org_id = organizations.by_slug(connection, SLUG).org_id
        except NotFound:
            org_id = None
    if org_id is None:
        return _create(database, data_dir, now, prepare)
    state = _saved_state(data_dir / STATE_FILE)
    if state is None or state.org_id != org_id:
        raise Conflict(
            f"{data_dir} has an organization {SLUG!r} that is not the demo's. "
            "Set another TALLYSTICK_DATA_DIR for the demo."
        )
    return state


def _create(database: Database, data_dir: Path, now: int, prepare: Callable[[Connection, UUID], object] | None) -> Acme:
    password = "-".join("".join(secrets.choice(LETTERS) for _ in range(5)) for _ in range(3))
    password_hash = hash_password(password)
    with database.write() as connection:
        organization = organizations.create(connection, SLUG, NAME, PLAN, RETENTION_DAYS, now=now)
        log.create(connection, organization.org_id, now=now)
        scope = operator_scope(organization.org_id)
        people.create(connection, scope, MAYA.email, "owner", password_hash, now=now, name=MAYA.name)
        if prepare is not None:
            prepare(connection, organization.org_id)
        api_key = keys.create_key(connection, scope, KEY_NAME, PERMISSIONS, now=now)
        acme = Acme(organization.org_id, MAYA.email, password, str(api_key), rules_enabled=False)
        save_state(acme, data_dir)
    return acme


def _saved_state(path: Path) -> Acme | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Acme)
    except (OSError, msgspec.MsgspecError):
        return None
