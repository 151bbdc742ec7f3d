"""Start the demo, take the pictures, stop it."""

import argparse
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, sync_playwright

from tests.fixtures.browser import ARGUMENTS
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
    with tempfile.TemporaryDirectory(prefix="tallystick-screenshots-") as home, sync_playwright() as playwright:
        demo = Demo(Path(home) / "demo", given.events)
        demo.start()
        try:
            demo.wait_until_loaded()
            record_names(demo)
            browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
            take(browser, demo, given.to, given.look)
            browser.close()
        finally:
            demo.stop()


def take(browser: Browser, demo: Demo, target: Path, only: str | None) -> None:
    """Four times the same walk; what is written in it, such as a case, is written once more each time."""
    looks = [(width, scheme) for width in VIEWPORTS for scheme in SCHEMES]
    for width, scheme in looks:
        if only not in (None, f"{width}-{scheme}"):
            continue
        across, down = VIEWPORTS[width]
        context = browser.new_context(
            viewport={"width": across, "height": down}, color_scheme="dark" if scheme == "dark" else "light"
        )
        camera = Camera(context.new_page(), target, f"{width}-{scheme}")
        beginning.take_sign_in(camera, demo)
        sign_in(camera.page, demo)
        trail.take(camera, demo)
        around.take(camera, demo)
        context.close()
        with beginning.empty_server(demo.home.parent / f"{width}-{scheme}") as server:
            context = browser.new_context(
                viewport={"width": across, "height": down}, color_scheme="dark" if scheme == "dark" else "light"
            )
            beginning.take(Camera(context.new_page(), target, f"{width}-{scheme}"), server)
            context.close()


if __name__ == "__main__":
    main()
