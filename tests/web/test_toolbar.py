"""The tools around the list, in a browser."""

import re

import pytest
from playwright.sync_api import expect


def test_the_search_completes_qualifiers_and_values(alice):
    box = alice.get_by_label("Search events")
    box.press_sequentially("us")
    expect(alice.locator("#offers [role=option]").first).to_have_text(re.compile("^user: "))
    alice.keyboard.press("ArrowDown")
    alice.keyboard.press("Enter")
    expect(box).to_have_value("user:")
    box.press_sequentially("sar")
    expect(alice.locator("#offers [role=option]")).to_contain_text("user:sarah@acme.com")
    alice.locator("#offers [role=option]").click()
    expect(box).to_have_value("user:sarah@acme.com ")
    expect(box).to_be_focused()
    expect(alice.locator("#rows tr")).to_have_count(4)


def test_escape_closes_the_completions_and_leaves_what_is_typed(alice):
    box = alice.get_by_label("Search events")
    box.press_sequentially("sta")
    expect(alice.locator("#offers [role=option]")).to_have_count(1)
    alice.keyboard.press("Escape")
    expect(alice.locator("#offers [role=option]")).to_have_count(0)
    expect(box).to_have_value("sta")


def test_matches_are_marked_in_the_rows(alice):
    alice.goto("/audit-logs?q=DEPLOY")
    expect(alice.locator("#rows mark").first).to_have_text("deploy")


def test_each_term_of_the_search_is_a_chip_that_takes_it_away(alice):
    alice.goto("/audit-logs?q=user:sarah@acme.com+-deploy")
    expect(alice.locator(".chip")).to_have_count(2)
    alice.get_by_role("link", name="Not: deploy").click()
    expect(alice).to_have_url(re.compile(r"\?q=user%3Asarah%40acme.com$"))
    expect(alice.locator("#rows tr")).to_have_count(4)


def test_a_top_value_is_left_out_with_one_click_and_the_focus_stays(alice):
    alice.goto("/audit-logs?range=custom&start=2024-01-15&end=2024-01-15")
    alice.locator("#top-values").click()
    alice.get_by_label("Most frequent").select_option("action")
    alice.get_by_role("link", name="Exclude user.login").click()
    expect(alice.locator("#rows tr")).to_have_count(3)
    expect(alice.locator("#top-values")).to_be_focused()


def test_dragging_over_the_bars_narrows_the_period(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com&range=custom&start=2024-01-14&end=2024-01-16")
    alice.wait_for_load_state("networkidle")  # what comes in beside the bars may move them
    box = alice.locator(".bars .u-over").bounding_box()
    alice.mouse.move(box["x"] + box["width"] * 0.01, box["y"] + 20)
    alice.mouse.down()
    alice.mouse.move(box["x"] + box["width"] * 0.3, box["y"] + 20, steps=4)
    alice.mouse.up()
    expect(alice.locator("#rows tr")).to_have_count(0)
    expect(alice).to_have_url(re.compile(r"start=2024-01-14T00%3A00%3A00Z&end=2024-01-1\dT"))
    alice.go_back()
    expect(alice.locator("#rows tr")).to_have_count(4)


def test_a_finger_over_the_bars_narrows_the_period(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com&range=custom&start=2024-01-14&end=2024-01-16")
    alice.wait_for_load_state("networkidle")
    box = alice.locator(".bars .u-over").bounding_box()
    finger = alice.context.new_cdp_session(alice)

    def touch(kind, *shares):
        points = [{"x": box["x"] + box["width"] * share, "y": box["y"] + 20} for share in shares]
        finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    touch("touchStart", 0.01)
    for share in (0.1, 0.2, 0.3):
        touch("touchMove", share)
    touch("touchEnd")
    expect(alice.locator("#rows tr")).to_have_count(0)
    expect(alice).to_have_url(re.compile(r"start=2024-01-14T00%3A00%3A00Z&end=2024-01-1\dT"))


def test_without_dragging_the_table_of_counts_narrows_too(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com&range=custom&start=2024-01-14&end=2024-01-16")
    alice.get_by_text("Show as table").click()
    alice.locator(".as-table tbody a").first.click()
    expect(alice.locator(".chip", has_text="Date: 2024-01-15 14:")).to_have_count(1)
    expect(alice.locator("#histogram")).to_be_focused()


def test_columns_are_chosen_remembered_and_part_of_the_link(alice):
    headers = alice.get_by_role("columnheader")
    alice.locator("#columns-menu > summary").click()
    alice.locator("[data-column=ip]").uncheck()
    alice.locator("[data-column=id]").check()
    expect(headers.filter(visible=True)).to_have_text(
        ["Timestamp UTC", "User", "Action", "Resource", "Status", "Event ID"]
    )
    expect(alice).to_have_url(re.compile(r"columns=time%2Cuser%2Caction%2Cresource%2Cstatus%2Cid"))
    alice.locator("#compact").check()
    alice.goto("/audit-logs")
    expect(headers.filter(visible=True).last).to_have_text("Event ID")
    assert alice.locator("#rows tr").first.bounding_box()["height"] <= 29
    alice.goto("/audit-logs?columns=time,user")
    expect(headers.filter(visible=True)).to_have_text(["Timestamp UTC", "User"])
    alice.evaluate("localStorage.clear()")


def test_without_the_time_the_keyboard_still_leads_to_the_events(alice):
    alice.goto("/audit-logs?columns=user,action&user=sarah%40acme.com")
    alice.keyboard.press("j")
    assert alice.locator("#rows tr").first.evaluate("(row) => getComputedStyle(row).outlineStyle") == "solid"
    alice.keyboard.press("Enter")
    expect(alice.locator("#panel-title")).to_have_text("deployment.failed")


def test_markup_is_offered_and_taken_as_text(alice):
    alice.get_by_label("Search events").press_sequentially('user:"<svg')
    expect(alice.locator("#offers [role=option]").first).to_contain_text('user:"<svg/onload=window.bitten=1>"')
    alice.keyboard.press("ArrowDown")
    alice.keyboard.press("Tab")
    expect(alice.locator("#rows tr").first).to_contain_text("<svg/onload=window.bitten=1>")
    expect(alice.locator(".chip")).to_contain_text("<svg/onload=window.bitten=1>")
    assert alice.evaluate("window.bitten") is None


def test_the_search_can_be_copied_as_a_command_that_works(alice, town):
    alice.context.grant_permissions(["clipboard-read", "clipboard-write"])
    alice.goto("/audit-logs?q=deploy&status=failed")
    alice.locator("#copy-menu > summary").click()
    alice.get_by_role("button", name="As a curl command").click()
    expect(alice.locator("#search-copied")).to_have_text("Copied.")
    command = alice.evaluate("navigator.clipboard.readText()")
    path = re.fullmatch(rf"curl -H \"Authorization: Bearer \$API_KEY\" '{town.server.url}(.+)'", command)[1]
    assert [event["action"] for event in town.acme.get(path).json()["data"]] == ["deployment.failed"]


def test_a_category_says_how_many_there_are_and_other_stands_only_where_there_is_any(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.locator("summary", has_text="Category").click()
    expect(alice.locator("label", has_text="Deployments").locator(".number")).to_have_text("2")
    expect(alice.locator("label", has=alice.locator("[value=other]"))).to_be_hidden()


def test_t_goes_through_the_zones_and_a_time_says_how_long_ago_it_was(alice):
    alice.goto("/audit-logs?q=deployment.failed&category=deployments")
    alice.keyboard.press("t")
    expect(alice.get_by_role("columnheader").first).to_have_text("Timestamp Europe/Berlin")
    alice.locator("#rows .c-time").first.hover()
    expect(alice.locator("#rows time").first).to_have_attribute("title", re.compile(r"^\d+ years? ago$"))


def test_seconds_stay_beside_an_open_event_and_a_phone_scrolls_only_down(alice):
    alice.goto("/audit-logs?user=sarah%40acme.com")
    alice.locator("#rows tr").first.click()
    expect(alice.locator("#panel-title")).to_be_visible()
    assert alice.evaluate(
        "() => { const c = document.querySelector('#rows .c-time'), t = c.querySelector('time');"
        " return t.getBoundingClientRect().right <= c.getBoundingClientRect().right; }"
    )
    alice.keyboard.press("Escape")
    alice.set_viewport_size({"width": 390, "height": 844})
    assert alice.evaluate("document.documentElement.scrollWidth") <= 390
    alice.set_viewport_size({"width": 1280, "height": 800})


def test_no_request_leaves_the_host(alice, town):
    asked = []
    alice.on("request", lambda request: asked.append(request.url))
    alice.goto("/audit-logs?q=deploy")
    expect(alice.locator(".bars canvas")).to_be_visible()
    alice.locator("#rows tr").first.click()
    expect(alice.locator("#panel-title")).to_be_visible()
    assert [url for url in asked if not url.startswith((town.server.url, "data:"))] == []


def test_the_bars_are_there_after_an_event_was_closed_on_a_phone(alice):
    alice.set_viewport_size({"width": 390, "height": 844})
    alice.goto("/audit-logs")
    expect(alice.locator(".bars canvas")).to_be_visible()
    alice.locator("#rows tr").first.click()
    expect(alice.locator("#panel-title")).to_be_visible()
    alice.keyboard.press("Escape")
    expect(alice.locator(".bars canvas")).to_be_visible()
    alice.set_viewport_size({"width": 1280, "height": 800})


@pytest.mark.parametrize("width", [390, 860, 1180, 1280, 1440, 1920])
def test_every_open_menu_lies_inside_the_window(alice, width):
    alice.set_viewport_size({"width": width, "height": 800})
    alice.goto("/audit-logs")
    for menu in alice.locator("main details.menu").all():
        if not menu.locator("summary").is_visible():
            continue
        menu.locator("summary").click()
        content = menu.locator(".choices")
        expect(content).to_be_visible()
        alice.wait_for_load_state("networkidle")
        box = content.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["y"] + box["height"] <= 800 or content.evaluate("(one) => one.getBoundingClientRect().top > 640")
        menu.locator("summary").click()


def test_a_menu_takes_the_first_value_that_is_offered_for_what_is_typed(alice):
    alice.get_by_text("User", exact=True).first.click()
    box = alice.get_by_label("Email, name or ID")
    expect(box).to_be_focused()
    box.press_sequentially("sar", delay=0)
    alice.keyboard.press("Enter")  # before any value is offered
    expect(alice).to_have_url(re.compile(r"user=sarah%40acme.com"))
    expect(box).to_have_value("")
    expect(alice.locator("#rows tr")).to_have_count(4)


def test_a_menu_takes_what_is_typed_where_nothing_like_it_is_offered_or_it_is_a_pattern(alice):
    alice.get_by_text("User", exact=True).first.click()
    box = alice.get_by_label("Email, name or ID")
    box.fill("sar*")
    alice.keyboard.press("Enter")
    expect(alice).to_have_url(re.compile(r"user=sar%2A"))
    expect(alice.locator("#rows tr")).to_have_count(4)
    box.fill("nobody-like-that")
    alice.keyboard.press("Enter")
    expect(alice).to_have_url(re.compile(r"user=nobody-like-that"))


def test_arrows_lead_from_the_box_of_a_menu_to_its_values_and_no_key_is_a_shortcut(alice):
    alice.get_by_text("User", exact=True).first.click()
    expect(alice.locator("#user-choices input").first).to_be_visible()
    alice.keyboard.press("ArrowDown")
    focused = "document.activeElement.type"
    assert alice.evaluate(focused) == "checkbox"
    alice.keyboard.press("l")
    expect(alice.locator("#live-toggle")).to_have_attribute("aria-pressed", "false")
    alice.keyboard.press("ArrowUp")
    expect(alice.get_by_label("Email, name or ID")).to_be_focused()


def test_a_mistake_waits_while_a_qualifier_is_typed_and_nothing_moves(alice):
    box = alice.get_by_label("Search events")
    top = alice.locator("#list").bounding_box()["y"]
    with alice.expect_response(lambda response: "/audit-logs/rows" in response.url):
        box.press_sequentially("status:")
    expect(alice.locator("#mistake p")).to_be_attached()
    expect(alice.locator("#mistake p")).to_be_hidden()
    alice.keyboard.press("Enter")
    expect(alice.locator("#mistake p")).to_be_visible()
    assert alice.locator("#list").bounding_box()["y"] == top


def test_a_mistake_is_shown_after_a_moment_without_a_key(alice):
    alice.get_by_label("Search events").press_sequentially("usr:bob")
    expect(alice.locator("#mistake p")).to_be_visible()
