"""`make screenshots`: pictures of the pages with the demo's events, into screenshots/."""

import argparse
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from tallystick.web.filters import Filters
from tallystick.web.listing import Listing
from tallystick.web.pages import render
from tests.fixtures.browser import ARGUMENTS
from tests.fixtures.servers import Server

LOADED = "events were added"
LOAD_SECONDS = 180
VIEWPORTS = {"wide": (1440, 900), "narrow": (390, 844)}
SCHEMES = ("light", "dark")
ALL_COLUMNS = "time,user,action,description,category,resource,ip,status,id"
# A name, and where it is taken.
PAGES = {
    "audit-logs": "/audit-logs",
    "failed-deployment": "/audit-logs?resource=api-infrastructure",
    "search": "/audit-logs?q=encryption",
    "mistake": "/audit-logs?q=statsu%3Afailed",
    "nothing-found": "/audit-logs?q=nobody-did-this",
    "before-retention": "/audit-logs?range=custom&start=2001-01-01&end=2001-01-31",
    "many-filters": "/audit-logs?q=deploy+-user:ci-pipeline&status=failed&range=90d&tz=Asia%2FKolkata",
    "long-names": "/audit-logs?q=action:picture.taken",
    "every-column": f"/audit-logs?q=action:picture.taken&columns={ALL_COLUMNS}",
    "a-thousand-rows": "/audit-logs?limit=1000",
    "no-such-page": "/nowhere",
}
MENUS = {
    "date": ".menus details:nth-of-type(1) > summary",
    "user": ".menus details:nth-of-type(2) > summary",
    "category": ".menus details:nth-of-type(3) > summary",
    "counts-as-a-table": ".as-table > summary",
    "top-values": "#top-values",
    "saved-views": "#saved-menu > summary",
    "columns": "#columns-menu > summary",
}
# Names as they come: long, written from right to left, with markup in them.
NAMES = (
    "arn:aws:sts::123456789012:assumed-role/OrganizationAccountAccessRole/very-long-session-name-1700000000",
    "مريم الأحمدي",
    "<b>Bold</b> & Sons",
    "שרה כהן (admin)",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "Wolfeschlegelsteinhausenbergerdorff, Hubert Blaine Maximilian Nathaniel",
)


class Demo(Server):
    """The demo on a data directory of its own."""

    options: tuple[str, ...] = ()

    def arguments(self) -> list[str]:
        """What the command line is called with."""
        return ["demo", "--port", str(self.port), *self.options]

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


def record_names(demo: Demo) -> None:
    """Events with difficult names, beside those of the demo."""
    events = [
        {
            "action": "picture.taken",
            "description": f"A description of {name}, which goes on for longer than any column is wide",
            "actor": {"type": "user", "name": name, "id": f"usr_{number}"},
            "resource": {"type": "project", "name": name, "id": f"prj_{number}"},
            "context": {"ip_address": "2001:db8:85a3:8d3:1319:8a2e:370:7348"},
            "status": "failed" if number % 2 else "success",
        }
        for number, name in enumerate(NAMES)
    ]
    with demo.client(demo.printed("API key")) as client:
        client.post("/v1/audit-logs?wait=searchable", json={"events": events}).raise_for_status()


def take_states(page: Page, demo: Demo, picture: Callable[[str], None]) -> None:
    """What only shows when something is done, or goes wrong."""
    page.goto(f"{demo.url}/audit-logs?q=encryption")
    page.locator("a[href*='/audit-logs/evt_']").first.click()
    page.wait_for_timeout(700)
    picture("event")
    for name, place in MENUS.items():
        page.goto(f"{demo.url}/audit-logs?range=90d")
        page.locator(place).click()
        page.wait_for_timeout(700)
        picture(f"menu-{name}")
    page.goto(f"{demo.url}/audit-logs?live=1")
    page.locator("#q").press_sequentially("user:s")
    page.wait_for_timeout(700)
    picture("completions")
    page.keyboard.press("Escape")
    page.locator("#live-pause").click()
    picture("live-paused")
    page.route("**/audit-logs/rows?*", lambda route: route.abort())
    page.locator("#q").fill("deploy")
    page.locator("#trouble").wait_for()
    picture("server-gone")
    page.unroute("**/audit-logs/rows?*")
    partial = Listing(Filters(), partial=True, cursor="next")
    more = render("more.html", listing=partial, filters=partial.filters)
    page.goto(f"{demo.url}/audit-logs?q=nobody-did-this")
    page.evaluate("(html) => { document.getElementById('more').outerHTML = html; }", more)
    picture("partial")


def take(browser: Browser, demo: Demo, target: Path) -> None:
    """Every page and state, in each width and scheme."""
    for width, (across, down) in VIEWPORTS.items():
        for scheme in SCHEMES:
            context = browser.new_context(
                viewport={"width": across, "height": down}, color_scheme="dark" if scheme == "dark" else "light"
            )
            page = context.new_page()

            def picture(name: str, page: Page = page, suffix: str = f"{width}-{scheme}") -> None:
                page.screenshot(path=target / f"{name}-{suffix}.png")

            page.goto(f"{demo.url}/sign-in")
            picture("sign-in")
            sign_in(page, demo)
            for name, path in PAGES.items():
                page.goto(demo.url + path)
                page.wait_for_load_state("networkidle")
                picture(name)
            take_states(page, demo, picture)
            context.close()


def main() -> None:
    """Start the demo, take the pictures, stop it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("screenshots"), help="the folder they go to")
    parser.add_argument("--events", default="50000", help="how many the demo makes")
    given = parser.parse_args()
    target = given.to
    target.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="tallystick-screenshots-") as home, sync_playwright() as playwright:
        demo = Demo(Path(home))
        demo.options = ("--events", given.events)
        demo.start()
        try:
            demo.wait_until_loaded()
            record_names(demo)
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            take(browser, demo, target)
            browser.close()
        finally:
            demo.stop()


if __name__ == "__main__":
    main()
