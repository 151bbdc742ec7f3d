"""`python -m benchmarks.live_page`: the live page in a browser while events pour in, and its first content.

A frame is measured twice: as it passes on the clock, which on a busy machine says most about the machine,
and as processor time of the page's main thread.
"""

import json
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
from playwright.sync_api import Browser, Page, sync_playwright
from tests.fixtures.browser import ARGUMENTS, program
from tests.fixtures.servers import Server
from tests.web.settling import PASSWORD, settle

# Events, and in how many seconds they are sent.
BURSTS = ((10_000, 2.0), (5_000, 5.0))
CATEGORIES = ["devtools.timeline", "toplevel"]
WATCH = """() => {
  window.frameTimes = [];
  let last = performance.now();
  const step = (now) => { window.frameTimes.push(now - last); last = now; requestAnimationFrame(step); };
  requestAnimationFrame(step);
}"""
FIRST_CONTENT = """() => {
  const answered = performance.getEntriesByType("navigation")[0].responseStart;
  return performance.getEntriesByName("first-contentful-paint")[0].startTime - answered;
}"""


def send(client: httpx.Client, count: int, seconds: float) -> None:
    """Record `count` events, evenly over the time."""
    size = 1000 if count / seconds > 2000 else 100
    began = time.monotonic()
    for first in range(0, count, size):
        events = [
            {
                "action": "burst.happened",
                "description": f"burst {number}",
                "actor": {"type": "user", "email": "bot@acme.com"},
                "context": {"ip_address": "10.0.0.1"},
            }
            for number in range(first, first + size)
        ]
        client.post("/v1/audit-logs", json={"events": events}).raise_for_status()
        time.sleep(max(0.0, began + seconds * (first + size) / count - time.monotonic()))


def burst(browser: Browser, page: Page, client: httpx.Client, count: int, seconds: float) -> dict[str, Any]:
    """One burst: frames, and whether the page counted every event."""
    page.goto("/audit-logs?live=1&q=burst")
    page.locator("#live-words", has_text="New events appear here").wait_for()
    page.evaluate(WATCH)
    browser.start_tracing(page=page, categories=CATEGORIES)
    send(client, count, seconds)
    page.locator("#count-new", has_text=f"{count:,} new events").wait_for()
    page.wait_for_timeout(500)
    traced = json.loads(browser.stop_tracing())["traceEvents"]
    drawn = Counter(event["tid"] for event in traced if event["name"] == "Layout")
    thread = drawn.most_common(1)[0][0]
    tasks = [event.get("tdur", 0) / 1000 for event in traced if event["tid"] == thread and "RunTask" in event["name"]]
    frames = page.evaluate("window.frameTimes")
    return {
        "events": count,
        "seconds": seconds,
        "frames": len(frames),
        "worst_frame_ms": round(max(frames)),
        "worst_task_cpu_ms": round(max(tasks)),
        "rows": page.locator("#rows tr").count(),
    }


def main() -> None:
    """Print the figures as JSON."""
    with tempfile.TemporaryDirectory(prefix="tallystick-live-page-") as home, sync_playwright() as playwright:
        server = Server(Path(home)).start()
        key = settle(server.data_dir, "acme", "Acme", {"alice@acme.com": "owner"})
        browser = playwright.chromium.launch(executable_path=program(), args=ARGUMENTS)
        page = browser.new_page(base_url=server.url)
        try:
            with server.client(key) as client:
                client.post("/v1/audit-logs?wait=searchable", json={"action": "page.opened"}).raise_for_status()
                page.goto("/sign-in")
                page.get_by_label("E-mail").fill("alice@acme.com")
                page.get_by_label("Password").fill(PASSWORD)
                page.get_by_role("button", name="Sign in").click()
                page.wait_for_url("**/audit-logs")
                figures = [burst(browser, page, client, count, seconds) for count, seconds in BURSTS]
                page.goto("/audit-logs")
                page.wait_for_timeout(500)
                first = round(page.evaluate(FIRST_CONTENT))
        finally:
            browser.close()
            server.stop()
    print(json.dumps({"bursts": figures, "first_content_ms_after_the_answer": first}, indent=1))


if __name__ == "__main__":
    main()
