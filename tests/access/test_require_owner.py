"""Who may change how long events are kept: an owner, the operator, and keys that one of them made."""

import pytest

from tallystick.access import members, organizations, people
from tallystick.access.keys import create_key, list_keys
from tallystick.access.scopes import api_key_scope, operator_scope
from tallystick.errors import Forbidden
from tallystick.query.scope import OPERATOR, Scope


def key_of(town, scope: Scope, name: str = "key") -> Scope:
    """The scope of a key that this scope makes."""
    town.do(create_key, scope, name, ["admin", "events:read"])
    with town.database.read() as connection:
        made = next(one for one in list_keys(connection, scope) if one.name == name)
    return api_key_scope(made.org_id, made.key_id, made.name, made.scopes)


def refusal(town, scope: Scope, **wanted: object) -> str:
    with pytest.raises(Forbidden) as refused:
        town.do(organizations.set_retention, scope, **wanted)
    return refused.value.code


def admin(small_town) -> Scope:
    made = small_town.do(people.create, small_town.scope(small_town.alice), "dora@acme.example", "admin")
    return small_town.scope(made, small_town.acme)


def test_an_owner_may_choose_more_days_on_enterprise_and_a_key_the_owner_made_too(small_town):
    owner = small_town.scope(small_town.alice)
    assert small_town.do(organizations.set_retention, owner, 400).retention_days == 400
    assert small_town.do(organizations.set_retention, key_of(small_town, owner), 500).retention_days == 500


def test_an_admin_may_not_nor_a_key_that_an_admin_made_whatever_its_name(small_town):
    scope = admin(small_town)
    assert refusal(small_town, scope, days=400) == "owner_only"
    assert refusal(small_town, key_of(small_town, scope), days=400) == "owner_only"
    by_key = key_of(small_town, key_of(small_town, scope, OPERATOR.name), "second")
    assert refusal(small_town, by_key, days=400) == "owner_only"


def test_a_key_of_an_owner_who_is_one_no_more_may_not(small_town):
    owner = small_town.scope(small_town.alice)
    key = key_of(small_town, owner)
    second = small_town.do(people.create, owner, "dora@acme.example", "owner")
    small_town.do(members.change_role, small_town.scope(second, small_town.acme), small_town.alice.user_id, "admin")
    assert refusal(small_town, key, days=400) == "owner_only"


def test_an_owner_has_what_the_plan_gives_and_the_operator_what_is_wanted(small_town):
    owner, operator = small_town.scope(small_town.alice), operator_scope(small_town.acme.org_id)
    assert refusal(small_town, owner, days=30) == "plan_ends"
    assert small_town.do(organizations.set_retention, owner, plan="pro").retention_days == 90
    assert refusal(small_town, owner, days=400) == "plan_ends"
    assert refusal(small_town, owner, plan="enterprise") == "plan_ends"
    assert small_town.do(organizations.set_retention, operator, 400).plan == "pro"
    assert small_town.do(organizations.set_retention, owner, plan="pro").retention_days == 90
    assert small_town.do(organizations.set_retention, operator, plan="enterprise").retention_days == 365
    told = small_town.told(small_town.acme, "audit_log.retention_changed")
    assert told[0]["changes"] == {
        "retention_days": {"before": 365, "after": 90},
        "plan": {"before": "enterprise", "after": "pro"},
    }
