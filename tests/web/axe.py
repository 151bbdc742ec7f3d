"""axe-core, which finds what people cannot use: taken from npm when it is first needed, checked by its hash."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

PACKAGE = "axe-core@4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
PLACE = Path(__file__).resolve().parents[2] / "build" / PACKAGE / "axe.min.js"
SECONDS = 120
CALM = 5


def source() -> str:
    """The script; skips the test, with the reason, where it cannot be had."""
    if not PLACE.exists():
        _fetch()
    script = PLACE.read_bytes()
    assert hashlib.sha256(script).hexdigest() == SHA256, f"{PLACE} is not the axe-core that the tests were written for"
    return script.decode()


def violations(page: Page, script: str) -> list[str]:
    """What axe finds on the page as it stands once it is at rest, one line for each place."""
    _rest(page)
    page.evaluate("() => {" + script + "\n}")
    found: dict[str, Any] = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        f"{violation['id']}: {node['target']} {node['failureSummary']}"
        for violation in found["violations"]
        for node in violation["nodes"]
    ]


def _rest(page: Page) -> None:
    """Wait until nothing is being replaced, and so dimmed, for half a second; ten seconds at most."""
    calm = 0
    for _ in range(100):
        calm = 0 if page.locator(".htmx-request, .histogram.older").count() else calm + 1
        if calm > CALM:
            return
        page.wait_for_timeout(100)


def _fetch() -> None:
    if shutil.which("npm") is None:
        pytest.skip("axe-core comes through npm, which is missing: apt-get install npm")
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE]
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        archives = list(Path(folder).glob("*.tgz"))
        if done.returncode or not archives:
            pytest.skip(f"npm cannot give {PACKAGE}: {done.stderr.strip()[-300:]}")
        with tarfile.open(archives[0]) as archive:
            member = archive.extractfile("package/axe.min.js")
            assert member is not None
            PLACE.parent.mkdir(parents=True, exist_ok=True)
            partial = PLACE.with_suffix(".partial")
            partial.write_bytes(member.read())
            partial.rename(PLACE)
