"""A page of a browser whose pictures go to a folder, each named for what it shows and how wide and dark it is."""

from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page

DRAWN_MS = 600  # menus and counts come a moment after the page


@dataclass(frozen=True, slots=True)
class Camera:
    """`look` stands at the end of each file's name."""

    page: Page
    target: Path
    look: str

    def picture(self, name: str, *, whole: bool = False) -> None:
        """What is on the screen, or the `whole` page; complains about a page that is wider than the screen."""
        self.page.wait_for_timeout(DRAWN_MS)
        self.page.screenshot(path=self.target / f"{name}-{self.look}.png", full_page=whole)
        too_wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        if too_wide > 0:
            print(f"{name}-{self.look}: {too_wide} px wider than the screen")

    def visit(self, name: str, url: str, *, whole: bool = False) -> None:
        """Go there and take a picture."""
        self.page.goto(url)
        self.page.wait_for_load_state("networkidle")
        self.picture(name, whole=whole)
