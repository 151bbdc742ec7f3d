"""Changes of keys: never more scopes, obeyed at once, recorded with before and after."""

import pytest

from tallystick.access import keys
from tallystick.access.key_changes import KeyChange, change_key
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tallystick.search.filter_text import parse_filter
from tests.access.town import DAY, at_once

LIMIT = parse_filter("category:deployments", now=0)


def make(town, *scopes, **named):
    return town.do(keys.add_key, town.scope(town.alice), "ci", scopes or ("events:read", "events:write"), **named)


def change(town, key, by=None, **fields):
    return town.do(change_key, town.scope(by or town.alice), key.key_id, KeyChange(**fields))


def test_each_field_is_changed_and_recorded_with_before_and_after(small_town):
    key, token = make(small_town)
    until = small_town.clock.now + DAY
    after = change(
        small_town, key, name="shop", scopes=["events:read"], allowed_networks=["192.0.2.0/24"], expires_at=until,
        limit=LIMIT, records_for_others=True,
    )  # fmt: skip
    with small_town.database.read() as connection:
        assert keys.find_by_token(connection, token) == after
    changes = small_town.told(small_town.acme, "api_key.updated")[0]["changes"]
    assert changes["name"] == {"before": "ci", "after": "shop"}
    assert changes["scopes"] == {"before": ["events:read", "events:write"], "after": ["events:read"]}
    assert changes["filter"] == {"before": None, "after": "category:deployments"}
    assert set(changes) == {"name", "scopes", "allowed_networks", "expires_at", "filter", "records_for_others"}


def test_a_change_that_changes_nothing_is_not_recorded(small_town):
    key, _ = make(small_town)
    assert change(small_town, key, name="ci") == key
    assert small_town.told(small_town.acme, "api_key.updated") == []


def test_a_key_never_gets_another_scope(small_town):
    key, _ = make(small_town)
    with pytest.raises(BadRequest, match="never gets more"):
        change(small_town, key, scopes=["events:read", "admin"])


def test_a_filter_and_a_scope_that_could_lift_it_exclude_each_other(small_town):
    key, _ = make(small_town, "events:read", "admin")
    with pytest.raises(BadRequest, match="reaches beyond"):
        change(small_town, key, limit=LIMIT)
    assert change(small_town, key, limit=LIMIT, scopes=["events:read"]).limit == LIMIT


def test_a_rotated_key_keeps_its_filter(small_town):
    key, _ = make(small_town, limit=LIMIT, records_for_others=True)
    made, _ = small_town.do(keys.rotate_key, small_town.scope(small_town.alice), key.key_id, 0)
    assert (made.limit, made.records_for_others) == (LIMIT, True)
    assert keys.scope_of_key(made).mandatory == LIMIT.condition


def test_charlie_finds_no_key_and_bob_may_not_change_it(small_town):
    key, _ = make(small_town)
    with pytest.raises(NotFound):
        change(small_town, key, by=small_town.charlie, name="taken")
    with pytest.raises(Forbidden):
        change(small_town, key, by=small_town.bob, name="taken")


def test_of_a_change_and_a_revocation_at_once_the_key_stays_revoked(town):
    key, _ = make(town)

    def act(number):
        if number:
            return town.do(keys.revoke_key, town.scope(town.alice), key.key_id)
        return change(town, key, name="changed")

    done = at_once(2, act)
    with town.database.read() as connection:
        after = keys.show_key(connection, town.scope(town.alice), key.key_id)
    assert after.revoked_at is not None
    assert isinstance(done[0], Conflict) == (after.name == "ci")
