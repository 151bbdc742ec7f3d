"""Two weeks of a schedule: clocks change, the server is away, mail is refused, events come late. Nothing is lost."""

from collections.abc import Iterator

import pytest

from tallystick.clock import DAY_US, from_us
from tallystick.exports import links
from tallystick.secret_keys import SecretKeys
from tallystick.work.calendar import Calendar
from tests.destinations.mail_server import Mailbox, open_mailbox
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import (
    ScheduleDriver,
    at,
    attached,
    indexes,
    mail_of,
    owner,
    schedule,
    shown,
    token_in,
)

BEGIN = at("2024-03-04 00:00")
HOUR_US = DAY_US // 24
ZONE = "America/New_York"  # clocks go on at 2024-03-10 02:00


@pytest.fixture
def mailbox() -> Iterator[tuple[Mailbox, int]]:
    with open_mailbox() as opened:
        yield opened


def file_of(spine: Spine, content: bytes, driver: ScheduleDriver) -> list[int]:
    """What a mail holds, or what its link leads to."""
    message = mail_of(content)
    if (file := attached(message)) is None:
        with spine.database.read() as connection:
            export, _ = links.follow(connection, SecretKeys("secret"), token_in(message, "/v1/export-links"), now=0)
        file = driver.exporter.path(export).read_bytes()
    return indexes(file)


def test_all_that_went_out_is_the_trail_each_event_once(sqlite_spine: Spine, tmp_path, mailbox, monkeypatch):
    taken, port = mailbox
    scope = sqlite_spine.organization()
    maya = owner(sqlite_spine, scope)
    made = schedule(sqlite_spine, maya, BEGIN, at="02:30", zone=ZONE, mode="new")
    driver = ScheduleDriver(sqlite_spine, tmp_path, port)
    due = []
    for hour in range(0, 14 * 24, 2):
        now = BEGIN + hour * HOUR_US
        # One on time, and now and then one that is days late.
        late = now - 3 * DAY_US if hour % 10 == 0 else now
        stamp = from_us(late).isoformat().replace("+00:00", "Z")
        if hour % 4 == 0:
            sqlite_spine.record(scope, {"action": "thing.done", "timestamp": stamp, "metadata": {"hour": hour}})
        day = hour // 24
        if day == 4:
            continue  # downtime: a whole day, and its run with it
        taken.answer = {2: "451 later", 8: "554 never", 9: "552 too large"}.get(day, "250 OK")
        monkeypatch.setattr("tallystick.schedules.export_email.MAX_ATTACHED", 1 if day in (6, 7) else 10_000_000)
        before = shown(sqlite_spine, maya, made.public_id).next_at
        driver.settle(now)
        after = shown(sqlite_spine, maya, made.public_id).next_at
        if after != before:
            due.append(before)
    driver.settle(now + DAY_US)

    files = [file_of(sqlite_spine, content, driver) for _, content in taken.messages]
    everything = [index for file in files for index in file]
    assert len(everything) == len(set(everything)), "no event twice"
    last = max(everything)
    assert sorted(everything) == list(range(last + 1)), "no event left out"
    assert sqlite_spine.size(scope.org_id) - last <= 6  # what the last run itself told the trail comes with the next
    assert len({mail_of(content)["Message-ID"] for _, content in taken.messages}) == len(files)
    assert 8 <= len(files) <= 13
    # It was due at half past two of each day, and when clocks left that out as they went on: at three.
    local = [from_us(one).astimezone(Calendar("daily", "02:30", 0, 1, ZONE).zone) for one in due]
    assert {f"{one:%H:%M}" for one in local} == {"02:30", "03:00"}
    assert len({one.date() for one in local}) == len(local)
