"""axe-core, which finds what people cannot use: taken from npm when it is first needed, checked by its hash."""

import hashlib
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, ViewportSize

PACKAGE = "axe-core@4.14.1"
SHA256 = "29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c"
PLACE = Path(__file__).resolve().parents[2] / "build" / PACKAGE / "axe.min.js"
SECONDS = 120
CALM = 5
TWO_FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
RULES: dict[Literal["light", "dark"], tuple[str, ...]] = {"light": (), "dark": ("color-contrast", "link-in-text-block")}
SIZES: dict[str, ViewportSize] = {"desk": {"width": 1280, "height": 800}, "phone": {"width": 390, "height": 844}}


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
    return _run(page, script)


def violations_in_every_look(page: Page, script: str, *sizes: str, may_run_over: bool = False) -> list[str]:
    """The same at each size, all by default, in light and dark, and the sizes at which the page is too wide.

    The page is loaded once and then shown otherwise. In dark the rules about colour are asked alone: a test of the
    stylesheet holds that the dark theme changes nothing else.
    """
    found = []
    for size in sizes or SIZES:
        page.set_viewport_size(SIZES[size])
        _rest(page)
        for theme, rules in RULES.items():
            page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            page.evaluate(TWO_FRAMES)
            found += [f"{size}, {theme}: {line}" for line in _run(page, script, *rules)]
        if not may_run_over and page.evaluate("document.documentElement.scrollWidth") > SIZES[size]["width"]:
            found.append(f"{size}: the page is wider than the window")
    return found


def _run(page: Page, script: str, *rules: str) -> list[str]:
    if not page.evaluate("'axe' in window"):
        page.evaluate("() => {" + script + "\n}")
    options: dict[str, Any] = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found: dict[str, Any] = page.evaluate("options => axe.run(document, options)", options)
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
