"""What stands around the trail: Investigate, cases, and pages that say no."""

import sqlite3

from playwright.sync_api import Page

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
    camera.visit("cases-empty", f"{demo.url}/cases?state=closed")
    camera.visit("cases-first", f"{demo.url}/cases")
    take_investigation(camera, demo)
    take_case(camera, demo)
    camera.visit("cases", f"{demo.url}/cases")
    camera.visit("cases-open", f"{demo.url}/cases?state=open")
    camera.visit("cases-closed", f"{demo.url}/cases?state=closed")
    take_refusals(camera, demo)


def take_investigation(camera: Camera, demo: Demo) -> None:
    """The timeline around the failed deployment; one with long names; one that is too long."""
    page = camera.page
    for name, search in (("long-names", "an_action_with_a_name"), ("full", "workflow"), ("story", "encryption")):
        open_first(page, f"{demo.url}/audit-logs?q={search}")
        page.locator("#panel").get_by_role("link", name="Investigate").first.click()
        page.locator(".timeline").wait_for()
        camera.picture(f"investigate-{name}")
    page.locator(".make").scroll_into_view_if_needed()
    camera.picture("investigate-make-a-case")


def take_case(camera: Camera, demo: Demo) -> None:
    """A case that begins, is written, is finished, and one with a long title and no event."""
    page = camera.page
    page.get_by_role("button", name="Make a case").click()
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
    page.evaluate("document.querySelector('#timeline-title').scrollIntoView()")
    camera.picture("case-note-being-written")
    edit.get_by_role("button", name="Save the note").click()
    page.wait_for_load_state("networkidle")
    camera.picture("case-with-note")
    page.goto(place)
    page.get_by_role("button", name="Close the case").click()
    page.wait_for_load_state("networkidle")
    camera.visit("case-finished", place)
    page.locator("#title").fill("")
    page.evaluate("document.querySelector('form.report').noValidate = true")
    page.get_by_role("button", name="Save", exact=True).click()
    page.locator("#problem").wait_for()
    camera.picture("case-refused")
    open_first(page, f"{demo.url}/audit-logs?q=an_action_with_a_name")
    page.locator("#panel").get_by_role("link", name="Investigate").first.click()
    page.locator("input[name=title]").fill(LONG_TITLE)
    page.get_by_role("button", name="Make a case").click()
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
