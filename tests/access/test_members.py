"""Members: roles within one organization, and that one owner stays."""

import pytest

from tallystick.access import members, people, sessions
from tallystick.access.revision import read_revision
from tallystick.access.role_holders import count_recent_owners
from tallystick.access.scopes import operator_scope
from tallystick.errors import Conflict, Forbidden, NotFound
from tests.access.town import OFFICE, at_once


def add(town, email, role):
    return town.do(people.create, operator_scope(town.acme.org_id), email, role)


def test_a_role_changes_at_once_also_for_sessions_in_force(small_town):
    cookie = small_town.session(small_town.bob)
    small_town.do(members.change_role, small_town.scope(small_town.alice), small_town.bob.user_id, "auditor")
    with small_town.database.read() as connection:
        session = sessions.find_by_token(connection, cookie, small_town.clock.now)
    assert session is not None
    assert session.scope.role == "auditor"


def test_a_changed_role_is_told_with_before_and_after(small_town):
    small_town.do(members.change_role, small_town.scope(small_town.alice), small_town.bob.user_id, "auditor")
    [event] = small_town.told(small_town.acme)
    assert event["action"] == "user.role_changed"
    assert event["actor"]["email"] == "alice@acme.com"
    assert event["resource"]["name"] == "bob@acme.com"
    assert event["changes"] == {"role": {"before": "member", "after": "auditor"}}


def test_the_same_role_again_is_no_news(small_town):
    small_town.do(members.change_role, small_town.scope(small_town.alice), small_town.bob.user_id, "member")
    assert small_town.told(small_town.acme) == []


def test_a_disabled_member_has_no_session_there_at_once_but_elsewhere(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    here, there = town.session(town.bob), town.session(town.bob, town.other)
    town.do(members.set_disabled, town.scope(town.alice), town.bob.user_id, True)
    with town.database.read() as connection:
        assert sessions.find_by_token(connection, here, town.clock.now) is None
        assert sessions.find_by_token(connection, there, town.clock.now) is not None


def test_disabling_twice_is_told_once_and_can_be_taken_back(small_town):
    scope = small_town.scope(small_town.alice)
    outcomes = [
        small_town.do(members.set_disabled, scope, small_town.bob.user_id, disabled) for disabled in (True, True, False)
    ]
    assert [member.is_disabled for member in outcomes] == [True, True, False]
    assert [event["action"] for event in small_town.told(small_town.acme)] == ["user.disabled", "user.enabled"]


@pytest.mark.parametrize("act", [members.set_disabled, members.change_role])
def test_the_last_owner_stays(small_town, act):
    what = True if act is members.set_disabled else "admin"
    with pytest.raises(Conflict) as refusal:
        small_town.do(act, small_town.scope(small_town.alice), small_town.alice.user_id, what)
    assert refusal.value.code == "last_owner"


def test_an_owner_that_is_disabled_as_a_person_does_not_count_as_one(small_town):
    add(small_town, "olga@acme.com", "owner")
    small_town.do(people.set_disabled, "olga@acme.com", True)
    with pytest.raises(Conflict):
        small_town.do(members.set_disabled, small_town.scope(small_town.alice), small_town.alice.user_id, True)


def test_of_two_owners_that_disable_each_other_at_once_one_stays(town):
    olga = add(town, "olga@acme.com", "owner")
    pairs = [(town.alice, olga), (olga, town.alice)]

    def disable(number):
        by, whom = pairs[number]
        return town.do(members.set_disabled, town.scope(by, town.acme), whom.user_id, True)

    outcomes = at_once(2, disable)
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1


def test_an_admin_neither_makes_nor_unmakes_owners(small_town):
    ann = small_town.scope(add(small_town, "ann@acme.com", "admin"), small_town.acme)
    for act, whom, what in [
        (members.change_role, small_town.bob, "owner"),
        (members.change_role, small_town.alice, "member"),
        (members.set_disabled, small_town.alice, True),
    ]:
        with pytest.raises(Forbidden) as refusal:
            small_town.do(act, ann, whom.user_id, what)
        assert refusal.value.code == "owner_only"


def test_a_member_changes_nobody_not_even_itself(small_town):
    with pytest.raises(Forbidden):
        small_town.do(members.change_role, small_town.scope(small_town.bob), small_town.bob.user_id, "admin")


def test_charlie_neither_sees_nor_changes_members_of_acme(town):
    scope = town.scope(town.charlie)
    with town.database.read() as connection:
        assert [member.email for member in members.list_members(connection, scope)] == ["charlie@other.org"]
    acts = [(members.change_role, "admin"), (members.set_disabled, True), (members.remove,), (members.sign_out,)]
    for act, *what in acts:
        with pytest.raises(NotFound) as refusal:
            town.do(act, scope, town.bob.user_id, *what)
        assert refusal.value.code == "no_member"


def test_a_removed_member_is_out_at_once_and_keeps_the_account(town):
    cookie, revision = town.session(town.bob), revision_of(town)
    town.do(members.remove, town.scope(town.alice), town.bob.user_id, caller=OFFICE)
    with town.database.read() as connection:
        assert sessions.find_by_token(connection, cookie, town.clock.now) is None
        assert people.find_person(connection, "bob@acme.com") is not None
    assert revision_of(town) > revision
    [event] = town.told(town.acme, "user.removed")
    assert event["changes"] == {"role": {"before": "member", "after": None}}
    assert (event["actor"]["email"], event["context"]["ip_address"]) == ("alice@acme.com", OFFICE.address)
    with pytest.raises(NotFound):
        town.do(members.remove, town.scope(town.alice), town.bob.user_id)


def test_a_sign_out_ends_the_sessions_here_and_is_told_with_their_number(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    here, there = town.session(town.bob), town.session(town.bob, town.other)
    revision = revision_of(town)
    assert town.do(members.sign_out, town.scope(town.alice), town.bob.user_id) == 1
    with town.database.read() as connection:
        assert sessions.find_by_token(connection, here, town.clock.now) is None
        assert sessions.find_by_token(connection, there, town.clock.now) is not None
    [event] = town.told(town.acme, "user.session_revoked")
    assert event["changes"] == {"sessions": {"before": 1, "after": 0}}
    assert revision_of(town) > revision


@pytest.mark.parametrize("second", ["role", "remove"])
def test_of_two_owners_that_end_each_others_ownership_at_once_one_stays(town, second):
    olga = add(town, "olga@acme.com", "owner")
    acts = [
        lambda: town.do(members.change_role, town.scope(town.alice), olga.user_id, "admin"),
        lambda: (
            town.do(members.change_role, town.scope(olga, town.acme), town.alice.user_id, "admin")
            if second == "role"
            else town.do(members.remove, town.scope(olga, town.acme), town.alice.user_id)
        ),
    ]
    outcomes = at_once(2, lambda number: acts[number]())
    refused = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
    assert [refusal.code for refusal in refused] == ["last_owner"]
    with town.database.read() as connection:
        found = members.list_members(connection, operator_scope(town.acme.org_id))
    assert [member.role for member in found].count("owner") == 1


def test_a_removed_owner_counts_as_one_for_thirty_days(small_town):
    olga = add(small_town, "olga@acme.com", "owner")
    small_town.do(members.remove, small_town.scope(small_town.alice), olga.user_id)
    with small_town.database.read() as connection:
        assert count_recent_owners(connection, small_town.acme.org_id, small_town.clock.now) == 2


def revision_of(town) -> int:
    with town.database.read() as connection:
        return read_revision(connection)
