"""`python -m benchmarks.typing_page`: searching, filtering and paging in a browser with a million events.

Each figure is the time from the moment the page asks (after the pause in typing) until the new rows are painted.
"""

import argparse
import json
import statistics
from collections.abc import Callable
from functools import partial

from playwright.sync_api import Page, sync_playwright
from tests.fixtures.browser import ARGUMENTS, program

from benchmarks import corpus
from benchmarks.load import request, send_all
from benchmarks.server import Measured

EMAIL = "bench@example.com"
WORDS = ("deploy", "failed", "john@", "vpc-prod", "terraform apply", "policy violation", "sarah", "encryption")
# From the first byte of the question to the painting of the answer.
WATCH = """() => {
  window.painted = [];
  document.addEventListener("htmx:beforeSend", (event) => {
    if (["results", "rows"].includes(event.detail.target?.id)) window.askedAt = performance.now();
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    if (!["results", "rows"].includes(event.detail.target?.id)) return;
    const asked = window.askedAt;
    requestAnimationFrame(() => setTimeout(() => window.painted.push(performance.now() - asked)));
  });
}"""


def fill(server: Measured, count: int) -> None:
    """Record the events and wait until they can be found."""
    messages = [
        request("POST", "/v1/audit-logs", server.key, body) for body in corpus.bodies(list(corpus.events(count)), 1000)
    ]
    send_all(server.port, messages, 4)
    server.caught_up(server.last_index())


def open_page(server: Measured, page: Page, password: str) -> None:
    """Sign in and stand on the list."""
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("E-mail").fill(EMAIL)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.goto(f"{server.url}/audit-logs?range=90d")
    page.locator("#rows tr").first.wait_for()
    page.evaluate(WATCH)


def painted(page: Page, act: Callable[[], object]) -> list[float]:
    """What `act` made the page paint, in milliseconds."""
    page.evaluate("() => { window.painted = []; }")
    act()
    for _ in range(100):  # the page forbids the waiting of Playwright that is a script
        page.wait_for_timeout(100)
        if page.evaluate("() => window.painted.length"):
            break
    page.wait_for_timeout(400)
    return list(page.evaluate("() => window.painted"))


def typing(page: Page, rounds: int) -> dict[str, list[float]]:
    """Each word typed letter by letter, as somebody does who knows what to look for."""
    box = page.locator("#q")
    found: dict[str, list[float]] = {}
    for _ in range(rounds):
        for word in WORDS:
            box.fill("")
            page.wait_for_timeout(500)
            last = painted(page, partial(box.press_sequentially, word, delay=60))[-1]
            found.setdefault(word, []).append(last)
    box.fill("")
    page.wait_for_timeout(500)
    return found


def filtering(page: Page) -> list[float]:
    """A box ticked and unticked again in the menus of the filters."""
    taken = []
    for _ in range(5):
        for name, value in (("status", "failed"), ("category", "deployments")):
            box = f'input[name="{name}"][value="{value}"]'
            tick = f"() => document.querySelector('{box}').click()"
            taken += [painted(page, partial(page.evaluate, tick))[-1] for _ in range(2)]
    return taken


def paging(page: Page, steps: int) -> list[float]:
    """Older rows, page after page."""
    return [painted(page, page.locator("#older").click)[-1] for _ in range(steps)]


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    chosen = parser.parse_args()
    server = Measured()
    try:
        password = server.run("user", "create", EMAIL, "--org", "bench", "--role", "owner").strip()
        fill(server, chosen.events)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
            page = browser.new_page()
            open_page(server, page, password)
            typed = typing(page, 5)
            filtered = filtering(page)
            paged = paging(page, 10)
            browser.close()
        every = [one for some in typed.values() for one in some]
        print(
            json.dumps(
                {
                    "events": chosen.events,
                    "typing_median_ms": round(statistics.median(every)),
                    "typing_by_word_ms": {word: round(statistics.median(some)) for word, some in typed.items()},
                    "filtering_median_ms": round(statistics.median(filtered)),
                    "paging_median_ms": round(statistics.median(paged)),
                },
                indent=2,
            )
        )
    finally:
        server.stop()


if __name__ == "__main__":
    main()
