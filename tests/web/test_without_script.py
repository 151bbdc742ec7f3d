"""Without JavaScript: filters, search, paging and the panel work by plain links and forms."""

import re

import pytest
from playwright.sync_api import expect

from tests.web.conftest import ROUTINE


@pytest.fixture
def plain(as_person):
    """Alice with JavaScript switched off."""
    return as_person(java_script_enabled=False)


def test_the_form_filters_by_itself(plain):
    plain.get_by_label("Search events").fill("deploy")
    plain.locator("summary", has_text="Status").click()
    plain.get_by_label("Failed").check()
    plain.get_by_role("button", name="Apply").click()
    expect(plain.locator("#rows tr")).to_have_count(1)
    expect(plain.locator("#words-status")).to_have_text("Status: Failed")


def test_older_and_back_are_links(plain):
    plain.goto("/audit-logs?q=vpc-prod+-action:audit_log.*")
    seen = set()
    for _ in range(ROUTINE // 50):
        seen |= {row.get_attribute("data-index") for row in plain.locator("#rows tr").all()}
        with plain.expect_navigation():  # until the page is there whole
            plain.get_by_role("link", name="Older").click()
    seen |= {row.get_attribute("data-index") for row in plain.locator("#rows tr").all()}
    assert len(seen) == ROUTINE
    plain.get_by_role("link", name="Back to newest").click()
    expect(plain).to_have_url(re.compile(r"\?q=vpc-prod[^&]*$"))


def test_a_row_leads_to_its_event_and_back(plain):
    plain.goto("/audit-logs?user=sarah%40acme.com")
    plain.locator("#rows tr").first.get_by_role("link").click()
    expect(plain.locator("#panel-title")).to_have_text("deployment.failed")
    plain.get_by_role("link", name="Close the event").click()
    expect(plain).to_have_url(re.compile(r"/audit-logs\?user=sarah%40acme.com$"))


def test_a_mistake_is_explained(plain):
    plain.goto("/audit-logs?q=deploy+(")
    expect(plain.locator("#mistake")).to_contain_text(re.compile(r"Column \d+: "))
