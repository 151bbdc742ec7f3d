"""`tallystick secret rotate`: everything is encrypted anew, and a crash at any point leaves what starts and signs."""

import json
import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from tallystick.access.organizations import by_slug
from tallystick.access.scopes import operator_scope
from tallystick.access.secret import SecretBox
from tallystick.backup.secret_rotation import SEALED_COLUMNS, count_sealed
from tallystick.cli.doctor import _run_checks
from tallystick.clock import now_us
from tallystick.database.engine import Database
from tallystick.destinations import changes
from tallystick.destinations.address_guard import Guard
from tallystick.destinations.context import DestinationContext
from tallystick.destinations.tables import destinations
from tallystick.ledger.keys import Keyring
from tallystick.settings import Settings
from tests.backup.backup_driver import KILLING, Recording, key_line, killed_at, trail, verifies
from tests.cli.running import Done, run_here
from tests.fixtures.servers import Server, Starter

OLD, NEW = "o" * 40, "n" * 40
SECRETS = 3


class Installation:
    """An organization with a signing key and two destinations, in an installation whose server is stopped."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.data = home / "data"
        self.environ = {"TALLYSTICK_DATA_DIR": str(self.data)}
        self.environ |= {f"TALLYSTICK_{name}": value for name, value in settings.items()}
        self.run("org", "create", "acme")
        keys = Settings.load(self.environ).secret_keys
        context = DestinationContext(SecretBox(keys, destinations.c.sealed), Guard())
        with self.transaction() as connection:
            self.org_id: UUID = by_slug(connection, "acme").org_id
            Keyring(keys, "localhost").prepare(connection, self.org_id, now=now_us())
            for name in ("one", "two"):
                url = {"url": f"https://hooks.example.com/{name}"}
                changes.create(
                    connection, operator_scope(self.org_id), context, "webhook", name, url, now=now_us()
                )  # fmt: skip

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        database = Database(Settings.load(self.environ).database_url, pool_size=1)
        with database.write() as connection:
            yield connection
        database.close()

    def run(self, *arguments: str, status: int = 0) -> Done:
        done = run_here(*arguments, environ=self.environ)
        assert done.returncode == status, done.stdout + done.stderr
        return done

    def kill_rotation(self, place: str) -> None:
        """Run the command, which is killed as it calls a function: `module:name:n`, the n-th time."""
        done = subprocess.run(
            [sys.executable, "-c", KILLING, place, "secret", "rotate"],
            env=os.environ | self.environ, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == -9, done.stdout + done.stderr

    def counts(self) -> dict[str, int]:
        """How many secrets the keys of the settings decrypt."""
        with self.transaction() as connection:
            return dict(count_sealed(connection, Settings.load(self.environ).secret_keys))

    def content(self) -> dict[str, object]:
        """The key files, and what is stored."""
        with self.transaction() as connection:
            stored = {str(column): connection.execute(select(column)).scalars().all() for column in SEALED_COLUMNS}
        return {path.name: path.read_text() for path in self.data.glob("secret.key*")} | stored

    def key_lines(self) -> list[str]:
        """The signing keys, which need the secret key."""
        ring = Keyring(Settings.load(self.environ).secret_keys, "localhost")
        with self.transaction() as connection:
            return [key.vkey for key in ring.active_keys(connection, self.org_id, now=now_us())]

    def doctor(self, monkeypatch: pytest.MonkeyPatch) -> str:
        """What the doctor says of the secret key."""
        with monkeypatch.context() as patch:
            for name, value in self.environ.items():
                patch.setenv(name, value)
            (finding,) = [one for one in _run_checks() if one.name == "secret key"]
        return f"{finding.grade}: {finding.words} {finding.advice}".strip()


@pytest.fixture
def kept(tmp_path: Path) -> Installation:
    """An installation that keeps the key in its data directory."""
    return Installation(tmp_path)


def test_a_kept_key_is_replaced_and_the_previous_one_stays_until_it_is_deleted(kept, monkeypatch):
    before, lines = kept.content(), kept.key_lines()
    assert json.loads(kept.run("secret", "rotate", "--json").stdout) == {"encrypted_anew": 3, "secrets": 3, "lost": 0}
    after = kept.content()
    assert after["secret.key.old"] == before["secret.key"] != after["secret.key"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in kept.data.glob("secret.key*")} == {0o600}
    assert (kept.counts(), kept.key_lines()) == ({"current": SECRETS}, lines)
    assert kept.doctor(monkeypatch).startswith("warning: The previous key encrypts nothing here any more")
    (kept.data / "secret.key.old").unlink()
    assert (kept.counts(), kept.key_lines()) == ({"current": SECRETS}, lines)
    assert kept.doctor(monkeypatch) == "ok: Decrypts all 3 stored secrets."


def test_nothing_that_the_previous_key_decrypts_is_left_on_the_disk(kept):
    before = kept.content()["destinations.sealed"]
    kept.run("secret", "rotate")
    files = [path.read_bytes() for path in kept.data.glob("tallystick.db*")]
    assert files
    assert not any(sealed in file for sealed in before for file in files)


@pytest.mark.parametrize(
    "place",
    [
        "tallystick.secret_keys:replace_file:1",
        "tallystick.durable:sync_folder:1",
        "tallystick.secret_keys:replace_file:2",
        "tallystick.durable:sync_file:2",
        "tallystick.durable:sync_folder:2",
        "tallystick.cli.secret:reseal:1",
        "tallystick.backup.secret_rotation:update:2",
        "tallystick.cli.secret:say:1",
    ],
)
def test_a_crash_at_any_point_leaves_an_installation_that_signs_and_a_second_run_completes(kept, place, monkeypatch):
    before, lines = kept.content(), kept.key_lines()
    kept.kill_rotation(place)
    assert "lost" not in kept.counts()
    assert kept.key_lines() == lines
    kept.run("secret", "rotate")
    after = kept.content()
    assert not set(before["destinations.sealed"]) & set(after["destinations.sealed"])
    assert before["secret.key"] != after["secret.key"]
    (kept.data / "secret.key.old").unlink()
    assert (kept.counts(), kept.key_lines()) == ({"current": SECRETS}, lines)


def test_an_interrupted_rotation_is_named_by_the_doctor_and_continued_with_the_same_key(kept, monkeypatch):
    kept.kill_rotation("tallystick.cli.secret:reseal:1")
    begun = kept.content()
    assert kept.doctor(monkeypatch).startswith("warning: 3 of 3 stored secrets are still encrypted with the previous")
    kept.run("secret", "rotate")
    after = kept.content()
    assert {name: after[name] for name in ("secret.key", "secret.key.old")} == {
        name: begun[name] for name in ("secret.key", "secret.key.old")
    }


def test_a_given_key_is_rotated_with_the_previous_one_beside_it(tmp_path, database_url, monkeypatch):
    """On both engines."""
    at = Installation(tmp_path, DATABASE_URL=database_url, SECRET_KEY=OLD)
    lines = at.key_lines()
    at.environ |= {"TALLYSTICK_SECRET_KEY": NEW, "TALLYSTICK_SECRET_KEY_OLD": OLD}
    assert at.counts() == {"previous": SECRETS}
    assert at.doctor(monkeypatch).startswith("warning: 3 of 3 stored secrets are still encrypted with the previous key")
    at.run("secret", "rotate")
    assert (at.counts(), at.key_lines()) == ({"current": SECRETS}, lines)
    assert "0 of 3" in at.run("secret", "rotate").stdout
    del at.environ["TALLYSTICK_SECRET_KEY_OLD"]
    assert (at.counts(), at.key_lines()) == ({"current": SECRETS}, lines)
    assert not list(at.data.glob("secret.key*"))


def test_a_wrong_previous_key_is_refused_and_changes_nothing(tmp_path, database_url, monkeypatch):
    at = Installation(tmp_path, DATABASE_URL=database_url, SECRET_KEY=OLD)
    at.environ |= {"TALLYSTICK_SECRET_KEY": NEW, "TALLYSTICK_SECRET_KEY_OLD": "w" * 40}
    before = at.content()
    said = at.run("secret", "rotate", status=1).stderr
    assert "3 of 3 stored secrets cannot be decrypted" in said
    assert "Nothing was changed" in said
    assert at.content() == before
    assert at.doctor(monkeypatch).startswith("problem: Cannot decrypt 3 of 3 stored secrets")


def test_a_lost_key_file_is_not_replaced_by_another_new_key(kept):
    (kept.data / "secret.key").write_text(NEW)
    before = kept.content()
    assert "Nothing was changed" in kept.run("secret", "rotate", status=1).stderr
    assert kept.content() == before


def test_lost_secrets_can_be_left_behind_on_request(kept):
    with kept.transaction() as connection:
        connection.execute(destinations.update().where(destinations.c.name == "one").values(sealed=b"x" * 40))
    assert "1 of 3" in kept.run("secret", "rotate", status=1).stderr
    kept.run("secret", "rotate", "--skip-lost")
    (kept.data / "secret.key.old").unlink()
    assert kept.counts() == {"current": 2, "lost": 1}


@pytest.mark.parametrize("more", [{}, {"TALLYSTICK_SECRET_KEY_OLD": OLD}], ids=["none", "the same"])
def test_a_given_key_without_another_previous_one_is_told_what_to_set(tmp_path, more):
    at = Installation(tmp_path, SECRET_KEY=OLD)
    at.environ |= more
    before = at.content()
    said = at.run("secret", "rotate", status=1).stderr
    assert "set TALLYSTICK_SECRET_KEY to a new key" in said
    assert at.content() == before


def test_no_setting_shows_a_key(tmp_path):
    environ = {"SECRET_KEY": NEW, "SECRET_KEY_OLD": OLD, "DATA_DIR": str(tmp_path)}
    settings = Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()})
    assert not any(key in f"{settings!r}{settings.secret_keys!r}" for key in (NEW, OLD))


@pytest.fixture(scope="module")
def original(start_server: Starter) -> Iterator[tuple[Server, Recording]]:
    """A running server that keeps its key, and events that it recorded."""
    server = start_server()
    recording = Recording(server, server.key(server.organization("acme")))
    recording.once(40)
    yield server, recording
    server.stop()


def test_a_server_goes_on_signing_with_its_keys_and_old_backups_can_be_restored(original, tmp_path, monkeypatch):
    server, recording = original
    key, line = recording._key, key_line(server, recording._key)
    refused = server.command("secret", "rotate", check=False)
    assert (refused.returncode, "Stop it" in refused.stderr) == (1, True)
    backup = server.home / "backup"
    server.command("backup", "create", str(backup))
    server.stop()
    killed_at(server, "tallystick.cli.secret:reseal:1", "secret", "rotate")
    server.start()  # both keys are needed, and there
    server.log_line("previous_secret_key_accepted")
    recording.once(10)
    assert key_line(server, key) == line
    server.stop()
    server.command("secret", "rotate")
    previous = server.data_dir / "secret.key.old"
    secret, old = (path.read_text().strip() for path in (server.data_dir / "secret.key", previous))
    previous.unlink()
    server.start()
    recording.once(10)
    assert key_line(server, key) == line
    assert verifies(server, key, monkeypatch)
    assert len(trail(server, key)) == 60

    other = Server(tmp_path, {"TALLYSTICK_SECRET_KEY": secret})
    refused = other.command("backup", "restore", str(backup), check=False)
    assert (refused.returncode, "TALLYSTICK_SECRET_KEY_OLD" in refused.stderr) == (1, True)
    other.environ["TALLYSTICK_SECRET_KEY_OLD"] = old
    other.command("backup", "restore", str(backup))
    assert "of 1 stored secrets" not in other.command("secret", "rotate").stderr
    del other.environ["TALLYSTICK_SECRET_KEY_OLD"]
    assert "Decrypts all" in other.command("doctor", check=False).stdout


def test_a_server_with_a_given_key_is_served_while_it_runs_but_not_without_the_new_key(start_server: Starter):
    server = start_server(TALLYSTICK_SECRET_KEY=OLD)
    key = server.key(server.organization("acme"))
    Recording(server, key).once(5)
    line = key_line(server, key)
    server.environ |= {"TALLYSTICK_SECRET_KEY": NEW, "TALLYSTICK_SECRET_KEY_OLD": OLD}
    refused = server.command("secret", "rotate", check=False)  # the server knows the old key alone
    assert (refused.returncode, "Restart it" in refused.stderr) == (1, True)
    assert key_line(server, key) == line
    server.stop()
    server.start()
    server.command("secret", "rotate")
    with server.client(key) as client:
        client.post("/v1/audit-logs", json={"action": "project.updated"}).raise_for_status()
    assert key_line(server, key) == line
    server.stop()
