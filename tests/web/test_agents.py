"""An agent's story: found and told in five clicks, and one click from what a person did with her agents."""

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from playwright.sync_api import Page, expect

from tallystick.clock import to_us
from tallystick.demo.agents import demo_events
from tests.web.conftest import Town
from tests.web.settling import settle

OWNER = "rosa@fleet.example"
BEFORE_US = to_us(datetime(2025, 10, 27, tzinfo=UTC))
AFTER_US = to_us(datetime(2025, 10, 31, tzinfo=UTC))  # the night is between the 28th and the 29th


@pytest.fixture(scope="module")
def fleet(town: Town) -> None:
    """An organization in which agents did what they do in the demo, in four days."""
    key = settle(town.server.data_dir, "fleet", "Fleet", {OWNER: "owner"})
    events = demo_events(now_us=AFTER_US, count=0, since_us=BEFORE_US)
    by_agents = [event for event in events if event["external_id"].startswith("demo-agent-")]
    with town.server.client(key) as client:
        town.record(*by_agents, client=client)


def menu(page: Page, name: str) -> None:
    page.locator("#filters details.menu > summary").filter(has_text=name).click()


def test_the_story_of_an_agent_is_found_and_told_in_five_clicks(fleet: None, as_person: Callable[..., Page]) -> None:
    page = as_person(OWNER)
    page.goto("/audit-logs")
    menu(page, "User")  # 1
    page.get_by_role("checkbox", name=re.compile("^Agents")).click()  # 2
    expect(page.locator(".chip", has_text="Agents")).to_be_visible()
    page.keyboard.press("Escape")
    row = page.locator("#rows tr").first
    expect(row.locator(".agent-mark")).to_contain_text("for noah@acme.com")
    page.locator(".legend a", has_text="Failed").click()  # 3
    expect(page.locator("#rows tr")).to_have_count(1)
    expect(row.locator(".agent-mark")).to_contain_text("on its own")
    expect(row.locator(".reason")).to_contain_text("needs a person's approval")
    row.locator(".c-user").click()  # 4
    panel = page.locator("#panel .panel")
    for fact in (
        "Atlas (agt_7) · agent",
        "Autonomous",
        "delete_project",
        "data-warehouse (prj_34)",
        "Protected projects",
    ):
        expect(panel).to_contain_text(fact)
    panel.get_by_role("link", name="Investigate").first.click()  # 5
    timeline = page.locator(".timeline > li")
    told = timeline.locator("code").all_inner_texts()
    assert [action for action in told if re.fullmatch(r"[a-z_]+\.[a-z_]+", action) and action != "project.deleted"] == [
        "agent.session_started",
        "mcp.resource_read",
        "project.secret_viewed",
        "api_key.created",
        "policy.disabled",
        "agent.tool_denied",
        "agent.session_ended",
    ]


def test_what_a_person_did_and_her_agents_for_her_is_one_click(fleet: None, as_person: Callable[..., Page]) -> None:
    page = as_person(OWNER)
    page.goto("/audit-logs")
    page.locator("#rows tr", has_text="agent.approval_granted").first.locator(".c-user").click()
    user = page.locator("#panel .facts > div", has_text="User").first
    user.hover()
    user.get_by_role("link", name="Show only User").click()
    expect(page.locator(".chip", has_text="noah@acme.com")).to_be_visible()
    expect(page.locator("#rows .agent-mark").first).to_contain_text("for noah@acme.com")
    kinds = page.locator("#rows tr").evaluate_all("rows => rows.map(row => !!row.querySelector('.agent-mark'))")
    assert set(kinds) == {True, False}
