"""Emails: text and HTML say the same words, values are escaped in HTML alone, a subject is one line."""

import html
import re
from types import SimpleNamespace

import pytest

from tallystick.destinations.email_templates import EmailTemplates
from tallystick.destinations.kinds.email import alert_email
from tallystick.work.calendar import Calendar
from tests.destinations.destination_driver import message

HOSTILE = "<b>Acme & Söhne</b>"
SCHEDULE = SimpleNamespace(
    name="Nightly",
    role="member",
    by=SimpleNamespace(email="tom@acme.com"),
    calendar=Calendar("daily", "07:30", 0, 1, "UTC"),
)
LINK = "https://audit.example/retention?a=1&b=2"


def words(text: str) -> list[str]:
    return text.split()


def words_of_html(text: str) -> list[str]:
    """The words of a page, a link as `label: url`; without the heading, which repeats the subject."""
    body = re.sub(r"<h1>.*?</h1>", "", text, flags=re.DOTALL)
    body = re.sub(r'<a href="([^"]*)">([^<]*)</a>', r"\2: \1", body)
    return html.unescape(re.sub(r"<[^>]+>", " ", body)).split()


EMAILS = {
    "warning": (
        "tallystick.retention", "expiring_events",
        {"organization": HOSTILE, "number": "At least 3", "events": "events", "within_days": 7, "oldest": "2024-01-01",
         "plan": "team", "kept_days": "30", "earlier_days": "90", "longer_until": "2024-02-01 10:00", "archived": True,
         "url": LINK},
    ),
    "short warning": (
        "tallystick.retention", "expiring_events",
        {"organization": HOSTILE, "number": "1", "events": "event", "within_days": 7, "oldest": "", "plan": "team",
         "kept_days": "30", "earlier_days": "30", "longer_until": None, "archived": False, "url": LINK},
    ),
    "reminder": (
        "tallystick.compliance", "review_reminder",
        {"organization": HOSTILE, "none_this_week": True, "last_signed": "2024-01-01", "waiting": 2, "overdue": 1,
         "overdue_days": 7, "url": LINK},
    ),
    "short reminder": (
        "tallystick.compliance", "review_reminder",
        {"organization": HOSTILE, "none_this_week": False, "last_signed": "", "waiting": 1, "overdue": 0,
         "overdue_days": 7, "url": LINK},
    ),
    "export": (
        "tallystick.schedules", "export",
        {"schedule": SCHEDULE, "events": "3 events", "organization": HOSTILE, "filter": "Action: thing.*",
         "period": "2024-01-01 (UTC)", "is_pdf": True, "file_name": "audit-log.csv", "file_kind": "CSV",
         "file_size": "42 bytes", "sha256": "ab", "left_out": True, "most_periods": 31, "link": LINK,
         "until": "2024-02-01 10:00", "unsubscribe": LINK},
    ),
    "short export": (
        "tallystick.schedules", "export",
        {"schedule": SCHEDULE, "events": "1 event", "organization": HOSTILE, "filter": "Action: thing.*",
         "period": "2024-01-01 (UTC)", "is_pdf": False, "file_name": "audit-log.csv", "file_kind": "CSV",
         "file_size": "42 bytes", "sha256": "ab", "left_out": False, "most_periods": 31, "link": None,
         "until": "2024-02-01 10:00", "unsubscribe": LINK},
    ),
    "destination": (
        "tallystick.destinations", "destination_failed",
        {"name": HOSTILE, "problem": "The destination answered 500.", "switched_off": False},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EMAILS)
def test_text_and_html_say_the_same_and_only_html_is_escaped(name):
    package, template, values = EMAILS[name]
    email = EmailTemplates(package).render(template, **values)
    assert words_of_html(email.html) == words(email.text)
    assert HOSTILE in email.text
    assert "<b>" not in email.html
    assert "\n\n\n" not in email.text


def test_an_alert_is_a_notification_with_its_facts_in_a_column():
    email = alert_email(message(sentence=f"{HOSTILE} failed."))
    assert email.subject == f"Deployment Failed: {HOSTILE} failed."
    assert email.text == (
        "Notification: Deployment Failed\n"
        "─────────────────────────────────────\n"
        "Project:    api-infrastructure\n"
        "User:       sarah@acme.com\n"
        "\n"
        "<b>Acme & Söhne</b> failed.\n"
        "\n"
        "Show the events: https://audit.example/alerts/alr_1\n"
    )
    assert "<p>&lt;b&gt;Acme &amp; Söhne&lt;/b&gt; failed.</p>" in email.html
    assert "<b>" not in email.html


def test_a_subject_is_one_printable_line_of_limited_length():
    email = alert_email(message(title="A\r\nBcc: x\x00", sentence="y" * 400))
    assert email.subject.startswith("A Bcc: x⟨U+0000⟩: yyy")
    assert len(email.subject) == 180
