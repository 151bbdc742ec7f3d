"""What stands where a file of the data directory is lost or damaged: every command says the way back."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tallystick.app import build, running
from tallystick.cli.doctor import _run_checks
from tallystick.database.engine import Database
from tallystick.doctor.check_result import CheckGrade
from tallystick.doctor.control_database import check_database
from tallystick.errors import SettingsError
from tallystick.ingest.store_identity import make_node_id
from tallystick.settings import Settings
from tests.cli.running import Done
from tests.cli.test_secret import Installation

COMMANDS = (
    ("org", "list"), ("org", "retention", "acme", "30"), ("secret", "rotate"), ("store", "adopt"),
    ("backup", "create", "copy"), ("org", "restart-log", "acme"), ("doctor", "--accept-clock"),
)  # fmt: skip


@pytest.fixture
def kept(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def truncated(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: 3 * 4096])


def garbage(file: Path) -> None:
    file.write_bytes(b"not a database" * 1000)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def checkpointed(kept: Installation) -> Path:
    """The control database as one file."""
    database = Database(Settings.load(kept.environ).database_url)
    with database.engine.connect() as connection:
        connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    make_node_id(kept.data)  # as a server does
    return kept.data / "tallystick.db"


async def start(settings: Settings) -> None:
    """As `tallystick serve` does."""
    async with running(build(settings)):
        pass


@pytest.mark.parametrize(
    "damage", [truncated, garbage, empty, Path.unlink], ids=["truncated", "garbage", "empty", "gone"]
)
def test_a_lost_control_database_is_named_with_the_restore_by_every_command(
    kept: Installation, damage: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damage(checkpointed(kept))
    monkeypatch.chdir(tmp_path)
    for command in COMMANDS:
        done: Done = kept.run(*command, status=1)
        assert "tallystick backup restore" in done.stderr, command
        assert "Traceback" not in done.stderr
    assert "tallystick backup restore" in kept.run("doctor", status=1).stdout
    settings = Settings.load(kept.environ, make=False)
    with pytest.raises(SettingsError, match="tallystick backup restore"):
        asyncio.run(start(settings))
    assert not (kept.data / "events").exists()
    (finding,) = check_database(settings)
    assert finding.grade is CheckGrade.PROBLEM
    assert "tallystick backup restore" in finding.advice


def test_a_lost_secret_key_is_not_made_anew_beside_what_it_encrypted(kept: Installation) -> None:
    (kept.data / "secret.key").unlink()
    done = kept.run("org", "list", status=1)
    assert "tallystick secret recreate" in done.stderr
    assert not (kept.data / "secret.key").exists()


def test_a_secret_key_that_encrypted_nothing_is_made_anew(tmp_path: Path) -> None:
    environ = {"TALLYSTICK_DATA_DIR": str(tmp_path)}
    Database(Settings.load(environ).database_url).close()
    before = (tmp_path / "secret.key").read_text()
    (tmp_path / "secret.key").unlink()
    assert Settings.load(environ).secret_key not in ("", before.strip())


def test_the_secrets_that_are_lost_with_the_key_are_listed_when_a_new_one_is_made(kept: Installation) -> None:
    (kept.data / "secret.key").unlink()
    done = kept.run("secret", "recreate")
    assert "Lost: acme: 2 destinations, 1 signing keys" in done.stdout
    assert "secret rotate" in kept.run("secret", "recreate", status=1).stderr


def test_the_doctor_names_the_command_for_a_lost_key(kept: Installation, monkeypatch: pytest.MonkeyPatch) -> None:
    (kept.data / "secret.key").unlink()
    for name, value in kept.environ.items():
        monkeypatch.setenv(name, value)
    assert "tallystick secret recreate" in "".join(finding.advice for finding in _run_checks())
