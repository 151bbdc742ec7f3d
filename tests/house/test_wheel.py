"""The wheel has all that a server needs, and works in an environment outside the source tree."""

import os
import re
import site
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import httpx
import pytest

from tests.fixtures.servers import Server
from tests.fixtures.sizes import FULL
from tests.house.tree import PACKAGE, ROOT, files, name

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
SHARE = "share/doc/tallystick/"


def _run(*command: str | Path) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    _run(*PIP, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, ROOT)
    built: Path = next(folder.glob("*.whl"))
    return built


@pytest.fixture(scope="module")
def installed(tmp_path_factory, wheel) -> Path:
    """An environment with the wheel; its libraries are those of the tests, in full size those of the lock alone."""
    home: Path = tmp_path_factory.mktemp("installed") / "environment"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    if FULL:
        lock = ROOT / "requirements.txt"
        _run(*PIP, "--python", python, "install", "--no-deps", "--require-hashes", "--requirement", lock)
    else:
        packages = Path(_run(python, "-c", "import site; print(site.getsitepackages()[0])").strip())
        (packages / "libraries.pth").write_text("\n".join(site.getsitepackages()))
    _run(*PIP, "--python", python, "install", "--no-deps", "--no-index", wheel)
    return home


def test_the_wheel_holds_every_file_of_the_package_and_no_other_code(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {path.relative_to(PACKAGE.parent).as_posix() for path in files() if PACKAGE in path.parents}
    inside = {one for one in names if one.startswith("tallystick/")}
    assert (package - inside, inside - package) == (set(), set())
    assert {one.split("/")[0] for one in names if not one.startswith("tallystick/")} == {
        re.sub("-py3.*", kind, wheel.name) for kind in (".data", ".dist-info")
    }


def test_the_wheel_holds_the_guides_and_the_files_for_deployment(wheel):
    names = {one.partition(f".data/data/{SHARE}")[2] for one in zipfile.ZipFile(wheel).namelist()}
    wanted = {name(path) for path in files() if name(path).startswith(("docs/", "deploy/"))}
    assert wanted - names == {"deploy/build_backend.py"}
    assert {"README.md", "CHANGELOG.md", "SECURITY.md", "requirements.txt"} <= names


@pytest.mark.full_size
def test_an_installed_wheel_serves_checks_and_verifies_outside_the_source_tree(installed, tmp_path):
    server = Server(tmp_path)
    server.environ = {name: value for name, value in server.environ.items() if name != "PYTHONPATH"}
    server.program = [str(installed / "bin" / "tallystick")]
    where = "import tallystick; print(tallystick.__file__)"
    assert _run(installed / "bin" / "python", "-I", "-c", where).startswith(str(installed))
    server.start()
    try:
        for path in ("/sign-in", "/openapi.json", "/docs", "/readyz"):
            httpx.get(server.url + path, follow_redirects=True).raise_for_status()
        checked = subprocess.run(
            [*server.program, "doctor"], env=server.environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert checked.returncode == 0, checked.stdout + checked.stderr
    finally:
        server.stop()
    helped = subprocess.run(
        [installed / "bin" / "python", "-m", "tallystick.verify", "--help"],
        env=os.environ | {"PYTHONPATH": ""}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "offline" in helped.stdout
