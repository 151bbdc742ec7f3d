"""The demo organization: made once, remembered, never taken for another."""

import stat
from pathlib import Path

import pytest

from tallystick.access import organizations
from tallystick.database.engine import Database
from tallystick.demo.organization import STATE_FILE, ensure_acme
from tallystick.errors import Conflict
from tallystick.ledger import log

NOW_US = 1_741_944_413_000_000


def test_it_is_of_the_plan_enterprise_and_keeps_ten_years(sqlite_database: Database, tmp_path: Path) -> None:
    acme = ensure_acme(sqlite_database, tmp_path, NOW_US)
    with sqlite_database.read() as connection:
        made = organizations.by_slug(connection, "acme")
        assert (made.org_id, made.name, made.plan, made.retention_days) == (acme.org_id, "Acme", "enterprise", 3650)
        assert log.read(connection, made.org_id).size == 0


def test_a_second_start_knows_the_first_ones_password_and_key(sqlite_database: Database, tmp_path: Path) -> None:
    assert ensure_acme(sqlite_database, tmp_path, NOW_US) == ensure_acme(sqlite_database, tmp_path, NOW_US + 1)


def test_what_it_remembers_is_readable_by_its_user_alone(sqlite_database: Database, tmp_path: Path) -> None:
    ensure_acme(sqlite_database, tmp_path, NOW_US)
    assert stat.S_IMODE((tmp_path / STATE_FILE).stat().st_mode) == 0o600


def test_an_acme_that_the_demo_did_not_make_is_left_alone(sqlite_database: Database, tmp_path: Path) -> None:
    with sqlite_database.write() as connection:
        organizations.create(connection, "acme", "Acme", now=NOW_US)
    with pytest.raises(Conflict, match="TALLYSTICK_DATA_DIR"):
        ensure_acme(sqlite_database, tmp_path, NOW_US)


def test_what_another_database_remembered_is_not_believed(
    sqlite_database: Database, postgresql_database: Database, tmp_path: Path
) -> None:
    first = ensure_acme(sqlite_database, tmp_path, NOW_US)
    second = ensure_acme(postgresql_database, tmp_path, NOW_US)
    assert second.api_key != first.api_key
    with pytest.raises(Conflict):
        ensure_acme(sqlite_database, tmp_path, NOW_US)
