"""People: accounts that may belong to several organizations."""

import pytest

from tallystick.access import members, people, sessions
from tallystick.access.passwords import HashedPassword
from tallystick.access.scopes import operator_scope
from tallystick.errors import BadRequest, Conflict, Forbidden, NotFound
from tests.access.town import CHEAP, at_once


def listed(town, organization):
    with town.database.read() as connection:
        return members.list_members(connection, operator_scope(organization.org_id))


def test_a_new_person_belongs_to_one_organization(small_town):
    made = small_town.do(
        people.create, operator_scope(small_town.acme.org_id), "Sarah@acme.com", "auditor", CHEAP, name="Sarah"
    )
    assert made.email == "sarah@acme.com"
    assert made in listed(small_town, small_town.acme)
    assert [member.email for member in listed(small_town, small_town.other)] == ["charlie@other.org"]


def test_adding_a_new_person_is_told_with_the_role(small_town):
    made = small_town.do(people.create, operator_scope(small_town.acme.org_id), "sarah@acme.com", "auditor")
    [event] = small_town.told(small_town.acme)
    assert event["action"] == "user.created"
    assert event["resource"] == {"type": "user", "id": made.principal.id, "name": "sarah@acme.com"}
    assert event["changes"] == {"role": "auditor"}


def test_someone_known_elsewhere_joins_with_the_same_account(town):
    made = town.do(people.create, town.scope(town.charlie), "BOB@acme.com", "admin")
    assert (made.user_id, made.name, made.role) == (town.bob.user_id, "Bob", "admin")
    assert [event["action"] for event in town.told(town.other)] == ["user.joined"]
    assert town.told(town.acme) == []
    assert next(member for member in listed(town, town.acme) if member.email == "bob@acme.com").role == "member"


def test_no_organization_can_give_a_password_to_an_account_that_there_is(small_town):
    with pytest.raises(Conflict) as refusal:
        small_town.do(people.create, small_town.scope(small_town.charlie), "bob@acme.com", "admin", CHEAP)
    assert refusal.value.code == "account_exists"


def test_a_person_belongs_to_an_organization_once(small_town):
    with pytest.raises(Conflict) as refusal:
        small_town.do(people.create, operator_scope(small_town.acme.org_id), "bob@acme.com", "admin")
    assert refusal.value.code == "member_exists"


def test_of_two_that_add_a_person_at_once_one_wins(town):
    scope = operator_scope(town.acme.org_id)
    outcomes = at_once(2, lambda _: town.do(people.create, scope, "sarah@acme.com", "auditor", CHEAP))
    assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
    assert len(town.told(town.acme, "user.created")) == 1


@pytest.mark.parametrize(
    ("email", "role", "name", "code"),
    [
        ("s*@acme.com", "auditor", "", "bad_email"),
        ("s@acme.com", "root", "", "bad_role"),
        ("s@acme.com", "auditor", "a\0", "bad_name"),
    ],
)
def test_what_cannot_be_is_refused(small_town, email, role, name, code):
    with pytest.raises(BadRequest) as refusal:
        small_town.do(people.create, operator_scope(small_town.acme.org_id), email, role, name=name)
    assert refusal.value.code == code
    assert small_town.told(small_town.acme) == []


def test_an_admin_adds_people_but_no_owner(small_town):
    admin = small_town.do(people.create, operator_scope(small_town.acme.org_id), "ann@acme.com", "admin")
    scope = small_town.scope(admin, small_town.acme)
    small_town.do(people.create, scope, "sarah@acme.com", "auditor")
    with pytest.raises(Forbidden) as refusal:
        small_town.do(people.create, scope, "eve@acme.com", "owner")
    assert refusal.value.code == "owner_only"


def test_a_member_adds_nobody(small_town):
    with pytest.raises(Forbidden):
        small_town.do(people.create, small_town.scope(small_town.bob), "eve@acme.com", "member")


def test_a_new_password_ends_every_session_and_is_told_everywhere(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    cookies = [town.session(town.bob), town.session(town.bob, town.other), town.session(town.alice)]
    town.do(people.set_password, "bob@acme.com", HashedPassword("$argon2id$another"))
    with town.database.read() as connection:
        in_force = [sessions.find_by_token(connection, cookie, town.clock.now) is not None for cookie in cookies]
    assert in_force == [False, False, True]
    for organization in (town.acme, town.other):
        assert len(town.told(organization, "user.password_changed")) == 1


def test_a_password_hash_is_never_told(small_town):
    small_town.do(people.set_password, "bob@acme.com", HashedPassword("$argon2id$another"))
    assert "argon2" not in str(small_town.told(small_town.acme))


def test_a_disabled_person_has_no_session_anywhere_at_once(small_town):
    small_town.do(people.create, small_town.scope(small_town.charlie), "bob@acme.com", "auditor")
    cookies = [small_town.session(small_town.bob), small_town.session(small_town.bob, small_town.other)]
    small_town.do(people.set_disabled, "bob@acme.com", True)
    with small_town.database.read() as connection:
        assert [sessions.find_by_token(connection, cookie, small_town.clock.now) for cookie in cookies] == [None, None]
    for organization in (small_town.acme, small_town.other):
        assert [event["action"] for event in small_town.told(organization, "user.disabled")] == ["user.disabled"]


def test_disabling_twice_is_told_once_and_can_be_taken_back(small_town):
    for disabled in (True, True, False):
        small_town.do(people.set_disabled, "bob@acme.com", disabled)
    assert [event["action"] for event in small_town.told(small_town.acme)] == ["user.disabled", "user.enabled"]


def test_nobody_of_that_address_is_an_answer_with_advice(small_town):
    with pytest.raises(NotFound, match="user create") as refusal:
        small_town.do(people.set_disabled, "nobody@acme.com", True)
    assert refusal.value.code == "no_person"
