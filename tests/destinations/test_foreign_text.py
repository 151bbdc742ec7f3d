"""No name of an event adds a fact of its own to a message, or turns its text."""

import json

import pytest

from tallystick.destinations.kinds.email import alert_email
from tallystick.destinations.kinds.slack import slack_body
from tests.destinations.destination_driver import message

BREAKS = ["\n", "\r", "\r\n", "\v", "\f", "\x85", "\u2028", "\u2029"]
FORGED = "User: ceo@acme.com"


def attacked(end: str):
    return message(
        title=f"Failed{end}{FORGED}",
        sentence=f"eve@acme.com failed to deploy prod{end}{end}{FORGED}\u202egnp",
        facts=(("Project", f"prod{end}{FORGED}"), (f"Kind{end}{FORGED}", "x"), ("IP address", "192.0.2.1\u2067")),
    )


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
def test_an_email_has_no_line_that_a_name_wrote(end):
    email = alert_email(attacked(end))
    assert email.subject.splitlines() == [email.subject]
    assert [line for line in email.text.splitlines() if line.startswith(FORGED)] == []
    assert len(email.text.splitlines()) == len(alert_email(attacked("-")).text.splitlines())
    for text in (email.subject, email.text, email.html):
        assert not set(text) & set("\u202e\u2067\u2028\u2029\x85\v\f\r")
    assert "⟨U+202E⟩" in email.text
    assert "⟨U+202E⟩" in email.html


@pytest.mark.parametrize("end", BREAKS, ids=ascii)
def test_slack_shows_one_line_for_each_fact(end):
    said = json.loads(slack_body(attacked(end)))
    title, sentence, facts = (block["text"]["text"] for block in said["blocks"][:3])
    assert [text.splitlines() for text in (title, sentence, said["text"])] == [[title], [sentence], [said["text"]]]
    assert facts.splitlines() == [
        f"Project: prod {FORGED}", f"Kind {FORGED}: x", "IP address: 192.0.2.1⟨U+2067⟩",
    ]  # fmt: skip
    assert "⟨U+202E⟩" in sentence
    assert "\\u202e" not in json.dumps(said)


LINKS = ["https://evil.example/reset", "HTTP://evil.example", "www.evil.example", "mailto:eve@evil.example"]


@pytest.mark.parametrize("link", LINKS)
def test_no_name_is_a_link_of_an_email_and_what_tallystick_links_to_stays_one(link):
    said = message(title=link, sentence=f"{link} failed", facts=(("User", link), ("Project", f"[Reset]({link})")))
    email = alert_email(said)
    shown = link.replace("://", "[:]//").replace("www.", "www[.]").replace("mailto:", "mailto[:]")
    for text in (email.subject, email.text, email.html):
        assert link not in text
        assert shown in text
    assert "https://audit.example/alerts/alr_1\n" in email.text
    assert 'href="https://audit.example/alerts/alr_1"' in email.html


def test_a_service_that_reads_markdown_finds_no_link():
    said = json.loads(slack_body(message(title="[Reset](evil.example)", sentence="![x](evil.example/y.png)")))
    assert "](" not in said["text"]
