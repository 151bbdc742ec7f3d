"""Leavers: keys that read end with whoever made them, keys that only write stay, as the organization chose."""

import pytest

from tallystick.access import keys, leavers, members, people
from tallystick.access.scopes import api_key_scope, operator_scope
from tallystick.errors import BadRequest, Forbidden


@pytest.fixture
def maker(small_town):
    """An admin of Acme who makes keys."""
    return small_town.do(people.create, operator_scope(small_town.acme.org_id), "mia@acme.com", "admin")


def made(town, scope, name, *scopes):
    return town.do(keys.add_key, scope, name, scopes)[0]


def states(town) -> dict[str, str]:
    with town.database.read() as connection:
        found = keys.list_keys(connection, operator_scope(town.acme.org_id))
    return {key.name: key.state(town.clock.now) for key in found}


def leave(town, maker):
    return town.do(members.remove, town.scope(town.alice), maker.user_id)


def test_keys_that_read_end_with_their_maker_and_keys_that_only_write_stay(small_town, maker):
    scope = small_town.scope(maker, small_town.acme)
    made(small_town, scope, "reader", "events:read")
    made(small_town, scope, "writer", "events:write")
    made(small_town, small_town.scope(small_town.alice), "hers", "events:read")
    leave(small_town, maker)
    assert states(small_town) == {"reader": "revoked", "writer": "active", "hers": "active"}
    [event] = small_town.told(small_town.acme, "user.removed")
    assert (event["changes"]["keys_revoked"], event["changes"]["keys_kept"]) == (["reader"], ["writer"])
    [revoked] = small_town.told(small_town.acme, "api_key.revoked")
    assert revoked["changes"] == {"reason": "maker_left"}


def test_a_key_made_with_a_leavers_key_ends_too(small_town, maker):
    first = made(small_town, small_town.scope(maker, small_town.acme), "first", "admin", "events:read")
    scope = api_key_scope(small_town.acme.org_id, first.key_id, "first", first.scopes)
    made(small_town, scope, "second", "events:read")
    leave(small_town, maker)
    assert states(small_town) == {"first": "revoked", "second": "revoked"}


@pytest.mark.parametrize(
    ("choice", "expected"),
    [("all", {"reader": "revoked", "writer": "revoked"}), ("none", {"reader": "active", "writer": "active"})],
)
def test_the_organization_chooses_otherwise(small_town, maker, choice, expected):
    small_town.do(leavers.set_leaver_keys, small_town.scope(small_town.alice), choice)
    scope = small_town.scope(maker, small_town.acme)
    made(small_town, scope, "reader", "events:read")
    made(small_town, scope, "writer", "events:write")
    leave(small_town, maker)
    assert states(small_town) == expected


def test_a_disabled_person_leaves_every_organization(small_town, maker):
    made(small_town, small_town.scope(maker, small_town.acme), "reader", "events:read")
    small_town.do(people.set_disabled, "mia@acme.com", True)
    assert states(small_town) == {"reader": "revoked"}


def test_only_an_owner_chooses_and_the_choice_is_told_with_before_and_after(small_town, maker):
    with pytest.raises(Forbidden):
        small_town.do(leavers.set_leaver_keys, small_town.scope(maker, small_town.acme), "none")
    with pytest.raises(BadRequest):
        small_town.do(leavers.set_leaver_keys, small_town.scope(small_town.alice), "some")
    small_town.do(leavers.set_leaver_keys, small_town.scope(small_town.alice), "all")
    [event] = small_town.told(small_town.acme, "organization.updated")
    assert event["changes"] == {"leaver_keys": {"before": "reading", "after": "all"}}
