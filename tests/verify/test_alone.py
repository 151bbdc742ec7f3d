"""The verifier as one file runs where nothing is but Python and cryptography."""

import importlib.util
import json
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tallystick.database.engine import Database
from tallystick.verify.event_checks import MIN_PARALLEL_BYTES
from tests.house.tree import ROOT
from tests.verify.evidence import Trail, on_lines, rewrite

ALLOWED = ("cryptography", "cffi", "_cffi_backend", "pycparser")


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """build/tallystick-verify.pyz, somewhere else."""
    path = tmp_path_factory.mktemp("packed") / "tallystick-verify.pyz"
    subprocess.run(["make", "verifier", f"VERIFIER={path}"], cwd=ROOT, check=True, capture_output=True)
    return path


@pytest.fixture(scope="module")
def bare_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python that has cryptography and what that needs, and nothing of this project."""
    home = tmp_path_factory.mktemp("bare")
    venv.create(home, symlinks=True)
    packages = next(home.glob("lib/python*/site-packages"))
    for name in ALLOWED:
        found = importlib.util.find_spec(name)
        if found is not None and found.origin is not None:
            origin = Path(found.origin)
            source = origin.parent if origin.name == "__init__.py" else origin
            (packages / source.name).symlink_to(source)
    return home / "bin" / "python"


@pytest.fixture
def bundle(sqlite_database: Database, tmp_path: Path) -> tuple[Path, str, Trail]:
    trail = Trail(sqlite_database, tmp_path)
    trail.fill(300)
    path = tmp_path / "bundle.zip"
    path.write_bytes(trail.bundle())
    return path, trail.prover.vkeys(trail.scope)[0], trail


def run(python: Path, packed: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(python), "-I", str(packed), *arguments], capture_output=True, text=True, timeout=60, check=False, env={}
    )


def test_the_bare_python_has_nothing_of_ours(bare_python):
    for name in ("tallystick", "msgspec", "sqlalchemy"):
        tried = subprocess.run([str(bare_python), "-I", "-c", f"import {name}"], capture_output=True, check=False)
        assert tried.returncode == 1, name
    assert sys.version_info >= (3, 11)


def test_it_checks_a_bundle(packed, bare_python, bundle):
    path, vkey, _ = bundle
    done = run(bare_python, packed, str(path), "--key", vkey, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reports"][0]["verified"] == 300


def test_it_checks_a_bundle_that_is_worth_several_processes(packed, bare_python, sqlite_database, tmp_path):
    trail = Trail(sqlite_database, tmp_path)
    text = "long " * 12_000
    trail.record(
        *[{"action": "file.read", "metadata": {"n": n, "text": text}} for n in range(MIN_PARALLEL_BYTES // len(text))]
    )
    path, [vkey] = tmp_path / "bundle.zip", trail.prover.vkeys(trail.scope)
    path.write_bytes(trail.bundle())
    done = run(bare_python, packed, str(path), "--key", vkey, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["reports"][0]["verified"] == len(trail.events)
    path.write_bytes(rewrite(trail.bundle(), events_ndjson=lambda lines: lines[:-20_000] + b"x" + lines[-19_999:]))
    done = run(bare_python, packed, str(path), "--key", vkey, "--json")
    assert json.loads(done.stdout)["reports"][0]["indexes"]["altered"] == [[len(trail.events) - 1] * 2]


def test_it_fails_on_one_that_was_changed_and_names_the_index(packed, bare_python, bundle):
    path, vkey, trail = bundle
    path.write_bytes(rewrite(trail.bundle(), events_ndjson=on_lines(lambda lines: lines[42].update({"who": "{}"}))))
    done = run(bare_python, packed, str(path), "--key", vkey)
    assert done.returncode == 1, done.stderr
    assert "ALTERED" in done.stdout
    assert "42" in done.stdout


def test_wrong_use_is_said(packed, bare_python, bundle):
    path, vkey, _ = bundle
    for arguments in ([], [str(path)], [str(path), "--key", "nonsense+1+2"], [str(path), "--key", vkey, "--save", "x"]):
        done = run(bare_python, packed, *arguments)
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("Error: ")
