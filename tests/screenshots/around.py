"""What stands around the trail: Investigate, cases, and pages that say no."""

import json
import sqlite3
from urllib.parse import urlencode

from playwright.sync_api import Page

from tests.screenshots import watching
from tests.screenshots.camera import Camera
from tests.screenshots.demo import Demo

REPORT = {
    "issue": "Deployment blocked by policy",
    "detected": "Immediately, by the policy check",
    "impact": "No production impact (blocked)",
    "root_cause": "The module for buckets was copied before encryption became a rule. Its copy was never checked, "
    "since the check reads only what a change touches.\n\nThree more projects have the same copy.",
    "resolution": "Add encryption, redeploy",
    "time_to_fix": "15 minutes",
}
LONG_TITLE = "Deployment_blocked_by_a_policy_whose_name_was_never_broken_" * 3


def take(camera: Camera, demo: Demo) -> None:
    """All of it; the cases that are there come from the walk itself."""
    take_investigation(camera, demo)
    take_case(camera, demo)
    camera.visit("cases", f"{demo.url}/cases")
    camera.visit("cases-open", f"{demo.url}/cases?state=open")
    camera.visit("cases-closed", f"{demo.url}/cases?state=closed")
    take_exports(camera, demo)
    watching.take(camera, demo)
    take_compliance(camera, demo)
    take_retention(camera, demo)
    take_integrity(camera, demo)
    take_refusals(camera, demo)


def take_integrity(camera: Camera, demo: Demo) -> None:
    """The page from top to bottom; with a public log; when the log is frozen, and when something differs."""
    page = camera.page
    camera.visit("integrity", f"{demo.url}/integrity")
    page.locator("#without-title").scroll_into_view_if_needed()
    page.evaluate("document.querySelector('#without-title').scrollIntoView()")
    camera.picture("integrity-further-down")
    page.get_by_role("button", name="Publish log").click()
    page.locator("#public").scroll_into_view_if_needed()
    camera.picture("integrity-public")
    page.get_by_role("button", name="Stop publishing").click()
    problems = [{"index": number, "words": "status is not what its parts say"} for number in range(5, 30)]
    with sqlite3.connect(demo.data_dir / "tallystick.db", timeout=10) as connection:
        (kept,) = connection.execute("SELECT last FROM integrity_rounds").fetchone()
        differing = json.dumps(json.loads(kept) | {"found": 4711, "problems": problems}).encode()
        connection.execute("UPDATE integrity_rounds SET last = ?", (differing,))
        connection.execute("UPDATE logs SET frozen_reason = 'The log has 12 entries, yet 20 were signed here before.'")
        connection.commit()
        camera.visit("integrity-frozen-and-different", f"{demo.url}/integrity")
        connection.execute("UPDATE integrity_rounds SET last = ?", (kept,))
        connection.execute("UPDATE logs SET frozen_reason = NULL")


def take_exports(camera: Camera, demo: Demo) -> None:
    """Before the first; the menu; and three, of which one is a summary of a search."""
    page = camera.page
    camera.visit("exports-none-yet", f"{demo.url}/exports")
    for kind, search in (("csv", "status:failed"), ("bundle", ""), ("pdf", "deployment user:sarah@acme.com")):
        page.goto(f"{demo.url}/audit-logs?{urlencode({'q': search})}")
        page.locator("#export-menu > summary").click()
        if kind == "csv":
            camera.picture("menu-export")
        page.locator(f"#export-form button[value={kind}]").click()
        page.wait_for_url("**/exports*")
    camera.picture("exports-under-way")
    page.get_by_role("link", name="Download").nth(2).wait_for()
    camera.visit("schedule-form", f"{demo.url}/exports/schedules/new?status=failed&range=7d", whole=True)
    page.get_by_label("Email recipients").fill("maya@acme.com\nauditor@outside.example")
    page.get_by_role("button", name="Schedule").click()
    page.locator("#scheduled li").first.wait_for()
    camera.picture("exports")


def take_compliance(camera: Camera, demo: Demo) -> None:
    """Before the first report; a report from top to bottom; a review begun, noted and signed; the page with them."""
    page, url = camera.page, f"{demo.url}/compliance"
    camera.visit("compliance-none-yet", url)
    for framework in ("soc2", "gdpr"):
        page.goto(url)
        page.locator("select[name=framework]").select_option(framework)
        page.get_by_role("button", name="Create report").click()
        page.locator("#controls-title").wait_for()
        camera.picture(f"compliance-{framework}")
    page.locator(".exceptional details > summary").first.click()
    page.locator("#control-4").scroll_into_view_if_needed()
    camera.picture("compliance-controls")
    page.locator("#checkpoint-title").scroll_into_view_if_needed()
    camera.picture("compliance-end")
    camera.visit(
        "compliance-control-to-review", f"{url}?start=2026-01-01T00:00:00Z&about=soc2+CC6.3&q=action:user.role_changed"
    )
    page.goto(url)
    page.locator("#start-review [name=q]").fill("action:deployment.failed")
    page.get_by_role("button", name="Start review").click()
    page.locator(".look-through summary").first.click()
    page.locator(".marking").first.get_by_label("Note").fill("The policy engine said no, as it should.")
    camera.picture("review-being-noted")
    page.get_by_role("button", name="Add finding").first.click()
    page.locator("#conclusion").fill("Every failure was looked at. Nothing reached production.")
    camera.picture("review-being-concluded")
    page.get_by_role("button", name="Sign", exact=True).click()
    page.get_by_text("View in Audit Logs").wait_for()
    camera.picture("review-signed")
    camera.visit("compliance", url)


def take_retention(camera: Camera, demo: Demo) -> None:
    """The page; what a smaller plan would delete; a hold looked at, placed and about to be released; an erasure."""
    page, url = camera.page, f"{demo.url}/retention"
    camera.visit("retention", url)
    camera.visit("retention-smaller-plan", f"{url}?look=change&plan=free")
    camera.visit("retention-refused", f"{url}?look=change&plan=enterprise&days=30")
    page.goto(f"{url}?look=hold&name=Case+7&query=user:sarah@acme.com")
    page.get_by_role("button", name="Place hold").scroll_into_view_if_needed()
    camera.picture("retention-hold")
    page.get_by_role("button", name="Place hold").click()
    page.locator("details.menu-plain > summary").click()
    page.locator(".menu-plain [name=email]").fill("john@acme.com")
    page.locator(".menu-plain [name=reason]").fill("Request 17")
    camera.picture("retention-erasure-being-asked", whole=True)
    page.get_by_role("button", name="Request and preview").click()
    page.wait_for_load_state("networkidle")
    camera.picture("retention-erasure-waits", whole=True)
    page.get_by_role("link", name="Release Case 7").click()
    page.get_by_role("button", name="Release hold").scroll_into_view_if_needed()
    camera.picture("retention-hold-release")


def take_investigation(camera: Camera, demo: Demo) -> None:
    """The timeline around the failed deployment; one with long names; one that is too long."""
    page = camera.page
    for name, search in (
        ("long-names", "an_action_with_a_name"),
        ("full", "workflow"),
        ("story", "action:deployment.failed+encryption"),
    ):
        open_first(page, f"{demo.url}/audit-logs?q={search}")
        page.locator("#panel").get_by_role("link", name="Investigate").first.click()
        page.locator(".timeline").wait_for()
        camera.picture(f"investigate-{name}")
    page.locator(".make").scroll_into_view_if_needed()
    camera.picture("investigate-make-a-case")


def take_case(camera: Camera, demo: Demo) -> None:
    """A case that begins, is written, is finished, and one with a long title and no event."""
    page = camera.page
    page.get_by_role("button", name="Add to case").click()
    page.locator(".report").wait_for()
    camera.picture("case-begun")
    place = page.url
    for name, words in REPORT.items():
        page.locator(f"#{name}").fill(words)
    camera.picture("case-being-written")
    page.get_by_role("button", name="Save", exact=True).click()
    page.wait_for_load_state("networkidle")
    edit = page.locator(".note-edit").last
    edit.locator("summary").click()
    edit.locator("textarea").fill("The policy engine said no, as it should.\nSee the rule for buckets.")
    edit.locator("textarea").scroll_into_view_if_needed()
    camera.picture("case-note-being-written")
    edit.get_by_role("button", name="Save note").click()
    page.wait_for_load_state("networkidle")
    camera.picture("case-with-note")
    page.goto(place)
    page.locator("#title").fill("")
    page.evaluate("document.querySelector('form.report').noValidate = true")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#problem").wait_for()
    camera.picture("case-refused")
    page.goto(place)
    page.get_by_role("button", name="Close case").click()
    page.wait_for_load_state("networkidle")
    camera.visit("case-finished", place)
    open_first(page, f"{demo.url}/audit-logs?q=an_action_with_a_name")
    page.locator("#panel").get_by_role("link", name="Investigate").first.click()
    page.locator("input[name=title]").fill(LONG_TITLE)
    page.get_by_role("button", name="Add to case").click()
    page.locator(".report").wait_for()
    camera.picture("case-long-names")


def take_refusals(camera: Camera, demo: Demo) -> None:
    """403: a form of another session. 404. 500: a row of a case that is damaged in the database."""
    page = camera.page
    camera.visit("error-404", f"{demo.url}/nowhere")
    camera.visit("error-404-case", f"{demo.url}/cases/case_00000000000000000000000000")
    page.goto(f"{demo.url}/cases")
    page.evaluate("document.querySelector('[name=form_token]').value = 'of another session'")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_load_state("networkidle")
    camera.picture("error-403")
    page.goto(f"{demo.url}/cases")
    place = page.locator(".case-list a").first.get_attribute("href")
    (database,) = demo.data_dir.glob("*.db")
    with sqlite3.connect(database, timeout=10) as connection:
        kept = connection.execute("SELECT rowid, created_at FROM cases").fetchall()
        connection.execute("UPDATE cases SET created_at = 'damaged'")
        connection.commit()
        camera.visit("error-500", f"{demo.url}{place}")
        connection.executemany("UPDATE cases SET created_at = ?2 WHERE rowid = ?1", kept)


def open_first(page: Page, url: str) -> None:
    """Go to a list and open the newest of its events."""
    page.goto(url)
    page.locator("#rows a.open").first.click()
    page.locator("#panel .panel").wait_for()
