"""Organizations: made once, kept as long as said."""

import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from tallystick.access import organizations
from tallystick.access.scopes import operator_scope
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.query.scope import OPERATOR
from tests.access.town import NOW, OFFICE, at_once


@pytest.mark.parametrize(("plan", "days"), [("free", 7), ("pro", 90), ("enterprise", 365)])
def test_a_plan_has_its_days(small_town, plan, days):
    assert small_town.do(organizations.create, "third", "Third", plan).retention_days == days


def test_the_operator_may_give_other_days(small_town):
    assert small_town.do(organizations.create, "third", "Third", "enterprise", 3650).retention_days == 3650


def test_without_a_name_an_organization_goes_by_its_slug(small_town):
    assert small_town.do(organizations.create, "third").name == "third"


def test_an_organization_is_found_by_its_slug(small_town):
    with small_town.database.read() as connection:
        assert organizations.by_slug(connection, "acme") == small_town.acme


def test_a_slug_that_no_organization_has_is_not_found(small_town):
    with small_town.database.read() as connection, pytest.raises(NotFound) as refusal:
        organizations.by_slug(connection, "nobody")
    assert refusal.value.code == "no_organization"


def test_all_organizations_are_listed_by_slug(small_town):
    with small_town.database.read() as connection:
        assert organizations.list_all(connection) == [small_town.acme, small_town.other]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("Bad Slug", "X"), "bad_slug"),
        (("third", "X", "gold"), "bad_plan"),
        (("third", "X", "free", 0), "bad_retention"),
        (("third", "X", "free", 36_501), "bad_retention"),
        (("third", "a\nb"), "bad_name"),
    ],
)
def test_what_cannot_be_is_refused(small_town, arguments, code):
    with pytest.raises(BadRequest) as refusal:
        small_town.do(organizations.create, *arguments)
    assert refusal.value.code == code


def test_a_slug_belongs_to_one_organization(small_town):
    with pytest.raises(Conflict) as refusal:
        small_town.do(organizations.create, "acme", "Another")
    assert refusal.value.code == "slug_taken"


def test_of_two_that_take_a_slug_at_once_one_wins(town):
    outcomes = at_once(2, lambda number: town.do(organizations.create, "third", f"Third {number}"))
    assert sorted(getattr(outcome, "code", "made") for outcome in outcomes) == ["made", "slug_taken"]
    with town.database.read() as connection:
        assert len(organizations.list_all(connection)) == 3


def test_making_an_organization_is_told_in_its_own_trail(small_town):
    made = small_town.do(organizations.create, "third", "Third", "pro", caller=OFFICE)
    [event] = small_town.told(made)
    assert event == {
        "timestamp": "2023-11-14T22:13:20.000000Z",
        "action": "organization.created",
        "actor": {"type": "system", "id": "operator", "name": "operator"},
        "resource": {"type": "organization", "id": made.public_id, "name": "Third"},
        "context": {
            "ip_address": "192.0.2.10", "user_agent": "Firefox/128", "source": "web", "request_id": "req_1",
        },
        "changes": {"slug": "third", "plan": "pro", "retention_days": 90},
    }  # fmt: skip


def test_retention_changes_for_one_organization_and_says_before_and_after(town):
    town.do(organizations.set_retention, operator_scope(town.acme.org_id), 30)
    with town.database.read() as connection:
        assert organizations.retention_days(connection, town.acme.org_id) == 30
        assert organizations.retention_days(connection, town.other.org_id) == 365
    [event] = town.told(town.acme, "audit_log.retention_changed")
    assert event["changes"] == {"retention_days": {"before": 365, "after": 30}}
    assert event["actor"]["id"] == OPERATOR.id
    assert town.told(town.other) == []


def test_retention_that_stays_is_no_news(small_town):
    small_town.do(organizations.set_retention, operator_scope(small_town.acme.org_id), 365)
    assert small_town.told(small_town.acme) == []


def test_a_change_during_another_says_what_that_one_left(town):
    scope = operator_scope(town.acme.org_id)
    with ThreadPoolExecutor(1) as pool:
        with town.database.write() as connection:
            organizations.set_retention(connection, scope, 100, now=NOW)
            later = pool.submit(town.do, organizations.set_retention, scope, 200)
            time.sleep(0.2)
        later.result()
    changes = [event["changes"]["retention_days"] for event in town.told(town.acme, "audit_log.retention_changed")]
    assert changes == [{"before": 365, "after": 100}, {"before": 100, "after": 200}]


def test_a_member_cannot_change_retention(small_town):
    with pytest.raises(Forbidden):
        small_town.do(organizations.set_retention, small_town.scope(small_town.bob), 1)


def test_an_organization_shows_its_id(small_town):
    assert small_town.acme.public_id.startswith("org_")
    assert small_town.acme.created_at == NOW
