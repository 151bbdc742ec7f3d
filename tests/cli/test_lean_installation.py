"""What the lock of the product leaves out is never imported: the server and its commands do their work without."""

import subprocess
import sys

import pytest

from tests.fixtures.servers import Server
from tests.house.test_dependencies import LEFT_OUT

WITHOUT = f"""
import sys
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {sorted(LEFT_OUT.values())}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Missing())
from tallystick.cli.app import main
main()
"""

EVERYTHING = """
import importlib, pkgutil, tallystick
for module in pkgutil.walk_packages(tallystick.__path__, "tallystick."):
    if not module.name.startswith(("tallystick.database.migrations", "tallystick.verify.__main__")):
        importlib.import_module(module.name)
"""


class LeanServer(Server):
    """A server and its commands in processes that find nothing of what the lock leaves out."""

    def run(self, *arguments: str, **environ: str) -> str:
        done = subprocess.run(
            [*self.program, *arguments], env=self.environ | environ, cwd=self.home, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def lean(tmp_path_factory):
    server = LeanServer(tmp_path_factory.mktemp("lean"))
    server.program = [sys.executable, "-c", WITHOUT]
    server.start()
    yield server
    server.stop()


def test_the_server_records_finds_exports_reports_and_backs_up(lean):
    key = lean.key(lean.organization("acme"), "events:write", "events:read", "exports", "alerts", "admin")
    with lean.client(key) as client:
        sent = {"events": [{"action": "user.login", "metadata": {"number": number}} for number in range(20)]}
        client.post("/v1/audit-logs?wait=searchable", json=sent).raise_for_status()
        found = client.get("/v1/audit-logs", params={"q": "login", "count": "exact"}).json()
        assert found["total"] == 20
        for path in ("/openapi.json", "/docs", "/sign-in", "/metrics"):
            client.get(path).raise_for_status()
    for form in ("csv", "json", "ndjson", "pdf", "parquet", "bundle"):
        lean.run("export", "--format", form, "-o", f"found.{form}", TALLYSTICK_API_KEY=key)
    period = ("--start", "2024-01-01", "--end", "2024-02-01")
    lean.run("report", "soc2", *period, "-o", "report.pdf", TALLYSTICK_API_KEY=key)
    lean.run("backup", "create", "backup")


def test_every_module_can_be_imported_and_the_help_be_shown(lean):
    assert "Usage" in lean.run("--help")
    everything = WITHOUT.replace("from tallystick.cli.app import main\nmain()", EVERYTHING)
    done = subprocess.run([sys.executable, "-c", everything], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
