"""Alerts and Security: what was found, a rule tested before it is made, a destination, the signs."""

import re

from tests.screenshots.camera import Camera
from tests.screenshots.demo import Demo


def take(camera: Camera, demo: Demo) -> None:
    """The page before and after; an alert, the form, a mistake in it, a back-test; Security, of a month and a day."""
    page, url = camera.page, f"{demo.url}/alerts"
    camera.visit("alerts", url)
    page.locator("#rules").scroll_into_view_if_needed()
    camera.picture("alerts-rules")
    page.goto(url)
    page.get_by_role("link", name=re.compile("Deployment Failed")).first.click()
    page.get_by_role("heading", name="Events").wait_for()
    camera.picture("alert", whole=True)
    page.locator("[name=note]").fill("The policy did its work.")
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("Acknowledged by").wait_for()
    camera.visit("rule-form", f"{url}/rules/new?category=authentication&status=failed", whole=True)
    page.locator("[name=count]").fill("5")
    page.locator("[name=group_by]").select_option("user")
    page.get_by_role("button", name="Run back-test").click()
    page.get_by_role("heading", name="What this rule would have caught").wait_for()
    camera.picture("rule-tested", whole=True)
    page.locator("[name=query]").fill("user:(")
    page.get_by_role("button", name="Create rule").click()
    page.locator("#problem").wait_for()
    camera.picture("rule-mistake")
    camera.visit("backtest", f"{url}/bulk_deletion/backtest?days=90", whole=True)
    page.goto(url)
    page.locator(".destination-form [name=name]").fill("Operations")
    page.locator(".destination-form [name=url]").fill("https://hooks.example.com/services/T0/B0/xyz")
    page.get_by_role("button", name="Add", exact=True).click()
    page.get_by_text("shown this once").wait_for()
    camera.picture("destination-secret")
    page.goto(url)
    page.locator("#destinations").scroll_into_view_if_needed()
    camera.picture("destinations")
    page.goto(url)
    page.get_by_text("Destinations of").first.click()
    camera.picture("rule-goes")
    for name, days in (("security", 30), ("security-a-day", 1)):
        page.goto(f"{demo.url}/security?days={days}")
        page.get_by_text("Back-test this detection").nth(3).wait_for()
        camera.picture(name, whole=True)
