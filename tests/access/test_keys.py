"""API keys: shown once, kept as a hash, of one organization."""

import re

import pytest
import sqlalchemy as sa

from tallystick.access import keys
from tallystick.access.scopes import api_key_scope, operator_scope
from tallystick.access.tables import api_keys
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tests.access.town import DAY, HOUR, NOW, at_once


def make(town, scopes=("events:read",), **named):
    return town.do(keys.create_key, town.scope(town.alice), "ci", scopes, **named)


def listed(town, member):
    with town.database.read() as connection:
        return keys.list_keys(connection, town.scope(member))


def test_a_key_has_a_prefix_30_random_characters_and_6_check_digits(small_town):
    token = make(small_town)
    assert re.fullmatch(r"tsk_[0-9A-Za-z]{36}", token)
    assert keys.is_well_formed(token)


def test_the_check_digits_are_the_crc32_in_base_62():
    assert keys.is_well_formed("tsk_" + "0" * 30 + "2C8GjS")
    assert not keys.is_well_formed("tsk_" + "0" * 30 + "2C8GjT")


def test_a_mistyped_key_is_told_from_a_good_one(small_town):
    token = make(small_town)
    swapped = token[:10] + ("x" if token[10] != "x" else "y") + token[11:]
    for wrong in (swapped, token[:-1], token + "0", token.replace("tsk_", "tsk-"), "", token + "\n", "é" * 40):
        assert not keys.is_well_formed(wrong)


def test_the_database_holds_hash_and_last_four_alone(small_town):
    token = make(small_town)
    with small_town.database.read() as connection:
        row = connection.execute(sa.select(api_keys)).one()
    assert row.last4 == token[-4:]
    assert len(row.token_sha256) == 32
    assert token[4:34] not in str(row)
    assert token[4:34] not in str(small_town.told(small_town.acme))


def test_the_text_of_a_key_is_masked_in_repr(small_town):
    assert "tsk_" not in repr(make(small_town))


def test_a_made_key_is_listed_with_all_that_was_said(town):
    make(town, ("exports", "events:read"), expires_at=NOW + DAY, allowed_networks=["192.0.2.0/24", "2001:db8::1"])
    [key] = listed(town, town.alice)
    assert (key.name, key.scopes, key.created_by) == ("ci", {"events:read", "exports"}, "alice@acme.com")
    assert (key.created_at, key.expires_at, key.last_used_at, key.revoked_at) == (NOW, NOW + DAY, None, None)
    assert list(map(str, key.allowed_networks)) == ["192.0.2.0/24", "2001:db8::1/128"]


def test_no_key_gets_a_scope_that_allows_nothing(small_town):
    with pytest.raises(BadRequest, match="Unknown scope 'streams'"):
        make(small_town, ("events:read", "streams"))


def test_a_key_that_an_earlier_version_gave_the_scope_streams_keeps_its_others(small_town):
    token = make(small_town)
    with small_town.database.write() as connection:
        connection.execute(sa.update(api_keys).values(scopes="events:read streams"))
        found = keys.find_by_token(connection, token)
    assert found.scopes == {"events:read"}


def test_making_a_key_is_told_with_its_scopes(small_town):
    make(small_town, ("exports", "events:read"), expires_at=NOW + DAY, allowed_networks=["192.0.2.0/24"])
    [event] = small_town.told(small_town.acme)
    assert event["action"] == "api_key.created"
    assert event["actor"]["email"] == "alice@acme.com"
    assert event["resource"] == {
        "type": "api_key",
        "id": listed(small_town, small_town.alice)[0].public_id,
        "name": "ci",
    }
    assert event["changes"] == {
        "scopes": ["events:read", "exports"],
        "expires_at": "2023-11-15T22:13:20.000000Z",
        "allowed_networks": ["192.0.2.0/24"],
    }


@pytest.mark.parametrize(
    ("named", "code"),
    [
        ({"scopes": []}, "bad_scope"),
        ({"scopes": ["everything"]}, "bad_scope"),
        ({"expires_at": NOW}, "bad_expiry"),
        ({"allowed_networks": ["192.0.2.1/24"]}, "bad_network"),
        ({"allowed_networks": ["example.com"]}, "bad_network"),
        ({"allowed_networks": ["192.0.2.1"] * 51}, "bad_network"),
    ],
)
def test_what_cannot_be_is_refused(small_town, named, code):
    with pytest.raises(BadRequest) as refusal:
        make(small_town, **named)
    assert refusal.value.code == code


def test_no_key_makes_a_key_that_may_do_more_than_itself(small_town):
    scope = api_key_scope(small_town.acme.org_id, small_town.bob.user_id, "ci", frozenset({"admin", "events:read"}))
    small_town.do(keys.create_key, scope, "reader", ["events:read"])
    with pytest.raises(Forbidden) as refusal:
        small_town.do(keys.create_key, scope, "writer", ["events:write"])
    assert refusal.value.extra == {"permission": "events:write"}


def test_a_member_neither_makes_nor_lists_nor_revokes_keys(small_town):
    make(small_town)
    [key] = listed(small_town, small_town.alice)
    scope = small_town.scope(small_town.bob)
    with pytest.raises(Forbidden):
        small_town.do(keys.create_key, scope, "ci", ["events:read"])
    with pytest.raises(Forbidden):
        listed(small_town, small_town.bob)
    with pytest.raises(Forbidden):
        small_town.do(keys.revoke_key, scope, key.key_id)


def test_of_two_that_revoke_a_key_at_once_one_tells_it(town):
    make(town)
    [key] = listed(town, town.alice)
    at_once(2, lambda _: town.do(keys.revoke_key, town.scope(town.alice), key.key_id))
    assert listed(town, town.alice)[0].revoked_at == NOW
    assert len(town.told(town.acme, "api_key.revoked")) == 1


def test_charlie_neither_sees_nor_revokes_keys_of_acme(town):
    make(town)
    [key] = listed(town, town.alice)
    assert listed(town, town.charlie) == []
    with pytest.raises(NotFound) as refusal:
        town.do(keys.revoke_key, town.scope(town.charlie), key.key_id)
    assert refusal.value.code == "no_key"
    assert listed(town, town.alice)[0].revoked_at is None


def test_the_operator_makes_keys_too(small_town):
    small_town.do(keys.create_key, operator_scope(small_town.acme.org_id), "ci", ["events:write"])
    assert listed(small_town, small_town.alice)[0].created_by == "operator"


def rotate(town, key, overlap=HOUR, **named):
    return town.do(keys.rotate_key, town.scope(town.alice), key.key_id, overlap, **named)


def test_a_rotated_key_has_a_successor_with_all_that_it_had_and_ends_after_the_overlap(town):
    make(town, ("exports", "events:read"), expires_at=NOW + 10 * DAY, allowed_networks=["192.0.2.0/24"])
    [old] = listed(town, town.alice)
    town.clock.pass_by(DAY)
    made, text = rotate(town, old)
    assert (made.name, made.scopes, made.allowed_networks) == (old.name, old.scopes, old.allowed_networks)
    assert made.expires_at == NOW + 11 * DAY
    [ending] = [key for key in listed(town, town.alice) if key.key_id == old.key_id]
    assert (ending.expires_at, ending.replaced_by) == (NOW + DAY + HOUR, made.key_id)
    assert ending.state(NOW + DAY) == "ending"
    assert ending.state(NOW + DAY + HOUR) == "expired"
    with town.database.read() as connection:
        assert keys.find_by_token(connection, text) == made
    [told] = town.told(town.acme, "api_key.rotated")
    assert told["changes"]["replaced_by"] == made.public_id
    assert told["changes"]["expires_at"] == {
        "before": "2023-11-24T22:13:20.000000Z", "after": "2023-11-15T23:13:20.000000Z",
    }  # fmt: skip


def test_a_rotation_never_lets_a_key_live_longer(town):
    make(town, expires_at=NOW + HOUR)
    [old] = listed(town, town.alice)
    rotate(town, old, 5 * HOUR)
    assert min(key.expires_at for key in listed(town, town.alice)) == NOW + HOUR


def test_a_key_is_rotated_once_and_not_after_its_end(town):
    make(town)
    [old] = listed(town, town.alice)
    made, _ = rotate(town, old)
    with pytest.raises(Conflict):
        rotate(town, old)
    town.do(keys.revoke_key, town.scope(town.alice), made.key_id)
    with pytest.raises(Conflict):
        rotate(town, made)


@pytest.mark.parametrize("overlap", [-1, 30 * DAY + 1])
def test_an_overlap_that_cannot_be_is_refused(small_town, overlap):
    make(small_town)
    with pytest.raises(BadRequest):
        rotate(small_town, listed(small_town, small_town.alice)[0], overlap)


def test_of_a_rotation_and_a_revocation_at_once_none_is_half_done(town):
    """Either the key was revoked first, and there is no successor; or it was rotated first, and then revoked."""
    make(town)
    [old] = listed(town, town.alice)
    acts = (lambda: rotate(town, old), lambda: town.do(keys.revoke_key, town.scope(town.alice), old.key_id))
    rotated, _ = at_once(2, lambda number: acts[number]())
    found = {key.key_id: key for key in listed(town, town.alice)}
    assert found[old.key_id].revoked_at == NOW
    assert len(found) == (1 if isinstance(rotated, Conflict) else 2)
    assert len(town.told(town.acme, "api_key.rotated")) == len(found) - 1


def test_no_key_rotates_one_that_may_do_more_than_itself(town):
    make(town, ("events:write",))
    [old] = listed(town, town.alice)
    scope = api_key_scope(town.acme.org_id, town.bob.user_id, "ci", frozenset({"admin"}))
    with pytest.raises(Forbidden):
        town.do(keys.rotate_key, scope, old.key_id, HOUR)


def test_charlie_rotates_no_key_of_acme(town):
    make(town)
    [old] = listed(town, town.alice)
    with pytest.raises(NotFound):
        town.do(keys.rotate_key, town.scope(town.charlie), old.key_id, HOUR)
    assert len(listed(town, town.alice)) == 1
