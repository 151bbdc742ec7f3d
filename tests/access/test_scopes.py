"""Scopes: what each role and each key may do."""

import pytest

from tallystick.access.scopes import (
    PERMISSIONS,
    ROLES,
    api_key_scope,
    operator_scope,
    parse_permissions,
    parse_role,
    require,
    require_ownership,
)
from tallystick.errors import BadRequest, Forbidden
from tallystick.query.conditions import EVERYTHING, Equals

TABLE = {
    #            write  read   exports alerts admin
    "owner":    (True,  True,  True,   True,  True),
    "admin":    (True,  True,  True,   True,  True),
    "auditor":  (False, True,  True,   False, False),
    "member":   (False, True,  True,   False, False),
}  # fmt: skip


@pytest.mark.parametrize("role", TABLE)
def test_a_role_allows_what_the_table_says(role):
    assert tuple(permission in ROLES[role] for permission in PERMISSIONS) == TABLE[role]


def test_there_is_no_other_role():
    assert set(ROLES) == set(TABLE)


def test_the_permissions_are_in_the_order_of_the_table():
    assert PERMISSIONS == ("events:write", "events:read", "exports", "alerts", "admin")


def test_a_members_scope_holds_the_filter_to_the_own_activity(small_town):
    scope = small_town.scope(small_town.bob)
    assert scope.mandatory == Equals("user", ("bob@acme.com", small_town.bob.principal.id))


def test_an_owners_scope_has_no_filter(small_town):
    assert small_town.scope(small_town.alice).mandatory == EVERYTHING


def test_require_lets_pass_what_is_held(small_town):
    require(small_town.scope(small_town.bob), "events:read")


def test_require_names_role_and_permission(small_town):
    with pytest.raises(Forbidden) as refusal:
        require(small_town.scope(small_town.bob), "admin")
    assert refusal.value.code == "missing_permission"
    assert refusal.value.extra == {"permission": "admin"}
    assert "member" in refusal.value.detail


def test_require_tells_a_key_to_be_made_anew(small_town):
    scope = api_key_scope(small_town.acme.org_id, small_town.bob.user_id, "ci", frozenset({"events:write"}))
    with pytest.raises(Forbidden, match="Create a key"):
        require(scope, "events:read")


def test_admin_alone_reads_no_events(small_town):
    scope = api_key_scope(small_town.acme.org_id, small_town.bob.user_id, "ci", frozenset({"admin"}))
    with pytest.raises(Forbidden):
        require(scope, "events:read")


@pytest.mark.parametrize("wanted", [[], ["events:delete"], ["events:read", "EVENTS:WRITE"], [""]])
def test_scopes_of_a_key_that_do_not_exist_are_refused(wanted):
    with pytest.raises(BadRequest) as refusal:
        parse_permissions(wanted)
    assert refusal.value.code == "bad_scope"


def test_a_role_that_does_not_exist_is_refused_with_the_four():
    with pytest.raises(BadRequest, match="owner, admin, auditor, member") as refusal:
        parse_role("root")
    assert refusal.value.code == "bad_role"


def test_only_an_owner_or_the_operator_holds_ownership(small_town):
    require_ownership(small_town.scope(small_town.alice))
    require_ownership(operator_scope(small_town.acme.org_id))
    key = api_key_scope(small_town.acme.org_id, small_town.bob.user_id, "ci", frozenset(PERMISSIONS))
    for scope in (small_town.scope(small_town.bob), key):
        with pytest.raises(Forbidden) as refusal:
            require_ownership(scope)
        assert refusal.value.code == "owner_only"
