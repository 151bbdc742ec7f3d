"""The detail panel."""

import re

from playwright.sync_api import expect


def test_the_panel_opens_beside_the_list_under_its_own_url(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.locator("#rows tr").first.locator(".c-user").click()
    expect(alice.locator("#panel-title")).to_have_text("deployment.failed")
    expect(alice.locator("#panel-title")).to_be_focused()
    expect(alice).to_have_url(re.compile(rf"/audit-logs/{event['id']}\?user=sarah%40acme.com$"))
    expect(alice.locator("#rows tr")).to_have_count(4)
    expect(alice.locator("#rows tr.chosen")).to_have_count(1)


def test_the_panel_says_all_that_the_event_says(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    facts = dict(
        zip(
            alice.locator("#panel .facts dt").all_inner_texts(),
            alice.locator("#panel .facts dd").all_inner_texts(),
            strict=True,
        )
    )
    assert facts["Event ID"].split() == [event["id"], "Copy"]
    wanted = {
        "Timestamp": "2024-01-15 14:30:45.000 UTC",
        "User": "sarah@acme.com (usr_456) · Sarah Lin",
        "Action": "deployment.failed",
        "Description": "terraform apply",
        "Category": "Deployments",
        "Resource": "api-infrastructure (prj_88) · project",
        "IP address": "192.168.1.50",
        "User agent": "Chrome/120.0",
        "Status": "Failed",
        "Redacted": "request.token",
        "Ledger index": f"{event['index']:,}",
    }
    assert {label: facts.get(label) for label in wanted} == wanted
    assert facts["Recorded by"].startswith("test (key_")
    expect(alice.locator("#panel .sentence")).to_contain_text("Sarah Lin")


def test_changes_stand_as_before_and_after(alice, town):
    alice.goto(f"/audit-logs/{town.event('action:deployment.failed user:sarah@acme.com')['id']}")
    changes = alice.locator("#panel .changes dl > div")
    expect(changes.filter(has_text="error")).to_contain_text("Policy violation: S3 encryption required")
    mode = changes.filter(has_text="mode")
    expect(mode.locator("del")).to_have_text("plan")
    expect(mode.locator("ins")).to_have_text("apply")


def test_request_response_and_metadata_are_shown_as_json(alice, town):
    alice.goto(f"/audit-logs/{town.event('action:deployment.failed user:sarah@acme.com')['id']}")
    expect(alice.get_by_label("Request", exact=True)).to_contain_text('"deployment_id": "dep_789"')
    expect(alice.get_by_label("Request", exact=True)).to_contain_text('"token": "[redacted]"')
    expect(alice.get_by_label("Response", exact=True)).to_contain_text('"status": 422')
    expect(alice.get_by_label("Metadata", exact=True)).to_contain_text('"team": "platform"')


def test_a_link_to_an_event_shows_the_same_list_around_it(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}?user=sarah%40acme.com&tz=Europe%2FBerlin")
    expect(alice.locator("#rows tr")).to_have_count(4)
    expect(alice.locator("#panel .facts").first).to_contain_text("2024-01-15 15:30:45.000 CET (UTC+01:00)")
    alice.get_by_role("link", name="Close the event").click()
    expect(alice).to_have_url(re.compile(r"/audit-logs\?user=sarah%40acme.com&tz=Europe%2FBerlin$"))


def test_the_event_stays_open_and_in_the_url_while_one_filters(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    alice.get_by_label("Search events").fill("user:sarah@acme.com")
    expect(alice.locator("#rows tr")).to_have_count(4)
    expect(alice).to_have_url(re.compile(rf"/audit-logs/{event['id']}\?q=user%3Asarah%40acme.com$"))
    expect(alice.locator("#panel-title")).to_have_text("deployment.failed")
    expect(alice.locator("#rows tr.chosen")).to_have_count(1)


def test_back_and_forward_lead_through_the_panel(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.locator("#rows tr").first.locator(".c-user").click()
    expect(alice.locator("#panel-title")).to_be_visible()
    alice.go_back()
    expect(alice).to_have_url(re.compile(r"/audit-logs\?user=sarah%40acme.com$"))
    expect(alice.locator("#panel .panel")).to_have_count(0)


def test_the_whole_event_can_be_copied(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    alice.goto(f"/audit-logs/{event['id']}")
    alice.get_by_role("button", name="Copy JSON").click()
    expect(alice.locator("#copied")).to_have_text("Copied.")
    assert alice.evaluate("navigator.clipboard.readText().then(JSON.parse)") == event


def test_on_a_phone_the_panel_covers_the_list_and_gives_it_back(as_person):
    page = as_person(viewport={"width": 390, "height": 844})
    page.goto("/audit-logs?user=sarah%40acme.com")
    page.locator("#rows tr").nth(1).locator(".c-user").click()
    expect(page.locator("#panel-title")).to_have_text("deployment.started")
    expect(page.locator("#rows tr").first).to_be_hidden()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="Close the event").click()
    expect(page.locator("#rows tr").nth(1).get_by_role("link")).to_be_focused()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
