"""The Actions page: an action of one's own, from what was recorded to its sentence in the list."""

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.web.axe import violations_in_every_look
from tests.web.conftest import Town
from tests.web.forms import client, seen, token
from tests.web.settling import settle

PAGE = "/actions"
OWNER, AUDITOR = "olga@mill.example", "ann@mill.example"
EVENT = {
    "action": "grain.milled",
    "actor": {"email": OWNER, "name": "Olga"},
    "resource": {"type": "batch", "name": "rye-7"},
    "changes": {"flour": {"before": 0, "after": 40}},
}


@pytest.fixture(scope="module")
def mill(town: Town) -> None:
    """An organization that records an action of its own."""
    key = settle(town.server.data_dir, "mill", "Mill", {OWNER: "owner", AUDITOR: "auditor"})
    with town.server.client(key) as asking:
        town.record(EVENT, EVENT, {"action": "grain.dropped"}, client=asking)


def test_an_action_is_described_and_its_sentence_is_in_the_list(mill: None, as_person: Callable[..., Page]) -> None:
    page = as_person(OWNER)
    page.get_by_role("link", name="Actions", exact=True).click()
    page.get_by_role("link", name="Describe grain.milled").click()
    page.get_by_label("Sentence").fill("{actor} ground {resource} into {changes.flour.after} sacks")
    expect(page.locator("#example")).to_contain_text(
        "Sarah Lin ground api-infrastructure into changes.flour.after sacks"
    )
    page.get_by_label("Severity").select_option("low")
    page.get_by_role("button", name="Save").click()
    row = page.locator(".action-rows tr", has_text="grain.milled")
    expect(row).to_contain_text("{actor} ground {resource} into {changes.flour.after} sacks")
    row.get_by_role("link", name="events of grain.milled").click()
    expect(page.locator("#rows tr").first).to_contain_text("Olga ground rye-7 into 40 sacks")
    page.goto("/audit-logs?q=ground")
    expect(page.locator("#rows tr", has_text="Olga ground rye-7")).to_have_count(2)


def test_a_mistake_in_the_sentence_is_said_beside_it(mill: None, town: Town) -> None:
    with client(town, OWNER) as asking:
        typed = {"action": "grain.sold", "sentence": "{actor} sold {it}", "category": "other", "status": "success",
                 "severity": "info", "form_token": token(asking)}  # fmt: skip
        answer = asking.post(PAGE, data=typed)
    assert answer.status_code == 422
    assert "Unknown placeholder {it}" in seen(answer)
    assert "{actor} sold {it}" in answer.text


def test_an_auditor_reads_the_page_and_changes_nothing(mill: None, town: Town) -> None:
    with client(town, AUDITOR) as asking:
        page = asking.get(PAGE)
        assert "grain.dropped" in page.text
        assert "Describe an action" not in page.text
        assert asking.post(PAGE, data={"form_token": token(asking), "action": "grain.sold"}).status_code == 403


def test_the_page_has_no_barrier_in_either_theme_nor_on_a_phone(
    mill: None, as_person: Callable[..., Page], axe_script: str
) -> None:
    page = as_person(OWNER, reduced_motion="reduce")
    page.goto(f"{PAGE}?describe=grain.dropped")
    page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
    assert violations_in_every_look(page, axe_script) == []
