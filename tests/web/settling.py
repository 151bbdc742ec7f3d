"""Organizations and their people, made beside a running server."""

from collections.abc import Mapping
from pathlib import Path

from tallystick.access import keys, organizations, passwords, people
from tallystick.access.scopes import operator_scope
from tallystick.clock import now_us
from tallystick.data_access.setting import set_view_recording
from tallystick.database.engine import Database
from tallystick.ledger import log
from tests.fixtures.quiet import without_rules

PASSWORD = "correct horse battery staple"
DAYS = 36_500


def settle(data_dir: Path, slug: str, name: str, roles: Mapping[str, str]) -> str:
    """Make an organization with people, by address, all with the same password; gives an API key.

    The same as the operator's commands do, in this process: starting them takes seconds.
    """
    (place,) = data_dir.glob("*.db")
    database = Database(f"sqlite:///{place}", pool_size=1)
    kept = passwords.hash_password(PASSWORD)
    now = now_us()
    with database.write() as connection:
        made = organizations.create(connection, slug, name, "enterprise", DAYS, now=now)
        log.create(connection, made.org_id, now=now)
        without_rules(connection, made.org_id, now)
        scope = operator_scope(made.org_id)
        for email, role in roles.items():
            people.create(connection, scope, email, role, kept, now=now)
        key = keys.create_key(connection, scope, "test", ["events:read", "events:write"], now=now)
    database.close()
    return str(key)


def record_views(data_dir: Path, slug: str, choice: str) -> None:
    """Set how much of what people look at is recorded: such events hold what was searched for, and are found by it."""
    (place,) = data_dir.glob("*.db")
    database = Database(f"sqlite:///{place}", pool_size=1)
    with database.write() as connection:
        scope = operator_scope(organizations.by_slug(connection, slug).org_id)
        set_view_recording(connection, scope, choice, now=now_us())
    database.close()
