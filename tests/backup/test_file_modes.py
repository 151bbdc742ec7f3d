"""What is written is for its owner alone, whatever the environment's umask says and whoever made the directory."""

import json
import os
import stat
import subprocess
from pathlib import Path

import pytest
import structlog

from tallystick.backup.file_modes import close_to_others, open_to_others
from tallystick.cli.doctor import _run_checks
from tallystick.cli.export import write_atomically
from tallystick.doctor.check_result import CheckGrade
from tallystick.settings import Settings
from tests.fixtures.servers import COMMAND, Server, Starter


class CarelessServer(Server):
    """A server and its commands in an environment whose umask takes nothing from anybody."""

    def __init__(self, home: Path) -> None:
        # As in a container: the key in the environment, so that nobody made the data directory with care before.
        super().__init__(home, {"TALLYSTICK_SECRET_KEY": "k" * 64, "TALLYSTICK_EXPORT_DIR": str(home / "sent")})
        self.program = ["sh", "-c", 'umask 0; exec "$0" "$@"', COMMAND]

    def run(self, *arguments: str, **environ: str) -> str:
        done = subprocess.run(
            [*self.program, *arguments], env=self.environ | environ, cwd=self.home, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def open_below(root: Path) -> list[str]:
    """What others have a right to, with its mode."""
    paths = [root, *root.rglob("*")]
    modes = {str(path): stat.S_IMODE(path.lstat().st_mode) for path in paths if not path.is_symlink()}
    return [f"{mode:o} {path}" for path, mode in modes.items() if mode & 0o077]


@pytest.fixture(scope="module")
def careless(tmp_path_factory: pytest.TempPathFactory):
    server = CarelessServer(tmp_path_factory.mktemp("careless"))
    server.run("org", "create", "acme")
    server.start()
    made = server.run("key", "create", "--org", "acme", "--name", "a", "--scope", "events:write",
                      "--scope", "events:read", "--scope", "exports")  # fmt: skip
    key = made.split()[-1]
    with server.client(key) as client:
        events = [{"action": "user.login", "actor": {"email": f"a{number}@acme.test"}} for number in range(500)]
        client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status()
        client.get("/v1/audit-logs", headers={"X-Forwarded-For": "192.0.2.1"}).raise_for_status()
    for form in ("parquet", "pdf", "bundle"):
        server.run("export", "--format", form, "-o", f"asked.{form}", TALLYSTICK_API_KEY=key)
    server.run("backup", "create", "backups/live")
    yield server
    server.stop()


def test_nothing_in_the_data_directory_is_for_others_though_the_umask_is_0(careless):
    found = {path.name for path in careless.data_dir.rglob("*")}
    assert {"tallystick.db", "tallystick.db-wal", "ledger.marks", "server.lock", "unknown_proxies.json"} <= found
    assert list((careless.data_dir / "events").rglob("*.bin"))
    assert list((careless.data_dir / "exports").iterdir())
    assert open_below(careless.data_dir) == []


def test_nothing_that_was_asked_for_elsewhere_is_for_others(careless):
    assert open_below(careless.home / "backups") == []
    assert [open_below(path) for path in sorted(careless.home.glob("asked.*"))] == [[], [], []]


def test_a_restored_installation_is_not_for_others(careless, tmp_path):
    other = CarelessServer(tmp_path)
    other.run("backup", "restore", str(careless.home / "backups" / "live"))
    other.run("backup", "restore", "--replace", str(careless.home / "backups" / "live"))
    assert list(other.data_dir.glob("*.replaced-*"))
    assert open_below(other.data_dir) == []


def test_a_directory_of_an_earlier_version_is_closed_at_the_start_and_the_log_says_it_once(start_server: Starter):
    server = start_server(TALLYSTICK_SECRET_KEY="k" * 64)
    key = server.key(server.organization("acme"))
    with server.client(key) as client:
        client.post("/v1/audit-logs?wait=searchable", json={"action": "user.login"}).raise_for_status()
    server.kill()  # -wal and -shm stay
    for path in (server.data_dir, *server.data_dir.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | 0o055)
    (server.data_dir / "tallystick.db.replaced-1").touch(0o666)
    assert "have rights to" in server.command("doctor", check=False).stdout
    logs = []
    for _ in range(2):
        server.log.write_text("")
        server.start()
        assert open_below(server.data_dir) == []
        server.stop()
        logs.append(server.complete_log())
    lines = [json.loads(line) for line in logs[0].splitlines() if line.startswith("{")]
    assert [line["files"] > 10 for line in lines if line["event"] == "data_directory_closed_to_others"] == [True]
    assert "data_directory_closed_to_others" not in logs[1]
    assert "have rights to" not in server.command("doctor", check=False).stdout


@pytest.fixture
def settings(tmp_path):
    data = tmp_path / "data"
    data.mkdir()
    data.chmod(0o755)
    return Settings.load({"TALLYSTICK_DATA_DIR": str(data), "TALLYSTICK_SECRET_KEY": "k" * 40})


def test_databases_behind_links_and_elsewhere_are_closed_too_and_their_surroundings_are_not(settings, tmp_path):
    disk, elsewhere = tmp_path / "disk", tmp_path / "elsewhere"
    (disk / "store").mkdir(parents=True)
    elsewhere.mkdir(mode=0o755)
    for file in (disk / "store" / "a.bin", elsewhere / "control.db", elsewhere / "control.db-wal", elsewhere / "other"):
        file.touch(0o644)
        file.chmod(0o644)
    (settings.data_dir / "events").symlink_to(disk)
    environ = {"DATA_DIR": str(settings.data_dir), "SECRET_KEY": "k" * 40,
               "DATABASE_URL": f"sqlite:///{elsewhere}/control.db"}  # fmt: skip
    close_to_others(Settings.load({f"TALLYSTICK_{name}": value for name, value in environ.items()}))
    assert open_below(settings.data_dir) == open_below(disk) == []
    assert open_below(elsewhere) == [f"755 {elsewhere}", f"644 {elsewhere / 'other'}"]


def test_the_rights_of_the_owner_stay(settings):
    tool, kept = settings.data_dir / "tool", settings.data_dir / "kept"
    tool.touch()
    tool.chmod(0o755)
    kept.touch()
    kept.chmod(0o440)
    close_to_others(settings)
    assert [stat.S_IMODE(path.stat().st_mode) for path in (tool, kept)] == [0o700, 0o400]


@pytest.mark.parametrize("answer", [PermissionError(1, "Operation not permitted"), OSError(30, "Read-only"), None])
def test_a_file_system_that_changes_no_modes_stops_nothing_and_is_named(settings, monkeypatch, answer):
    def refuse(*_args, **_more):
        if answer is not None:
            raise answer

    monkeypatch.setattr(Path, "chmod", refuse)
    with structlog.testing.capture_logs() as lines:
        close_to_others(settings)
    assert [(line["event"], line["files"], line["first"]) for line in lines] == [
        ("data_directory_open_to_others", 1, str(settings.data_dir))
    ]


def test_a_file_that_vanishes_meanwhile_is_no_error(settings, monkeypatch):
    (settings.data_dir / "a").touch()
    found = iter(open_to_others(settings))
    assert next(found) == settings.data_dir
    (settings.data_dir / "a").unlink()
    assert list(found) == []


def test_the_doctor_names_what_is_open(settings, monkeypatch):
    monkeypatch.setenv("TALLYSTICK_DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("TALLYSTICK_SECRET_KEY", "k" * 40)
    for number in range(5):
        (settings.data_dir / f"{number}").touch(0o644)
        (settings.data_dir / f"{number}").chmod(0o644)
    (finding,) = [one for one in _run_checks() if one.name == "data directory"]
    assert finding.grade is CheckGrade.WARNING
    assert f"{settings.data_dir}, {settings.data_dir}/" in finding.words
    assert "and 3 more" in finding.words
    assert f"chmod -R go= {settings.data_dir}" in finding.advice


def test_a_file_that_is_replaced_keeps_its_mode_and_a_new_one_is_private(tmp_path):
    before = os.umask(0o077)
    try:
        shared, new = tmp_path / "shared", tmp_path / "new"
        shared.touch()
        shared.chmod(0o664)
        for target in (shared, new):
            write_atomically(target, lambda file: file.write(b"events"))
        assert [stat.S_IMODE(path.stat().st_mode) for path in (shared, new)] == [0o664, 0o600]
    finally:
        os.umask(before)
