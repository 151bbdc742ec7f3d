"""The weekly reminder: sent at its hour, once, and only if reviews are pending."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from tallystick.access import members, people
from tallystick.access.passwords import hash_password
from tallystick.access.scopes import person_scope, user_principal
from tallystick.clock import DAY_US, to_us
from tallystick.compliance import reminder, review_changes
from tallystick.compliance.reminder import ReminderWorker
from tallystick.destinations.tables import mails
from tallystick.errors import BadRequest, Forbidden
from tallystick.ids import new_uuid
from tests.compliance.reporting import CALLER
from tests.compliance.test_reviews import JANUARY
from tests.fixtures.spine import Spine

HOUR = 3_600_000_000
SUNDAY = to_us(datetime(2026, 3, 29, 12, tzinfo=UTC))  # clocks went forward in Berlin this night


@pytest.fixture
def scope(sqlite_spine: Spine):
    made = sqlite_spine.organization()
    with sqlite_spine.database.write() as connection:
        for email, role in (("maya@acme.com", "owner"), ("aud@acme.com", "auditor"), ("john@acme.com", "member")):
            people.create(connection, made, email, role, hash_password("a long password here"), now=SUNDAY)
    return made


def remind(spine: Spine, scope, *recipients: str, now: int = SUNDAY, at: str = "09:00", zone: str = "Europe/Berlin"):
    with spine.database.write() as connection:
        reminder.set_reminder(connection, scope, 0, at, zone, recipients, now=now, caller=CALLER)


def letters(spine: Spine) -> list[tuple[str, str]]:
    with spine.database.read() as connection:
        return [(row.recipient, row.text) for row in connection.execute(select(mails).order_by(mails.c.made_at))]


def test_two_weeks_with_downtime_bring_one_mail_each_and_none_when_nothing_waits(sqlite_spine: Spine, scope):
    remind(sqlite_spine, scope, "maya@acme.com", "AUD@acme.com")
    work = ReminderWorker(sqlite_spine.database, "https://audit.example.com/")
    assert not work.step(SUNDAY)
    monday = SUNDAY + 19 * HOUR  # 09:00 in Berlin's summer
    assert work.step(monday)
    assert not work.step(monday + 1)
    assert [who for who, _ in letters(sqlite_spine)] == ["aud@acme.com", "maya@acme.com"]
    text = letters(sqlite_spine)[0][1]
    assert "No review of the audit log of Acme was signed" in text
    assert "https://audit.example.com/compliance" in text
    assert work.step(monday + 20 * DAY_US)  # the server was down for two Mondays
    assert len(letters(sqlite_spine)) == 4
    later = monday + 21 * DAY_US
    made = review_changes.draft_review(scope, JANUARY, now=later - DAY_US)
    with sqlite_spine.database.write() as connection:
        review_changes.open_review(connection, scope, made, now=later - DAY_US)
        review_changes.sign(connection, scope, made.public_id, "Fine.", 0, 0, now=later - DAY_US)
    assert work.step(later)
    assert len(letters(sqlite_spine)) == 4


def test_open_and_overdue_reviews_are_named(sqlite_spine: Spine, scope):
    remind(sqlite_spine, scope, "maya@acme.com")
    made = review_changes.draft_review(scope, JANUARY, now=SUNDAY - 8 * DAY_US)
    with sqlite_spine.database.write() as connection:
        review_changes.open_review(connection, scope, made, now=SUNDAY - 8 * DAY_US)
        waits = reminder.pending_reviews(connection, scope, now=SUNDAY)
    assert [one.review_id for one in waits.overdue] == [made.review_id]
    assert ReminderWorker(sqlite_spine.database, "https://a.example").step(SUNDAY + DAY_US)
    assert "1 review of Acme is waiting for a signature, 1 of them for more than 7 days." in letters(sqlite_spine)[0][1]


def test_a_person_who_left_is_not_reminded(sqlite_spine: Spine, scope):
    remind(sqlite_spine, scope, "aud@acme.com")
    with sqlite_spine.database.write() as connection:
        (found,) = (one for one in reminder.list_eligible_recipients(connection, scope) if one.email == "aud@acme.com")
        members.set_disabled(connection, scope, found.user_id, True, now=SUNDAY)
    assert ReminderWorker(sqlite_spine.database, "https://a.example").step(SUNDAY + DAY_US)
    assert letters(sqlite_spine) == []


def test_two_nodes_remind_once(sqlite_spine: Spine, scope, tmp_path: Path):
    remind(sqlite_spine, scope, "maya@acme.com")
    first, second = (ReminderWorker(sqlite_spine.database, "https://a.example") for _ in range(2))
    assert first.step(SUNDAY + DAY_US)
    assert not second.step(SUNDAY + DAY_US)
    assert len(letters(sqlite_spine)) == 1


@pytest.mark.parametrize(
    ("weekday", "at", "zone", "recipients"),
    [
        (7, "09:00", "UTC", ["maya@acme.com"]),
        (0, "9", "UTC", ["maya@acme.com"]),
        (0, "24:00", "UTC", ["maya@acme.com"]),
        (0, "09:00", "Mars/Base", ["maya@acme.com"]),
        (0, "09:00", "UTC", []),
        (0, "09:00", "UTC", ["john@acme.com"]),
        (0, "09:00", "UTC", ["stranger@example.com"]),
    ],
)
def test_a_bad_reminder_is_refused(sqlite_spine: Spine, scope, weekday, at, zone, recipients):
    with sqlite_spine.database.write() as connection, pytest.raises(BadRequest) as refused:
        reminder.set_reminder(connection, scope, weekday, at, zone, recipients, now=SUNDAY)
    assert refused.value.code == "bad_reminder"


def test_an_auditor_looks_and_does_not_change(sqlite_spine: Spine, scope):
    auditor = _auditor(scope)
    with sqlite_spine.database.write() as connection:
        assert reminder.read_reminder(connection, auditor) is None
        with pytest.raises(Forbidden):
            reminder.set_reminder(connection, auditor, 0, "09:00", "UTC", ["maya@acme.com"], now=SUNDAY)
        with pytest.raises(Forbidden):
            reminder.remove_reminder(connection, auditor, now=SUNDAY)


def _auditor(scope):
    return person_scope(scope.org_id, user_principal(new_uuid(SUNDAY), "aud@acme.com", "Aud"), "auditor")
