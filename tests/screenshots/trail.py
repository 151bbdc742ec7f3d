"""The Audit Logs page: its lists, menus, the panel, live, and what it says when it has nothing."""

import signal
import time
from urllib.parse import urlencode

from playwright.sync_api import ViewportSize

from tallystick.web.event_list import EventList
from tallystick.web.filters import Filters
from tallystick.web.templating import render
from tests.screenshots.camera import Camera
from tests.screenshots.demo import NAMES, Demo

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
    "no-such-event": "/audit-logs/evt_00000000000000000000000000",
}
MENUS = {
    "date": ".menus details:nth-of-type(1) > summary",
    "user": ".menus details:nth-of-type(2) > summary",
    "category": ".menus details:nth-of-type(3) > summary",
    "counts-as-a-table": ".as-table > summary",
    "top-values": "#top-values",
    "saved-views": "#saved-menu > summary",
    "columns": "#columns-menu > summary",
    "copy": "#copy-menu > summary",
}
STALLS = (0.04, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3)  # seconds after which the server stands still
PAPER = ViewportSize(width=718, height=1050)  # A4 without its margins
NOT_READ_WHOLE = " OR ".join(f'"{one}{two}"' for one in "☃☄★☎☏" for two in "abcdefghijklmnopqr")


def take(camera: Camera, demo: Demo) -> None:
    """All of it."""
    for name, path in PAGES.items():
        camera.visit(name, demo.url + path)
    camera.page.goto(f"{demo.url}/audit-logs?limit=1000")
    camera.page.locator("#older").scroll_into_view_if_needed()
    camera.picture("a-thousand-rows")
    take_panels(camera, demo)
    take_menus(camera, demo)
    take_live(camera, demo)
    take_trouble(camera, demo)


def take_panels(camera: Camera, demo: Demo) -> None:
    """An event open: an ordinary one, one in Arabic, and one with too much in it."""
    page = camera.page
    wanted = {
        "event": "action:deployment.failed+encryption",
        "event-right-to-left": NAMES[1],
        "event-long": "an_action_with_a_name",
    }
    for name, search in wanted.items():
        page.goto(f"{demo.url}/audit-logs")
        page.goto(f"{demo.url}/audit-logs?q={search}")
        page.locator("#rows a.open").first.click()
        page.locator("#related .near, #related .none").first.wait_for()
        camera.picture(name)
    page.locator("#panel .changes").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#panel .changes').scrollIntoView()")
    camera.picture("event-long-changes")
    page.evaluate("document.querySelector('#panel .beyond').scrollIntoView()")
    camera.picture("event-long-further-down")


def take_menus(camera: Camera, demo: Demo) -> None:
    """Everything that opens."""
    page = camera.page
    for name, place in MENUS.items():
        page.goto(f"{demo.url}/audit-logs?range=90d")
        page.locator(place).click()
        camera.picture(f"menu-{name}")
    page.locator("body").press("Escape")
    page.locator("#saved-menu > summary").click()
    form = page.locator("#saved-list form.save")
    form.locator("input[name=name]").fill(f"Failed, and long to say {camera.look}")
    form.get_by_role("button").click()
    page.wait_for_load_state("networkidle")
    page.locator("#saved-menu > summary").click()
    page.locator("#saved-list .change summary").first.click()
    camera.picture("menu-saved-views-changing")
    form.locator("input[name=name]").fill("  ")
    form.get_by_role("button").click()
    page.locator("#problem").wait_for()
    camera.picture("saved-view-refused")
    page.goto(f"{demo.url}/audit-logs")
    page.locator("#q").press_sequentially("user:s")
    camera.picture("completions")
    page.goto(f"{demo.url}/audit-logs")
    page.keyboard.press("j")
    page.keyboard.press("j")
    camera.picture("row-by-key")
    page.keyboard.press("?")
    camera.picture("keys")
    page.goto(f"{demo.url}/audit-logs?q=encryption")
    size = page.viewport_size
    assert size is not None
    page.set_viewport_size(PAPER)
    page.emulate_media(media="print")
    camera.picture("printed", whole=True)
    page.emulate_media(media="screen")
    page.set_viewport_size(size)


def take_live(camera: Camera, demo: Demo) -> None:
    """Live, and paused while something arrives."""
    page = camera.page
    page.goto(f"{demo.url}/audit-logs?live=1")
    page.get_by_text("New events appear here").wait_for()
    demo.record({"action": "picture.followed", "actor": {"id": "u1", "name": "Before the pause"}})
    page.locator("#rows").get_by_text("Before the pause").first.wait_for()
    camera.picture("live")
    page.locator("#live-pause").click()
    demo.record(*[{"action": "picture.followed", "actor": {"id": "u1", "name": "While paused"}}] * 3)
    page.get_by_text("Paused · 3 new events").wait_for()
    camera.picture("live-paused")


def take_trouble(camera: Camera, demo: Demo) -> None:
    """The server gone, and an answer that is only a part."""
    page = camera.page
    page.route("**/audit-logs/rows?*", lambda route: route.abort())
    page.locator("#q").fill("deploy")
    page.locator("#trouble").wait_for()
    camera.picture("server-gone")
    page.unroute("**/audit-logs/rows?*")
    take_partial(camera, demo)


def take_partial(camera: Camera, demo: Demo) -> None:
    """A search whose time is used up: the server stands still in the middle of it, as on a machine that is too busy."""
    page, server = camera.page, demo.process
    assert server is not None
    for delay in STALLS:
        page.goto(f"{demo.url}/audit-logs")
        page.evaluate("(url) => { location.href = url; }", f"/audit-logs?{urlencode({'q': NOT_READ_WHOLE})}")
        time.sleep(delay)
        server.send_signal(signal.SIGSTOP)
        time.sleep(1)
        server.send_signal(signal.SIGCONT)
        page.wait_for_url("**/audit-logs?q=*")
        page.wait_for_load_state("networkidle")
        if page.get_by_text("Only part of the period").count():
            camera.picture("partial")
            return
    print("partial: everything was read in time; the words are put there")
    partial = EventList(Filters(), partial=True, cursor="next", empty="Nothing found so far.")
    results = render("results.html", listing=partial, filters=partial.filters, open_id="")
    page.evaluate("(html) => { document.getElementById('results').outerHTML = html; }", results)
    camera.picture("partial")
