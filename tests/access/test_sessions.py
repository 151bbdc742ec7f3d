"""Sessions: begun, switched, listed, ended."""

import pytest
import sqlalchemy as sa

from tallystick.access import people, sessions, tables
from tallystick.access.audit import Caller
from tallystick.access.members import set_disabled
from tallystick.access.scopes import api_key_scope, operator_scope
from tallystick.errors import NotFound
from tests.access.town import DAY, HOUR, OFFICE, at_once


def read(town, cookie):
    with town.database.read() as connection:
        return sessions.find_by_token(connection, cookie, town.clock.now)


def own(town, member):
    with town.database.read() as connection:
        return sessions.list_own(connection, town.scope(member), town.clock.now)


def test_the_database_holds_a_hash_of_the_cookie_alone(small_town):
    cookie = small_town.session(small_town.bob)
    with small_town.database.read() as connection:
        row = connection.execute(sa.select(tables.sessions)).one()
    assert len(row.token_sha256) == 32
    assert cookie not in str(row) + str(small_town.told(small_town.acme))


def test_a_sign_in_is_told_with_address_browser_and_session(small_town):
    cookie = small_town.session(small_town.bob)
    [event] = small_town.told(small_town.acme)
    assert event["action"] == "user.login"
    assert event["actor"]["email"] == "bob@acme.com"
    assert event["context"] == {
        "ip_address": "192.0.2.10",
        "user_agent": "Firefox/128",
        "source": "web",
        "request_id": "req_1",
        "session_id": read(small_town, cookie).public_id,
    }
    assert event["metadata"] == {"method": "password"}


def test_behind_a_proxy_both_addresses_are_told(small_town):
    small_town.session(small_town.bob, caller=Caller("198.51.100.7", "10.0.0.1"))
    [event] = small_town.told(small_town.acme)
    assert event["context"]["ip_address"] == "198.51.100.7"
    assert event["metadata"]["proxy_address"] == "10.0.0.1"


def test_a_monstrous_user_agent_is_cut_and_cleaned(town):
    cookie = town.session(town.bob, caller=Caller(user_agent="Fire\0fox\n\ud800\u202e" + "x" * 100_000))
    assert read(town, cookie).user_agent == "Firefox" + "x" * 501


def test_who_is_no_member_gets_no_session(small_town):
    with pytest.raises(NotFound) as refusal:
        small_town.session(small_town.charlie, small_town.acme)
    assert refusal.value.code == "no_membership"
    assert own(small_town, small_town.charlie) == []


def test_signing_out_ends_the_session_and_is_told_once(town):
    cookie = town.session(town.bob)
    at_once(2, lambda _: town.do(sessions.end, cookie, caller=OFFICE))
    assert read(town, cookie) is None
    [event] = town.told(town.acme, "user.logout")
    assert event["actor"]["email"] == "bob@acme.com"


def test_signing_out_without_a_session_is_nothing(small_town):
    small_town.do(sessions.end, "x" * 43)
    assert small_town.told(small_town.acme) == []


def test_a_session_goes_on_in_another_organization_under_a_new_cookie(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    before = town.session(town.bob)
    after = town.do(sessions.switch, before, town.other.org_id, caller=OFFICE)
    assert read(town, before) is None
    scope = read(town, after).scope
    assert (scope.org_id, scope.role) == (town.other.org_id, "auditor")
    [event] = town.told(town.other, "user.login")
    assert event["metadata"] == {"method": "organization_switch"}


def test_a_switch_does_not_lengthen_a_session(small_town):
    small_town.do(people.create, small_town.scope(small_town.charlie), "bob@acme.com", "auditor")
    cookie = small_town.session(small_town.bob)
    for _ in range(13):
        small_town.clock.pass_by(11 * HOUR)
        cookie = small_town.do(sessions.switch, cookie, small_town.other.org_id)
    assert read(small_town, cookie) is not None
    small_town.clock.pass_by(7 * DAY - 13 * 11 * HOUR)
    assert read(small_town, cookie) is None


def test_charlie_cannot_switch_to_acme(town):
    cookie = town.session(town.charlie)
    with pytest.raises(NotFound) as refusal:
        town.do(sessions.switch, cookie, town.acme.org_id)
    assert refusal.value.code == "no_membership"
    assert read(town, cookie).scope.org_id == town.other.org_id
    assert town.told(town.acme) == []


def test_nobody_switches_to_an_organization_that_is_not_there_or_where_it_is_disabled(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    town.do(set_disabled, town.scope(town.charlie), town.bob.user_id, True)
    cookie = town.session(town.bob)
    for org_id in (town.bob.user_id, town.other.org_id):
        with pytest.raises(NotFound):
            town.do(sessions.switch, cookie, org_id)


def test_of_two_switches_at_once_one_wins(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    cookie = town.session(town.bob)
    outcomes = at_once(2, lambda _: town.do(sessions.switch, cookie, town.other.org_id))
    assert sum(isinstance(outcome, NotFound) for outcome in outcomes) == 1
    assert len(own(town, town.bob)) == 1


def test_a_person_sees_its_own_sessions_in_all_organizations_and_nobody_elses(town):
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    for member, organization in [(town.bob, None), (town.bob, town.other), (town.alice, None), (town.charlie, None)]:
        town.session(member, organization)
    assert {session.slug for session in own(town, town.bob)} == {"acme", "other"}
    assert len(own(town, town.bob)) == 2


def test_a_person_ends_one_of_its_own_sessions(small_town):
    kept, lost = small_town.session(small_town.bob), small_town.session(small_town.bob)
    session_id = read(small_town, lost).session_id
    small_town.do(sessions.revoke_own, small_town.scope(small_town.bob), session_id)
    assert (read(small_town, kept) is None, read(small_town, lost) is None) == (False, True)
    assert len(small_town.told(small_town.acme, "user.session_revoked")) == 1


def test_nobody_ends_a_session_of_someone_else(small_town):
    cookie = small_town.session(small_town.bob)
    session_id = read(small_town, cookie).session_id
    for member in (small_town.charlie, small_town.alice):
        with pytest.raises(NotFound) as refusal:
            small_town.do(sessions.revoke_own, small_town.scope(member), session_id)
        assert refusal.value.code == "no_session"
    assert read(small_town, cookie) is not None


def test_a_key_has_no_sessions(small_town):
    scope = api_key_scope(small_town.acme.org_id, small_town.bob.user_id, "ci", frozenset({"admin"}))
    with small_town.database.read() as connection, pytest.raises(NotFound):
        sessions.list_own(connection, scope, small_town.clock.now)


def test_sessions_that_are_over_are_swept_away_in_small_steps(town):
    for _ in range(3):
        town.session(town.bob)
    town.clock.pass_by(12 * HOUR)
    cookie = town.session(town.alice)
    for left in (2, 1, 1):
        with town.database.write() as connection:
            sessions.sweep(connection, town.clock.now, most=2)
            assert connection.scalar(sa.select(sa.func.count()).select_from(tables.sessions)) == left
    assert read(town, cookie) is not None


def test_the_cookie_is_bound_to_the_host_under_https():
    assert sessions.set_cookie("x", "https://audit.example.com") == (
        "__Host-sid=x; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax; Secure"
    )
    assert sessions.cookie_name("https://audit.example.com") == "__Host-sid"


def test_the_cookie_works_without_tls_on_ones_own_machine():
    assert sessions.set_cookie("x", "http://127.0.0.1:8765") == (
        "tallystick_sid=x; Path=/; Max-Age=604800; HttpOnly; SameSite=Lax"
    )


def test_an_empty_token_takes_the_cookie_away():
    assert "tallystick_sid=; Path=/; Max-Age=0;" in sessions.set_cookie("", "http://127.0.0.1:8765")


def test_the_other_organizations_of_a_person_are_those_it_could_go_on_in(town):
    token = town.session(town.alice)

    def beside():
        with town.database.read() as connection:
            session = sessions.find_by_token(connection, token, town.clock.now)
            assert session is not None
            return sessions.organizations_beside(connection, session)

    assert beside() == []
    town.do(people.create, operator_scope(town.other.org_id), "alice@acme.com", "member")
    assert beside() == [(town.other.org_id, "Other")]
