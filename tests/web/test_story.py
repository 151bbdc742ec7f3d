"""The worked example, from the alert to the incident report."""

import re
from pathlib import Path

from playwright.sync_api import Error, Page, expect

from tests.render.reading import text_of
from tests.web.axe import violations_in_every_look

REPORT = {
    "Issue": "Deployment blocked by policy",
    "Detected": "Immediately via policy check",
    "Impact": "No production impact (blocked)",
    "Root Cause": "Missing S3 encryption config",
    "Resolution": "Add encryption, redeploy",
    "Time to Fix": "15 minutes",
}


def choose(page: Page, menu: str, value: str) -> None:
    details = page.locator("#filters details.menu").filter(has=page.locator("summary", has_text=menu))
    # A choice is named with its number once the numbers are there: "Deployments" becomes "Deployments 2".
    box = page.get_by_role("group", name=menu).get_by_role("checkbox", name=re.compile(rf"^{value}( [\d,]+)?$"))
    page.wait_for_load_state("networkidle")  # what comes in beside the list may move the buttons
    for _ in range(6):
        if not details.evaluate("menu => menu.open"):
            details.locator("summary").click()
        try:
            box.check(timeout=3000)
            break
        except Error:  # the click fell where the button no longer was
            continue
    # Only then the list is drawn, and the buttons of the menus stand where they stay.
    expect(page.locator(".chip", has_text=value)).to_be_visible()
    page.keyboard.press("Escape")


def actions(page: Page) -> list[str]:
    return page.locator("#rows td.c-action code").all_inner_texts()


def find_and_read(page: Page) -> None:
    """Category = Deployments, Status = Failed, that day: one event, and its details."""
    page.goto("/audit-logs?range=custom&start=2024-01-15&end=2024-01-15")
    choose(page, "Category", "Deployments")
    choose(page, "Status", "Failed")
    expect(page.locator("#rows tr")).to_have_count(1)
    assert actions(page) == ["deployment.failed"]

    page.locator("#rows tr .c-user").click()
    panel = page.locator("#panel .panel")
    for told in (
        "2024-01-15 14:30:45.000 UTC", "sarah@acme.com (usr_456)", "deployment.failed", "api-infrastructure",
        "192.168.1.50", "Chrome/120.0", 'error:\\s*"Policy violation: S3 encryption required"',
        "resources_planned:\\s*5", "resources_applied:\\s*2", "deployment_id", "dep_789", "trigger", "manual",
    ):  # fmt: skip
        pattern = told if "\\s" in told else re.escape(told)
        expect(panel).to_contain_text(re.compile(pattern))


def investigate(page: Page) -> None:
    """Resource = api-infrastructure: three events; the timeline adds the sign-in; it becomes a case."""
    page.goto("/audit-logs?resource=api-infrastructure&range=custom&start=2024-01-15&end=2024-01-15")
    expect(page.locator("#rows tr")).to_have_count(3)
    assert actions(page) == ["deployment.failed", "deployment.started", "project.file_updated"]

    page.locator("#rows tr .c-user").first.click()
    page.locator("#panel").get_by_role("link", name="Investigate").first.click()
    timeline = page.locator(".timeline > li")
    expect(timeline).to_have_count(4)
    for entry, (time, action) in zip(
        timeline.all(),
        (
            ("14:25:33", "user.login"),
            ("14:28:10", "project.file_updated"),
            ("14:30:42", "deployment.started"),
            ("14:30:45", "deployment.failed"),
        ),
        strict=True,
    ):
        expect(entry).to_contain_text(time)
        expect(entry.locator("code").first).to_have_text(action)
    expect(timeline.nth(0)).to_contain_text("First event by sarah@acme.com")
    expect(timeline.nth(3).locator(".status")).to_have_text("Failed")

    page.get_by_label("Title of the new case").fill("Deployment of api-infrastructure blocked")
    page.get_by_role("button", name="Add to case").click()


def downloaded(page: Page, name: str) -> str:
    """A report as text."""
    with page.expect_download() as download:
        page.get_by_role("link", name=f"Download {name}").click()
    document = Path(download.value.path()).read_bytes()
    return text_of(document) if name == "PDF" else document.decode().replace("**", "")


def test_a_failed_deployment_is_found_understood_and_written_down(as_person):
    page = as_person()
    find_and_read(page)
    investigate(page)
    for label, words in REPORT.items():
        page.get_by_label(label, exact=True).fill(words)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_label("Root Cause")).to_have_value(REPORT["Root Cause"])
    entry = page.locator(".timeline > li", has_text="project.file_updated")
    entry.get_by_text("Add note").click()
    entry.get_by_label("Note", exact=True).fill("Code change introduced unencrypted S3 bucket")
    entry.get_by_role("button", name="Save note").click()
    expect(entry.locator(".note")).to_have_text("Code change introduced unencrypted S3 bucket")
    page.get_by_role("button", name="Close case").click()
    expect(page.locator(".case-head")).to_contain_text("Closed")

    for name in ("PDF", "Markdown"):
        text = downloaded(page, name)
        for label, words in REPORT.items():
            assert re.search(rf"{label}: +{re.escape(words)}", text), label
        assert "Code change introduced unencrypted S3 bucket" in text
        places = [text.index(action) for action in ("user.login", "project.file_updated", "deployment.failed")]
        assert places == sorted(places)


def test_axe_finds_nothing_on_investigate_and_cases(as_person, town, axe_script):
    page = as_person(reduced_motion="reduce")
    event = town.event("action:deployment.failed user:sarah@acme.com")["id"]
    page.goto(f"/audit-logs/{event}/investigate")
    assert violations_in_every_look(page, axe_script) == []
    page.get_by_role("button", name="Add to case").click()
    expect(page.get_by_role("heading", name="Incident Report")).to_be_visible()
    page.get_by_text("Add note").first.click()
    assert violations_in_every_look(page, axe_script) == []
    page.goto("/cases")
    assert violations_in_every_look(page, axe_script) == []


def test_an_event_goes_into_a_case_that_is_there_already(as_person, town):
    page = as_person()
    event = town.event("action:user.login user:sarah@acme.com")["id"]
    page.goto(f"/audit-logs/{event}/investigate?by=session&before=0m&after=0m")
    page.get_by_label("Title of the new case").fill("One that is there")
    page.get_by_role("button", name="Add to case").click()
    other = town.event("action:deployment.failed user:sarah@acme.com")["id"]
    page.goto(f"/audit-logs/{other}/investigate?by=actor&before=0m&after=0m")
    page.get_by_label("Case", exact=True).select_option("One that is there")
    page.get_by_role("button", name="Add to case").click()
    expect(page.get_by_role("heading", name="One that is there")).to_be_visible()
    expect(page.locator(".timeline > li")).to_have_count(2)
