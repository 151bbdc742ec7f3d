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
    rows = alice.locator("#panel .facts > div")
    facts = {
        row.locator("dt").inner_text(): " | ".join(row.locator(".value, .value-aside").all_inner_texts())
        for row in rows.all()
    }
    wanted = {
        "Event ID": event["id"],
        "Timestamp": "2024-01-15 14:30:45.000 UTC",
        "User": "sarah@acme.com (usr_456) · Sarah Lin",
        "Action": "deployment.failed",
        "Description": "terraform apply",
        "Category": "Deployments",
        "Resource": "api-infrastructure (prj_88) · project",
        "IP Address": "192.168.1.50",
        "User agent": "Chrome 120 | Chrome/120.0",
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
    expect(changes.filter(has_text="error:").locator(".value")).to_have_text(
        '"Policy violation: S3 encryption required"'
    )
    expect(changes.filter(has_text="resources_planned:").locator(".value")).to_have_text("5")
    mode = changes.filter(has_text="mode:")
    expect(mode.locator("del")).to_have_text('"plan"')
    expect(mode.locator("ins")).to_have_text('"apply"')


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


def test_a_value_is_shown_alone_or_excluded_with_one_click(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    user = alice.locator("#panel .facts > div", has_text="User").first
    user.hover()
    user.get_by_role("link", name="Show only User").click()
    expect(alice).to_have_url(re.compile(rf"/{event['id']}\?user=sarah%40acme.com$"))
    expect(alice.locator("#rows tr")).to_have_count(4)
    expect(alice.locator("#panel-title")).to_have_text("deployment.failed")
    error = alice.locator("#panel .changes dl > div", has_text="error:")
    error.hover()
    error.get_by_role("link", name="Exclude").click()
    expect(alice.locator("#rows tr")).to_have_count(3)
    expect(alice.get_by_label("Search events")).to_have_value(
        '-changes.error:"Policy violation: S3 encryption required"'
    )


def test_a_link_adds_to_what_was_filtered_since_the_panel_was_drawn(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    alice.get_by_label("Search events").fill("user:sarah@acme.com")
    expect(alice.locator("#rows tr")).to_have_count(4)
    action = alice.locator("#panel .facts > div", has_text="Action").first
    action.hover()
    action.get_by_role("link", name="Exclude").click()
    expect(alice.locator("#rows tr")).to_have_count(3)
    expect(alice.get_by_label("Search events")).to_have_value("user:sarah@acme.com -action:deployment.failed")


def test_a_value_and_a_request_can_be_copied(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    alice.goto(f"/audit-logs/{event['id']}")
    address = alice.locator("#panel .facts > div", has_text="IP Address")
    address.hover()
    address.get_by_role("button", name="Copy").click()
    expect(alice.locator("#copied")).to_have_text("Copied.")
    assert alice.evaluate("navigator.clipboard.readText()") == "192.168.1.50"
    alice.get_by_role("button", name="Copy as curl").click()
    alice.wait_for_function("navigator.clipboard.readText().then((text) => text.startsWith('curl '))")
    assert f"/v1/audit-logs/{event['id']}" in alice.evaluate("navigator.clipboard.readText()")


def test_what_happened_around_the_event_leads_from_event_to_event(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    near = alice.locator("#related li")
    expect(near).to_have_count(4)
    expect(near.nth(0)).to_contain_text("same actor, address")
    near.nth(0).get_by_role("link").click()
    expect(alice.locator("#panel-title")).to_have_text("user.login")


def test_the_panel_is_made_wider_by_hand_and_by_key_and_stays_so(alice, town):
    event = town.event("action:deployment.failed user:sarah@acme.com")
    alice.goto(f"/audit-logs/{event['id']}")
    grip = alice.get_by_role("separator", name="Width of the event panel")
    before = alice.locator("#panel").bounding_box()["width"]
    grip.focus()
    alice.keyboard.press("ArrowLeft")
    alice.keyboard.press("ArrowLeft")
    expect(grip).to_have_attribute("aria-valuenow", "38")
    wider = alice.locator("#panel").bounding_box()["width"]
    assert wider > before
    box = grip.bounding_box()
    alice.mouse.move(box["x"] + 4, box["y"] + 200)
    alice.mouse.down()
    alice.mouse.move(box["x"] - 120, box["y"] + 200, steps=4)
    alice.mouse.up()
    widest = alice.locator("#panel").bounding_box()["width"]
    assert widest > wider + 80
    alice.reload()
    assert abs(alice.locator("#panel").bounding_box()["width"] - widest) < 2
    alice.evaluate("localStorage.removeItem('tallystick.panel-width')")
