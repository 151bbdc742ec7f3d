"""`make screenshots`: pictures of the pages with the demo's events, into screenshots/."""

import argparse
import re
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tests.fixtures.browser import ARGUMENTS
from tests.fixtures.servers import Server

LOADED = "events were added"
LOAD_SECONDS = 180
VIEWPORTS = {"wide": (1440, 900), "narrow": (390, 844)}
SCHEMES = ("light", "dark")
# A name, and where it is taken.
PAGES = {
    "audit-logs": "/audit-logs",
    "failed-deployment": "/audit-logs?resource=api-infrastructure",
    "search": "/audit-logs?q=encryption",
    "mistake": "/audit-logs?q=statsu%3Afailed",
    "nothing-found": "/audit-logs?q=nobody-did-this",
}


class Demo(Server):
    """The demo on a data directory of its own."""

    def arguments(self) -> list[str]:
        """What the command line is called with."""
        return ["demo", "--port", str(self.port)]

    def wait_until_loaded(self) -> None:
        """Return when all events are there."""
        deadline = time.monotonic() + LOAD_SECONDS
        while LOADED not in self.log.read_text():
            if time.monotonic() > deadline:
                raise RuntimeError("the demo did not load in time")
            time.sleep(0.2)
        time.sleep(2)  # the last shipment

    def printed(self, label: str) -> str:
        """What the demo printed behind this label."""
        found = re.search(rf"^ *{label} +(\S+)$", self.log.read_text(), re.MULTILINE)
        if found is None:
            raise RuntimeError(f"the demo printed no {label}")
        return found[1]


def sign_in(page: Page, demo: Demo) -> None:
    """Enter as the demo's person."""
    page.goto(f"{demo.url}/sign-in")
    page.locator("input[type=email]").fill(demo.printed("E-mail"))
    page.locator("input[type=password]").fill(demo.printed("Password"))
    page.locator("button[type=submit]").first.click()
    page.wait_for_url("**/audit-logs**")


def take(browser: Browser, demo: Demo, target: Path) -> None:
    """Every page, in each width and scheme; one event open; and the sign-in."""
    for width, (across, down) in VIEWPORTS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": across, "height": down}, color_scheme="dark" if scheme == "dark" else "light"
            )
            page = context.new_page()
            page.goto(f"{demo.url}/sign-in")
            page.screenshot(path=target / f"sign-in-{width}-{scheme}.png")
            sign_in(page, demo)
            for name, path in PAGES.items():
                page.goto(demo.url + path)
                page.wait_for_load_state("networkidle")
                page.screenshot(path=target / f"{name}-{width}-{scheme}.png")
            page.goto(f"{demo.url}/audit-logs?q=encryption")
            page.locator("a[href*='/audit-logs/evt_']").first.click()
            page.wait_for_timeout(700)
            page.screenshot(path=target / f"event-{width}-{scheme}.png")
            context.close()


def main() -> None:
    """Start the demo, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("screenshots"), help="the folder they go to")
    target = parser.parse_args().to
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tallystick-screenshots-") as home, sync_playwright() as playwright:
        demo = Demo(Path(home))
        demo.start()
        try:
            demo.wait_until_loaded()
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            take(browser, demo, target)
            browser.close()
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
