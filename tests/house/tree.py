"""The files of this tree, as the rules look at them."""

import ast
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "tallystick"
VENDORED = PACKAGE / "web" / "static" / "vendor"
IGNORED = {".git", ".venv", "data", "build", "dist", "screenshots", "node_modules", "__pycache__"}


@cache
def files() -> tuple[Path, ...]:
    """Every file of the project: what git tracks or would track; outside a clone, what the tree holds."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    if listed.returncode == 0:
        found = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    else:
        found = [path for path in ROOT.rglob("*") if not IGNORED & set(path.relative_to(ROOT).parts)]
    return tuple(sorted(path for path in found if path.is_file()))


def written() -> list[Path]:
    """Files that people of this project write: no vendored ones, no pictures."""
    return [path for path in files() if VENDORED not in path.parents and b"\0" not in path.read_bytes()[:8000]]


def sources(*suffixes: str) -> list[Path]:
    return [path for path in written() if path.suffix in suffixes]


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def modules() -> list[Path]:
    """The product's own Python files."""
    return [path for path in sources(".py") if PACKAGE in path.parents]


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()
