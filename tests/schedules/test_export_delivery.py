"""What goes out: a mail that a person can read, with the file or a link, once for each recipient."""

import hashlib

import pytest
from sqlalchemy import delete, select, update

from tallystick import clock
from tallystick.clock import DAY_US, SECOND_US
from tallystick.destinations.local_directory import Directory
from tallystick.errors import Conflict
from tallystick.exports import links
from tallystick.exports.tables import exports
from tallystick.schedules import changes
from tallystick.schedules.tables import (
    export_schedules,
    schedule_deliveries,
    schedule_recipients,
    schedule_runs,
)
from tallystick.secret_keys import SecretKeys
from tests.destinations.mail_server import open_mailbox
from tests.fixtures.s3_server import S3Server
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import (
    URL,
    ScheduleDriver,
    at,
    attached,
    deliveries,
    indexes,
    lines,
    mail_of,
    owner,
    schedule,
    shown,
    text_of,
    token_in,
)

NOW = at("2024-03-04 12:00")
EVENT = {"action": "thing.done"}


def test_the_mail_says_what_it_holds_and_has_the_file(sqlite_spine: Spine, maya, mailbox, driver):
    schedule(sqlite_spine, maya, NOW, format="csv", name="Ünter", filter={"action": ["thing.*"]}, zone="Europe/Berlin")
    driver.settle(NOW + DAY_US)
    [(to, content)] = mailbox[0].messages
    message = mail_of(content)
    file = attached(message)
    assert to == ["maya@acme.com"] == [message["To"].addresses[0].addr_spec]
    assert message["Subject"] == "Ünter: 10 events of Acme"
    said = " ".join(text_of(message).split())
    for words in ("Acme", "Filter: Action: thing.*", "Europe/Berlin", "each day at 07:30", "index 0 to",
                  hashlib.sha256(file or b"").hexdigest(), f"{URL}/unsubscribe/"):  # fmt: skip
        assert words in said
    assert len(lines(file or b"")) == 10
    (name,) = [part.get_filename() for part in message.iter_attachments()]
    assert name.startswith("audit-log-")
    assert name.endswith(".csv")
    assert message["List-Unsubscribe"].startswith(f"<{URL}/unsubscribe/")
    # Cut or encoded, it would be no link for a mail program.
    assert b"\r\nList-Unsubscribe: <https://audit.example/unsubscribe/" in content
    assert message["Auto-Submitted"] == "auto-generated"


@pytest.mark.parametrize("announced", [True, False])
def test_what_the_server_does_not_take_goes_as_a_link(sqlite_spine: Spine, maya, tmp_path, announced):
    with open_mailbox(size=20_000 if announced else 0) as mailbox:
        driver = ScheduleDriver(sqlite_spine, tmp_path, mailbox[1])
        mailbox[0].most = 1 << 25 if announced else 20_000  # it says nothing of it, and refuses then
        _sends_a_link(sqlite_spine, maya, mailbox[0], driver)


def _sends_a_link(sqlite_spine: Spine, maya, controller, driver):
    sqlite_spine.record(maya, *[EVENT | {"metadata": {"text": "x" * 3000}}] * 20)
    schedule(sqlite_spine, maya, NOW)
    driver.settle(NOW + DAY_US)
    [(_, content)] = controller.messages
    message = mail_of(content)
    assert len(content) < 20_000
    assert attached(message) is None
    assert "too large to attach" in text_of(message)
    with sqlite_spine.database.read() as connection:
        one, link = links.follow(
            connection, SecretKeys("secret"), token_in(message, "/v1/export-links"), now=clock.now_us()
        )
    assert link.recipient == "maya@acme.com"
    assert len(indexes(driver.exporter.path(one).read_bytes())) == one.rows >= 30
    assert [row.way for row in deliveries(sqlite_spine)] == ["link"]


def test_a_refusal_for_now_is_tried_again_and_one_for_good_with_the_next_run(
    sqlite_spine: Spine, maya, mailbox, driver
):
    made = schedule(sqlite_spine, maya, NOW)
    mailbox[0].answer = "451 later"
    driver.settle(NOW + DAY_US)
    assert shown(sqlite_spine, maya, made.public_id).last_run.state == "sending"
    mailbox[0].answer = "250 OK"
    driver.settle(NOW + DAY_US + 59 * SECOND_US)
    assert mailbox[0].messages == []
    driver.settle(NOW + DAY_US + 61 * SECOND_US)
    assert shown(sqlite_spine, maya, made.public_id).last_run.state == "delivered"
    mailbox[0].answer = "554 never"
    driver.settle(NOW + 2 * DAY_US)
    last = shown(sqlite_spine, maya, made.public_id).last_run
    assert (last.state, "answered 554" in last.error) == ("failed", True)
    mailbox[0].answer = "250 OK"
    driver.settle(NOW + 3 * DAY_US)
    first, second = (indexes(attached(mail_of(content)) or b"") for _, content in mailbox[0].messages)
    assert second[0] == first[-1] + 1, "what was refused comes with the next one"


def test_who_could_not_get_it_gets_that_with_the_next_and_nobody_gets_it_twice(
    sqlite_spine: Spine, maya, mailbox, driver
):
    owner(sqlite_spine, maya, "tom@acme.com", "admin")
    schedule(sqlite_spine, maya, NOW, recipients=["maya@acme.com", "tom@acme.com"])
    mailbox[0].refused = {"tom@acme.com"}
    driver.settle(NOW + DAY_US)
    mailbox[0].refused = set()
    sqlite_spine.record(maya, EVENT)
    driver.settle(NOW + 2 * DAY_US)
    got: dict[str, list[int]] = {}
    for (to,), content in mailbox[0].messages:
        got.setdefault(to, []).extend(indexes(attached(mail_of(content)) or b""))
    for found in got.values():
        assert sorted(found) == list(range(max(found) + 1))
    assert set(got) == {"maya@acme.com", "tom@acme.com"}
    assert max(got["maya@acme.com"]) <= max(got["tom@acme.com"])


def test_a_period_is_the_day_before_in_its_zone_and_missed_ones_come_one_by_one(
    sqlite_spine: Spine, maya, mailbox, driver
):
    hours = [clock.rfc3339(at("2024-03-03 20:00") + hour * DAY_US // 24) for hour in range(24 * 5)]
    sqlite_spine.record(maya, *[{"action": "thing.timed", "timestamp": stamp} for stamp in hours])
    schedule(sqlite_spine, maya, NOW, mode="period", zone="Europe/Berlin", format="csv",
             filter={"action": ["thing.timed"]})  # fmt: skip
    driver.settle(NOW + 4 * DAY_US)  # three days late
    days = [{row["timestamp"][:13] for row in lines(attached(mail_of(content)) or b"")}
            for _, content in mailbox[0].messages]  # fmt: skip
    assert [len(day) for day in days] == [24, 24, 24, 24]
    assert min(days[0]) == "2024-03-03T23", "midnight in Berlin"
    assert sum(len(day) for day in days) == len(set.union(*days)), "no hour twice"
    assert "2024-03-05 (Europe/Berlin)" in text_of(mail_of(mailbox[0].messages[1][1]))


def test_running_one_now_leaves_out_no_period_that_was_not_delivered(sqlite_spine: Spine, maya, mailbox, driver):
    made = schedule(sqlite_spine, maya, NOW, mode="period")
    mailbox[0].refused.add("maya@acme.com")
    driver.settle(NOW + DAY_US)
    driver.settle(NOW + 2 * DAY_US)
    mailbox[0].refused.clear()
    with sqlite_spine.database.write() as connection:
        changes.run_now(connection, maya, made.public_id, now=NOW + 2 * DAY_US)
    driver.settle(NOW + 2 * DAY_US)
    driver.settle(NOW + 3 * DAY_US)
    said = [text_of(mail_of(content)) for _, content in mailbox[0].messages]
    assert "Period: 2024-03-05 (UTC)" in said[0]
    assert len(said) == 4
    assert all(f"2024-03-{day} (UTC)" in text for day, text in zip(("04", "05", "06"), said[1:], strict=True))
    before_its_time = at("2024-03-08 06:00")
    with sqlite_spine.database.write() as connection:
        changes.run_now(connection, maya, made.public_id, now=before_its_time)
    driver.settle(before_its_time)
    driver.settle(NOW + 4 * DAY_US)
    assert len(mailbox[0].messages) == 5, "what went out by hand does not go out again"


def test_it_is_not_run_again_while_any_of_its_runs_goes_on(sqlite_spine: Spine, maya, driver):
    owner(sqlite_spine, maya, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, maya, NOW, recipients=["maya@acme.com", "tom@acme.com"])
    with sqlite_spine.database.write() as connection:
        tom = update(schedule_recipients).where(schedule_recipients.c.address == "tom@acme.com")
        connection.execute(tom.values(until=5))
        changes.run_now(connection, maya, made.public_id, now=NOW)
    with sqlite_spine.database.read() as connection:
        begun = connection.execute(select(schedule_runs.c.run_id)).scalars().all()
    assert len(begun) == 2
    for ended in begun:
        with sqlite_spine.database.write() as connection:
            connection.execute(update(schedule_runs).values(state="making"))
            connection.execute(update(schedule_runs).where(schedule_runs.c.run_id == ended).values(state="delivered"))
            with pytest.raises(Conflict, match="already running"):
                changes.run_now(connection, maya, made.public_id, now=NOW)


def test_the_past_can_be_left_out(sqlite_spine: Spine, maya, mailbox, driver):
    size = sqlite_spine.size(maya.org_id)
    schedule(sqlite_spine, maya, NOW, past=False)
    sqlite_spine.record(maya, EVENT)
    driver.settle(NOW + DAY_US)
    assert min(indexes(attached(mail_of(mailbox[0].messages[0][1])) or b"")) >= size


def test_a_paused_one_sends_nothing_and_one_that_is_resumed_all_that_is_new(sqlite_spine: Spine, maya, mailbox, driver):
    made = schedule(sqlite_spine, maya, NOW)

    def change(enabled: bool, now: int) -> None:
        with sqlite_spine.database.write() as connection:
            changes.change(connection, maya, made.public_id, {"enabled": enabled}, now=now)

    change(False, NOW)
    driver.settle(NOW + 3 * DAY_US)
    assert mailbox[0].messages == []
    change(True, NOW + 3 * DAY_US)
    driver.settle(NOW + 4 * DAY_US)
    assert 0 in indexes(attached(mail_of(mailbox[0].messages[0][1])) or b"")


def test_a_file_that_was_erased_before_all_have_it_is_made_again(sqlite_spine: Spine, maya, mailbox, driver):
    made = schedule(sqlite_spine, maya, NOW)
    mailbox[0].answer = "451 later"
    driver.settle(NOW + DAY_US)
    with sqlite_spine.database.write() as connection:
        connection.execute(update(exports).values(gone="erased"))
    mailbox[0].answer = "250 OK"
    driver.settle(NOW + DAY_US + 90 * SECOND_US)
    assert shown(sqlite_spine, maya, made.public_id).last_run.state == "delivered"
    file = indexes(attached(mail_of(mailbox[0].messages[0][1])) or b"")
    assert file == list(range(len(file)))


@pytest.mark.parametrize("others", [[], ["jo@acme.com"]])
def test_a_run_whose_recipient_is_erased_meanwhile_comes_to_an_end(sqlite_spine: Spine, maya, mailbox, driver, others):
    for address in others:
        owner(sqlite_spine, maya, address)
    made = schedule(sqlite_spine, maya, NOW, recipients=["maya@acme.com", *others])
    mailbox[0].answer = "451 later"
    driver.settle(NOW + DAY_US)
    mailbox[0].answer = "250 OK"
    with sqlite_spine.database.write() as connection:  # as an erasure does
        connection.execute(delete(schedule_deliveries).where(schedule_deliveries.c.address == "maya@acme.com"))
    driver.settle(NOW + DAY_US + 90 * SECOND_US)
    last = shown(sqlite_spine, maya, made.public_id).last_run
    assert (last.state, last.error) == (("delivered", "") if others else ("failed", "No recipients are left."))


def test_without_a_mail_server_the_result_says_so(sqlite_spine: Spine, maya, tmp_path):
    made = schedule(sqlite_spine, maya, NOW)
    ScheduleDriver(sqlite_spine, tmp_path).settle(NOW + DAY_US)
    assert "TALLYSTICK_SMTP_URL" in shown(sqlite_spine, maya, made.public_id).last_run.error


def test_a_directory_gets_each_file_whole_and_what_is_put_again_replaces_itself(sqlite_spine: Spine, maya, tmp_path):
    driver = ScheduleDriver(sqlite_spine, tmp_path, place=Directory(tmp_path / "out"))
    schedule(sqlite_spine, maya, NOW, recipients=[], to_storage=True)
    for day in (1, 2):
        driver.settle(NOW + day * DAY_US)
        with sqlite_spine.database.write() as connection:  # as if it had died before this was recorded
            connection.execute(update(schedule_deliveries).values(state="sent"))
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file()]
    everything = [index for path in files for index in indexes(path.read_bytes())]
    assert len(files) == 2
    assert sorted(everything) == list(range(len(everything)))


def test_a_bucket_gets_the_same_files(sqlite_spine: Spine, maya, tmp_path, s3_server: S3Server):
    bucket = s3_server.bucket()
    driver = ScheduleDriver(sqlite_spine, tmp_path, place=bucket)
    made = schedule(sqlite_spine, maya, NOW, recipients=[], to_storage=True)
    for day in (1, 2):
        driver.settle(NOW + day * DAY_US)
    assert shown(sqlite_spine, maya, made.public_id).last_run.state == "delivered"
    name = bucket.where.removeprefix("s3://").partition("/")[0]
    keys = [one.object_name for one in s3_server.client.list_objects(name, recursive=True)]
    assert all(f"/{made.public_id}/" in key for key in keys)
    files = [s3_server.client.get_object(name, key).read() for key in keys]
    everything = sorted(index for file in files for index in indexes(file))
    assert len(files) == 2
    assert everything == list(range(len(everything)))


def test_a_name_cannot_add_to_the_headers(sqlite_spine: Spine, maya):
    for name in ("a\r\nBcc: x@y.example", "a\nb", "a\x00b"):
        with pytest.raises(Exception, match="A name must have"):
            schedule(sqlite_spine, maya, NOW, name=name)


def test_it_goes_out_on_each_database(spine: Spine, tmp_path, mailbox):
    scope = spine.organization()
    maya = owner(spine, scope)
    made = schedule(spine, maya, NOW)
    work = ScheduleDriver(spine, tmp_path, mailbox[1])
    for day in (1, 2):
        work.settle(NOW + day * DAY_US)
    everything = [index for _, content in mailbox[0].messages for index in indexes(attached(mail_of(content)) or b"")]
    assert everything == list(range(len(everything)))
    assert shown(spine, maya, made.public_id).last_run.state == "delivered"
    with spine.database.write() as connection:
        changes.remove(connection, maya, made.public_id, now=NOW)


def test_one_that_is_broken_holds_up_no_other(sqlite_spine: Spine, maya, mailbox, driver):
    broken, whole = schedule(sqlite_spine, maya, NOW), schedule(sqlite_spine, maya, NOW)
    with sqlite_spine.database.write() as connection:
        mine = export_schedules.c.schedule_id == broken.schedule_id
        connection.execute(update(export_schedules).where(mine).values(zone="Nowhere", next_at=NOW))
    driver.settle(NOW + DAY_US)
    assert shown(sqlite_spine, maya, whole.public_id).last_run.state == "delivered"
    assert len(mailbox[0].messages) == 1
