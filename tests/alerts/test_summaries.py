"""Findings in events that were recorded late: one alert and one message for each rule."""

import msgspec
from sqlalchemy import select

from tallystick import clock
from tallystick.alerts.alert import acknowledge
from tallystick.alerts.changes import mute
from tallystick.alerts.summaries import GROWS_US, QUIET_US
from tallystick.clock import DAY_US, SECOND_US
from tallystick.destinations.message import Message
from tallystick.destinations.tables import deliveries
from tests.alerts.rule_driver import BASE, Watch, failed
from tests.destinations.destination_driver import DeliveryDriver

YEAR = 365 * 86_400
EACH = {"query": "action:user.login_failed", "group_by": "user"}
FIVE = EACH | {"count": 5, "window_seconds": 600, "cooldown_seconds": 600}


def burst(days: float, user: str = "sarah@acme.com") -> list[dict[str, object]]:
    """Five failures within minutes, so many days before now."""
    return [failed(60 * number - days * 86_400, user) for number in range(5)]


def mine(watch: Watch, scope, rule):
    return [one for one in watch.alerts(scope) if one.rule_id == rule.rule_id]


def test_years_of_logs_make_one_summary_for_each_rule(watch):
    scope = watch.spine.organization()
    watch.settle()
    rule, other = watch.rule(scope, "Guessing", **FIVE), watch.rule(scope, "Any", **EACH)
    for year in (3, 2, 1):
        for day in range(20):
            watch.spine.record(scope, *burst(year * 365 - day), *burst(year * 365 - day, "jo@acme.com"))
    watch.settle()
    (one,) = mine(watch, scope, rule)
    assert (one.number, one.group, one.state) == (600, "", "open")
    assert one.sentence.startswith("Found 120 times in events that were recorded more than a day after they happened")
    assert (one.first_at, one.last_at) == (
        BASE - 3 * YEAR * SECOND_US, BASE - 346 * DAY_US + 240 * SECOND_US,
    )  # fmt: skip
    assert one.search["q"] == "action:user.login_failed"
    assert one.search["start"] < one.search["end"]
    assert [each.number for each in mine(watch, scope, other)] == [600]


def messages(watch: Watch) -> list[tuple[str, int, Message]]:
    """State, time and content of each delivery."""
    with watch.spine.database.read() as connection:
        rows = connection.execute(select(deliveries).order_by(deliveries.c.delivery_id)).all()
    return [(row.state, row.next_at, msgspec.json.decode(row.message, type=Message)) for row in rows]


def test_one_message_says_them_all_once_no_more_are_found(sqlite_watch: Watch) -> None:
    watch, driver = sqlite_watch, DeliveryDriver(sqlite_watch.spine)
    made = driver.make("http://127.0.0.1:9/hook").destination.public_id
    watch.settle()
    watch.rule(driver.scope, "Any", own={"destinations": [made]}, **EACH)
    start = clock.now_us()
    for number in range(3):
        watch.spine.record(driver.scope, *burst(900 - number))
        watch.settle(start + number * SECOND_US)
    ((state, at, message),) = messages(watch)
    assert (state, at) == ("waiting", start + 2 * SECOND_US + QUIET_US)
    assert (message.title, message.data["count"]) == ("Any", 15)
    assert message.sentence.startswith("Found 15 times")
    assert ("Found", "15 times") in message.facts
    assert message.links[0][1].endswith(f"/alerts/{message.id}")
    watch.spine.record(driver.scope, *burst(800))
    watch.settle(start + QUIET_US + 5 * SECOND_US)  # its time has come: the message stays as it is
    ((_, _, later),) = messages(watch)
    assert later == message


def test_a_single_finding_says_what_any_alert_says_until_there_are_more(sqlite_watch: Watch) -> None:
    watch, scope = sqlite_watch, sqlite_watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", **FIVE)
    watch.spine.record(scope, *burst(30))
    watch.settle()
    (one,) = mine(watch, scope, rule)
    assert (one.group, one.number) == ("sarah@acme.com", 5)
    watch.spine.record(scope, *burst(40, "jo@acme.com"), *burst(50))
    watch.settle()
    (one,) = mine(watch, scope, rule)
    assert (one.number, one.sentence[:13], one.first_at) == (15, "Found 3 times", BASE - 50 * DAY_US)


def test_news_among_late_events_is_an_alert_of_its_own(sqlite_watch: Watch) -> None:
    watch, scope = sqlite_watch, sqlite_watch.spine.organization()
    watch.settle()
    rule = watch.rule(scope, "Guessing", **FIVE)
    watch.spine.record(scope, *burst(30), *burst(0), *burst(0.5, "jo@acme.com"), *burst(60))
    watch.settle()
    assert sorted((one.group, one.number) for one in mine(watch, scope, rule)) == [
        ("", 10), ("jo@acme.com", 5), ("sarah@acme.com", 5),
    ]  # fmt: skip


def test_a_summary_that_was_acknowledged_or_is_a_day_old_is_followed_by_another(sqlite_watch: Watch) -> None:
    watch, scope = sqlite_watch, sqlite_watch.spine.organization()
    watch.settle()
    rule, now = watch.rule(scope, "Any", **EACH), clock.now_us()
    watch.spine.record(scope, *burst(30))
    watch.settle(now)
    with watch.spine.database.write() as connection:
        acknowledge(connection, scope, mine(watch, scope, rule)[0].public_id, now=now)
    watch.spine.record(scope, *burst(40))
    watch.settle(now)
    watch.spine.record(scope, *burst(50))
    watch.settle(now + GROWS_US)
    assert [one.number for one in mine(watch, scope, rule)] == [5, 5, 5]


def test_a_muted_rule_sends_no_summary(sqlite_watch: Watch) -> None:
    watch, driver = sqlite_watch, DeliveryDriver(sqlite_watch.spine)
    made = driver.make("http://127.0.0.1:9/hook").destination.public_id
    watch.settle()
    rule = watch.rule(driver.scope, "Any", own={"destinations": [made]}, **EACH)
    with watch.spine.database.write() as connection:
        mute(connection, driver.scope, rule.public_id, 86_400, now=clock.now_us())
    watch.spine.record(driver.scope, *burst(30))
    watch.settle()
    assert messages(watch) == []
    assert mine(watch, driver.scope, rule)[0].muted
