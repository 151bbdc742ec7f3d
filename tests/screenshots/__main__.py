"""Start the demo, take the pictures, stop it."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.fixtures.browser import ARGUMENTS, program
from tests.screenshots import around, beginning, trail
from tests.screenshots.camera import Camera
from tests.screenshots.demo import Demo, record_names, sign_in

VIEWPORTS = {"wide": (1440, 900), "narrow": (390, 844)}
SCHEMES = ("light", "dark")


def main() -> None:
    """Every page and state, in each width and scheme."""
    parser = argparse.ArgumentParser(prog="python -m tests.screenshots", description=__doc__)
    parser.add_argument("--to", type=Path, default=Path("screenshots"), help="the folder they go to")
    parser.add_argument("--events", default="50000", help="how many the demo makes")
    parser.add_argument("--look", help="only one, such as narrow-dark")
    given = parser.parse_args()
    given.to.mkdir(exist_ok=True)
    looks = [(width, scheme) for width in VIEWPORTS for scheme in SCHEMES]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        for width, scheme in looks:
            if given.look in (None, f"{width}-{scheme}"):
                with tempfile.TemporaryDirectory(prefix="tallystick-screenshots-") as home:
                    take_look(browser, Path(home), given.events, given.to, width, scheme)
        browser.close()


def take_look(browser: Browser, home: Path, events: str, target: Path, width: str, scheme: str) -> None:
    """The walk in one look, with a trail of its own: what one walk writes stands in no other's pictures."""
    demo = Demo(home / "demo", events)
    demo.start()
    try:
        demo.wait_until_loaded()
        record_names(demo)
        take(browser, demo, target, width, scheme)
    finally:
        demo.stop()


def take(browser: Browser, demo: Demo, target: Path, width: str, scheme: str) -> None:
    """Every page and state, those of an organization without events last."""
    across, down = VIEWPORTS[width]

    def camera() -> Camera:
        context = browser.new_context(
            viewport={"width": across, "height": down}, color_scheme="dark" if scheme == "dark" else "light"
        )
        return Camera(context.new_page(), target, f"{width}-{scheme}")

    walking = camera()
    beginning.take_sign_in(walking, demo)
    sign_in(walking.page, demo)
    trail.take(walking, demo)
    around.take(walking, demo)
    walking.page.context.close()
    with beginning.empty_server(demo.home.parent / "empty") as server:
        walking = camera()
        beginning.take(walking, server)
        walking.page.context.close()


if __name__ == "__main__":
    main()
