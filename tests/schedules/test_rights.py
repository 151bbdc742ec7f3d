"""Who may schedule what to whom, and what becomes of it when they may no more."""

import pytest
from sqlalchemy import select

from tallystick.access import members, people
from tallystick.access.scopes import person_scope
from tallystick.clock import DAY_US
from tallystick.database.engine import Database
from tallystick.errors import Conflict, Forbidden, NotFound
from tallystick.events.output import event_of
from tallystick.ids import decode
from tallystick.schedules import changes, unsubscribe
from tallystick.schedules.schedule import list_schedules
from tallystick.schedules.tables import schedule_deliveries, schedule_recipients
from tallystick.search.filters import query_from
from tallystick.secret_keys import SecretKeys
from tests.fixtures.spine import Spine
from tests.schedules.schedule_driver import at, attached, lines, mail_of, owner, schedule, shown

NOW = at("2024-03-04 12:00")
OUTSIDER = "auditor@outside.example"


@pytest.fixture
def scope(sqlite_spine: Spine):
    made = sqlite_spine.organization()
    sqlite_spine.record(made, {"action": "thing.done"}, {"action": "thing.hers", "actor": {"email": "sarah@acme.com"}})
    sqlite_spine.ship()
    return made


def user_id(scope):
    from_shown = decode("usr", scope.principal.id)
    return type(scope.org_id)(bytes=from_shown)


def told(spine: Spine, scope, action: str):
    spine.sequencer.tick([])
    spine.ship()
    page = spine.finder.page(scope, query_from({"action": [action]}, now=0), limit=1)
    return event_of(page.data[0])


def test_a_member_gets_the_own_activity_alone(sqlite_spine: Spine, scope, mailbox, driver):
    sarah = owner(sqlite_spine, scope, "sarah@acme.com", "member")
    schedule(sqlite_spine, sarah, NOW, format="csv")
    driver.settle(NOW + DAY_US)
    found = lines(attached(mail_of(mailbox[0].messages[0][1])) or b"")
    assert {row["user_email"] for row in found} == {"sarah@acme.com"}
    assert "thing.hers" in {row["action"] for row in found}


@pytest.mark.parametrize("role", ["auditor", "member"])
def test_who_changes_nothing_sends_to_the_own_address_alone(sqlite_spine: Spine, scope, role):
    tom = owner(sqlite_spine, scope, "tom@acme.com", role)
    assert schedule(sqlite_spine, tom, NOW).recipients[0].state == "active"
    for others in ([OUTSIDER], ["tom@acme.com", OUTSIDER]):
        with pytest.raises(Forbidden) as refused:
            schedule(sqlite_spine, tom, NOW, recipients=others)
        assert refused.value.code == "own_address_only"
    with pytest.raises(Forbidden):
        schedule(sqlite_spine, tom, NOW, recipients=[], to_storage=True)


def test_a_member_sees_the_own_ones_and_an_auditor_all(sqlite_spine: Spine, scope):
    maya, sarah, tom = (
        owner(sqlite_spine, scope, f"{name}@acme.com", role)
        for name, role in (("maya", "owner"), ("sarah", "member"), ("tom", "auditor"))
    )
    hers, theirs = schedule(sqlite_spine, sarah, NOW), schedule(sqlite_spine, maya, NOW)
    with sqlite_spine.database.write() as connection:
        assert [one.public_id for one in list_schedules(connection, sarah)] == [hers.public_id]
        assert len(list_schedules(connection, tom)) == 2
        with pytest.raises(NotFound):
            changes.remove(connection, sarah, theirs.public_id, now=NOW)
        with pytest.raises(Forbidden):
            changes.remove(connection, tom, theirs.public_id, now=NOW)


def test_nobody_outside_gets_anything_before_an_owner_consents(sqlite_spine: Spine, scope, mailbox, driver):
    maya = owner(sqlite_spine, scope)
    tom = owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, tom, NOW, recipients=[OUTSIDER, "maya@acme.com"])
    assert {one.address: one.state for one in made.recipients} == {OUTSIDER: "waiting", "maya@acme.com": "active"}
    driver.settle(NOW + DAY_US)
    assert [to for to, _ in mailbox[0].messages] == [["maya@acme.com"]]
    with sqlite_spine.database.write() as connection, pytest.raises(Forbidden):
        changes.consent(connection, tom, made.public_id, now=NOW)
    with sqlite_spine.database.write() as connection:
        changes.consent(connection, maya, made.public_id, now=NOW)
    assert told(sqlite_spine, scope, "audit_log.schedule_consented")["metadata"]["recipients"] == [OUTSIDER]
    driver.settle(NOW + 2 * DAY_US)
    assert [to for to, _ in mailbox[0].messages].count([OUTSIDER]) == 1


def test_what_an_owner_consented_to_is_not_widened_without_one(sqlite_spine: Spine, scope, mailbox, driver):
    maya = owner(sqlite_spine, scope)
    tom = owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, maya, NOW, recipients=[OUTSIDER, "tom@acme.com"], filter={"action": ["thing.done"]})

    def change(who, **given):
        with sqlite_spine.database.write() as connection:
            after = changes.change(connection, who, made.public_id, given, now=NOW)
        return {one.address: one.state for one in after.recipients}

    assert change(tom, name="Other", filter={"action": ["thing.done"]})[OUTSIDER] == "active"
    assert change(maya, filter={"action": ["thing.*"]})[OUTSIDER] == "active"
    assert change(tom, filter={}) == {OUTSIDER: "waiting", "tom@acme.com": "active"}
    driver.settle(NOW + DAY_US)
    assert [to for to, _ in mailbox[0].messages] == [["tom@acme.com"]]


@pytest.mark.parametrize("given", [{"format": "ndjson"}, {"columns": "all"}, {"zone": "Pacific/Kiritimati"}])
def test_what_is_said_of_each_event_is_not_widened_without_an_owner_either(sqlite_spine: Spine, scope, given):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, maya, NOW, recipients=[OUTSIDER, "tom@acme.com"], format="csv")
    with sqlite_spine.database.write() as connection:
        after = changes.change(connection, tom, made.public_id, given, now=NOW)
        assert {one.address: one.state for one in after.recipients}[OUTSIDER] == "waiting"
        with pytest.raises(Conflict) as seen_before:
            changes.consent(connection, maya, made.public_id, made.revision, now=NOW)
        assert seen_before.value.code == "schedule_changed"


def test_another_form_of_the_same_file_and_another_time_keep_the_consent(sqlite_spine: Spine, scope):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, maya, NOW, recipients=[OUTSIDER], format="csv")
    with sqlite_spine.database.write() as connection:
        after = changes.change(connection, tom, made.public_id, {"dialect": "excel", "at": "09:00"}, now=NOW)
    assert [one.state for one in after.recipients] == ["active"]


def test_consent_to_what_a_member_sees_is_none_to_what_an_admin_sees(sqlite_spine: Spine, scope, mailbox, driver):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    hers = schedule(sqlite_spine, owner(sqlite_spine, scope, "sarah@acme.com", "member"), NOW)
    with sqlite_spine.database.write() as connection:
        changes.change(connection, tom, hers.public_id, {"recipients": ["sarah@acme.com", OUTSIDER]}, now=NOW)
        changes.consent(connection, maya, hers.public_id, now=NOW)
    driver.settle(NOW + DAY_US)
    assert shown(sqlite_spine, maya, hers.public_id).stopped
    with sqlite_spine.database.write() as connection:
        changes.change(connection, tom, hers.public_id, {"enabled": True}, now=NOW + DAY_US)
        changes.run_now(connection, tom, hers.public_id, now=NOW + DAY_US)
    driver.settle(NOW + DAY_US)
    assert [to for to, _ in mailbox[0].messages] == [["sarah@acme.com"]]


def test_the_trail_says_what_a_schedule_says_more_or_less(sqlite_spine: Spine, scope):
    maya = owner(sqlite_spine, scope)
    made = schedule(sqlite_spine, maya, NOW, format="csv")
    for before, after in ((None, "all"), ("all", None)):
        with sqlite_spine.database.write() as connection:
            changes.change(connection, maya, made.public_id, {"columns": after or "default"}, now=NOW)
        changed = told(sqlite_spine, scope, "audit_log.schedule_updated")["changes"]["columns"]
        assert changed == {"before": before, "after": after}


def test_an_owner_consents_by_scheduling_and_that_is_kept(sqlite_spine: Spine, scope):
    made = schedule(sqlite_spine, owner(sqlite_spine, scope), NOW, recipients=[OUTSIDER])
    assert (made.recipients[0].state, made.recipients[0].consent_by) == ("active", "maya@acme.com")


def test_a_member_who_left_gets_nothing_more(sqlite_spine: Spine, scope, mailbox, driver):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    schedule(sqlite_spine, maya, NOW, recipients=["maya@acme.com", "tom@acme.com"])
    with sqlite_spine.database.write() as connection:
        members.set_disabled(connection, maya, user_id(tom), True, now=NOW)
    driver.settle(NOW + DAY_US)
    assert [to for to, _ in mailbox[0].messages] == [["maya@acme.com"]]


def test_when_its_maker_leaves_it_ends_and_says_why_until_somebody_takes_it_over(
    sqlite_spine: Spine, scope, mailbox, driver
):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, tom, NOW, recipients=["maya@acme.com"])
    with sqlite_spine.database.write() as connection:
        people.set_disabled(connection, "tom@acme.com", True, now=NOW)
    driver.settle(NOW + DAY_US)
    ended = shown(sqlite_spine, maya, made.public_id)
    assert (ended.enabled, ended.next_at) == (False, None)
    assert "tom@acme.com no longer has access" in ended.stopped
    assert mailbox[0].messages == []
    assert told(sqlite_spine, scope, "audit_log.schedule_failed")["metadata"]["ended"] is True
    with sqlite_spine.database.write() as connection:
        taken = changes.change(connection, maya, made.public_id, {"enabled": True}, now=NOW + DAY_US)
    assert (taken.by.email, taken.stopped) == ("maya@acme.com", "")
    driver.settle(NOW + 2 * DAY_US)
    assert len(mailbox[0].messages) == 1


@pytest.mark.parametrize(("before", "after"), [("admin", "member"), ("member", "admin")])
def test_who_sees_less_or_more_than_then_ends_it(sqlite_spine: Spine, scope, mailbox, driver, before, after):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", before)
    made = schedule(sqlite_spine, tom, NOW)
    with sqlite_spine.database.write() as connection:
        members.change_role(connection, maya, user_id(tom), after, now=NOW)
    driver.settle(NOW + DAY_US)
    assert f"created it as {before} and is now {after}" in shown(sqlite_spine, maya, made.public_id).stopped
    assert mailbox[0].messages == []


def test_an_admin_who_became_auditor_sends_to_others_no_more(sqlite_spine: Spine, scope, mailbox, driver):
    maya, tom = owner(sqlite_spine, scope), owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, tom, NOW, recipients=["maya@acme.com"])
    with sqlite_spine.database.write() as connection:
        members.change_role(connection, maya, user_id(tom), "auditor", now=NOW)
    driver.settle(NOW + DAY_US)
    assert "cannot send to others" in shown(sqlite_spine, maya, made.public_id).stopped


def test_unsubscribing_ends_it_for_one_and_no_other_link_does(sqlite_spine: Spine, scope, mailbox, driver):
    maya = owner(sqlite_spine, scope)
    owner(sqlite_spine, scope, "tom@acme.com", "admin")
    made = schedule(sqlite_spine, maya, NOW, recipients=["maya@acme.com", "tom@acme.com"])
    token = unsubscribe.sign_token(SecretKeys("secret"), made.org_id, made.schedule_id, "tom@acme.com")
    with sqlite_spine.database.write() as connection:
        elsewhere = unsubscribe.sign_token(SecretKeys("other"), made.org_id, made.schedule_id, "tom@acme.com")
        nobody = unsubscribe.sign_token(SecretKeys("secret"), made.org_id, made.schedule_id, "x@acme.com")
        for wrong in (token[:-2], token + "AA", elsewhere, nobody, "ü", ""):
            with pytest.raises(NotFound):
                unsubscribe.unsubscribe(connection, SecretKeys("secret"), wrong, now=NOW)
        for _ in range(2):
            unsubscribe.unsubscribe(connection, SecretKeys("secret"), token, now=NOW)
    driver.settle(NOW + DAY_US)
    assert [to for to, _ in mailbox[0].messages] == [["maya@acme.com"]]
    with sqlite_spine.database.read() as connection:
        states = connection.execute(select(schedule_recipients.c.address, schedule_recipients.c.state)).all()
    assert sorted(map(tuple, states)) == [("maya@acme.com", "active"), ("tom@acme.com", "unsubscribed")]


def test_another_organization_is_not_reached(sqlite_spine: Spine, scope):
    made = schedule(sqlite_spine, owner(sqlite_spine, scope), NOW)
    other = sqlite_spine.organization("other")
    charlie = owner(sqlite_spine, other, "charlie@other.example")
    same_person = person_scope(other.org_id, made.by, "owner")
    for who in (charlie, same_person):
        with sqlite_spine.database.write() as connection:
            assert list_schedules(connection, who) == []
            for act in (changes.remove, changes.run_now, changes.consent):
                with pytest.raises(NotFound):
                    act(connection, who, made.public_id, now=NOW)
            with pytest.raises(NotFound):
                changes.change(connection, who, made.public_id, {"enabled": False}, now=NOW)


def test_what_is_deleted_leaves_nothing_behind(sqlite_spine: Spine, scope, mailbox, driver):
    maya = owner(sqlite_spine, scope)
    made = schedule(sqlite_spine, maya, NOW)
    driver.settle(NOW + DAY_US)
    with sqlite_spine.database.write() as connection:
        changes.remove(connection, maya, made.public_id, now=NOW)
    database: Database = sqlite_spine.database
    with database.read() as connection:
        assert connection.execute(select(schedule_recipients)).all() == []
        assert connection.execute(select(schedule_deliveries)).all() == []


def test_one_whose_filter_named_an_erased_person_ends_rather_than_send_something_else(
    sqlite_spine: Spine, scope, mailbox, driver
):
    maya = owner(sqlite_spine, scope)
    made = schedule(sqlite_spine, maya, NOW, filter={"user": ["[erased]"]})
    driver.settle(NOW + DAY_US)
    assert "data has been erased" in shown(sqlite_spine, maya, made.public_id).stopped
    assert mailbox[0].messages == []
