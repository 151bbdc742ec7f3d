"""Pages show every character of a name, and no name turns the text beside it."""

import re

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from playwright.sync_api import expect

from tallystick.display_text import display_line
from tallystick.web.display_filters import bdi, direction, sentence
from tallystick.web.templating import ENVIRONMENT

NAME = "prod\u202egnp.exe\u2028Status:\u3164success"
SHOWN = "prod⟨U+202E⟩gnp.exe Status:⟨U+3164⟩success"


def rendered(template: str, **values: object) -> str:
    return ENVIRONMENT.from_string(template).render(values)


def test_a_template_shows_a_text_on_one_line_without_being_told_to():
    assert rendered("{{ name }}", name=NAME) == SHOWN
    assert rendered("{{ [name, name]|join(', ') }}", name=NAME) == f"{SHOWN}, {SHOWN}"
    assert rendered("{{ name|highlight }}", name=NAME) == SHOWN
    assert rendered("{{ name|inline_code }}", name=f"`{NAME}`") == f"<code>{SHOWN}</code>"
    assert rendered("{{ 'a' ~ name ~ 7 }}", name=NAME) == f"a{SHOWN}7"


def test_what_is_sent_back_or_copied_keeps_its_characters():
    assert rendered("{{ name|exact }}", name=NAME + "<") == NAME + "&lt;"


def test_a_text_of_several_lines_keeps_them_and_hides_nothing():
    assert rendered("{{ text|lines }}", text="{\n  1\u202e\n}") == "{\n  1⟨U+202E⟩\n}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("مرحبا@example.com", "ltr"),
        ("usr_456", "ltr"),
        ("evt_01", "ltr"),
        ("نورة", "auto"),
        ("יעל 7", "auto"),
        ("", "auto"),
    ],
)
def test_emails_and_ids_read_from_left_to_right(text, expected):
    assert direction(text) == expected
    assert ('dir="ltr"' in bdi(text)) == (expected == "ltr")


def test_a_right_to_left_name_in_a_sentence_is_an_element_of_its_own():
    assert sentence("نورة أحمد deployed 12 services <b>") == (
        '<bdi dir="ltr"><bdi>نورة أحمد</bdi> deployed 12 services &lt;b&gt;</bdi>'
    )
    assert sentence("a by יעל: 3 and שלום") == '<bdi dir="ltr">a by <bdi>יעל</bdi>: 3 and <bdi>שלום</bdi></bdi>'


@given(st.text(st.one_of(st.characters(), st.sampled_from("אبc1 <&-")), max_size=50))
def test_a_sentence_loses_no_character(text):
    shown = re.sub(r"</?bdi[^>]*>", "", sentence(text))
    assert shown == rendered("{{ text }}", text=display_line(text))


def test_the_list_and_the_panel_show_the_name_and_copy_it_whole(alice, town):
    resource = {"type": "project", "id": "prj_1", "name": NAME}
    town.record({"action": "disguise.worn", "resource": resource, "actor": {"type": "user", "email": "مرحبا@acme.com"}})
    alice.goto("/audit-logs?q=action:disguise.worn")
    expect(alice.locator("#rows td.c-resource")).to_have_text(SHOWN)
    expect(alice.locator("#rows td.c-user bdi")).to_have_attribute("dir", "ltr")
    alice.locator("#rows .c-time a").click()
    expect(alice.locator("#panel .sentence")).to_contain_text(SHOWN)
    expect(alice.locator("#panel .facts dd", has_text=SHOWN).first).to_be_visible()
    copied = alice.locator("#panel .facts dd", has_text=SHOWN).first.locator("[data-copy-text]")
    assert copied.get_attribute("data-copy-text") == NAME
    assert NAME in alice.locator("#panel .panel-acts [data-copy-text]").first.get_attribute("data-copy-text")
    assert "\u202e" not in alice.locator("#event-json").inner_text()


def test_the_search_box_offers_the_name_as_it_is_shown_and_completes_it_whole(alice, town):
    town.record({"action": "disguise.offered", "resource": {"type": "project", "name": NAME}})
    alice.goto("/audit-logs?q=action:disguise.offered")
    alice.locator("#q").fill("action:disguise.offered resource:prod")
    offered = alice.locator("#offers li")
    expect(offered.locator("bdi")).to_have_text(f'resource:"{SHOWN}"')
    assert offered.get_attribute("data-text") == f'resource:"{NAME}"'


def test_a_filter_by_such_a_name_finds_its_events(town):
    town.record({"action": "disguise.kept", "resource": {"type": "project", "name": NAME}})
    name, value = town.session("alice@acme.com")
    answer = httpx.get(
        f"{town.server.url}/audit-logs", params={"resource": NAME, "action": "disguise.kept"}, cookies={name: value}
    )
    assert "1 event" in answer.text
    assert f'value="{NAME}"' in answer.text
