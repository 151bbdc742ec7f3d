"""The profile of a person: changed by the person alone, told to each of the person's organizations."""

import pytest

from tallystick.access import people, profile, sessions
from tallystick.access.audit import NOWHERE
from tallystick.access.sessions import SessionLimits
from tallystick.errors import BadRequest, Conflict
from tests.access.town import CHEAP, HOUR, MINUTE, OFFICE

NEW = {"name": "Robert", "zone": "Europe/Berlin", "appearance": "dark"}


def read(town, member):
    with town.database.read() as connection:
        return profile.read_profile(connection, town.scope(member))


def find(town, cookie, limits=sessions.DEFAULT_LIMITS):
    with town.database.read() as connection:
        return sessions.find_by_token(connection, cookie, town.clock.now, limits)


def test_a_changed_profile_is_told_with_before_and_after_to_every_organization_of_the_person(small_town):
    town = small_town
    town.do(people.create, town.scope(town.charlie), "bob@acme.com", "auditor")
    town.do(profile.change_profile, town.scope(town.bob), **NEW, caller=OFFICE)
    for organization in (town.acme, town.other):
        [event] = town.told(organization, "user.updated")
        assert event["changes"]["name"] == {"before": "Bob", "after": "Robert"}
        assert event["changes"]["appearance"] == {"before": "system", "after": "dark"}
        assert event["context"]["ip_address"] == OFFICE.address
    assert (read(town, town.bob).name, read(town, town.alice).name) == ("Robert", "Alice")


def test_nothing_is_told_of_a_profile_that_stays_as_it_is(small_town):
    town = small_town
    town.do(profile.change_profile, town.scope(town.bob), name="Bob", zone="", appearance="system")
    assert town.told(town.acme, "user.updated") == []


@pytest.mark.parametrize(
    ("field", "value", "code"),
    [("name", "x" * 101, "bad_name"), ("name", "a\u202eb", "bad_name"), ("zone", "Mars/Base", "bad_zone"),
     ("zone", "../etc/passwd", "bad_zone"), ("appearance", "pink", "bad_appearance")],
)  # fmt: skip
def test_what_cannot_be_in_a_profile_is_refused_by_its_field(small_town, field, value, code):
    with pytest.raises(BadRequest) as refusal:
        small_town.do(profile.change_profile, small_town.scope(small_town.bob), **(NEW | {field: value}))
    assert (refusal.value.code, refusal.value.extra["field"]) == (code, field)


def test_a_changed_password_ends_the_other_sessions_and_no_one_elses(small_town):
    town = small_town
    here, there, hers = town.session(town.bob), town.session(town.bob), town.session(town.alice)
    own = find(town, here)
    assert town.do(profile.change_password, own.scope, own.session_id, CHEAP, CHEAP + "x") == 1
    assert [find(town, cookie) is not None for cookie in (here, there, hers)] == [True, False, True]
    assert len(town.told(town.acme, "user.password_changed")) == len(town.told(town.acme, "user.session_revoked")) == 1


def test_of_two_changes_of_one_password_the_second_is_told(town):
    cookie = town.session(town.bob)
    own = find(town, cookie)
    town.do(profile.change_password, own.scope, own.session_id, CHEAP, CHEAP + "x")
    with pytest.raises(Conflict):
        town.do(profile.change_password, own.scope, own.session_id, CHEAP, CHEAP + "y")


def test_sessions_end_by_the_limits_of_the_settings(small_town):
    town = small_town
    cookie = town.session(town.bob)
    short, long = SessionLimits(10 * MINUTE, HOUR), SessionLimits(HOUR, 2 * HOUR)
    town.clock.pass_by(10 * MINUTE)
    assert find(town, cookie, short) is None
    assert find(town, cookie, long) is not None
    for _ in range(3):  # used again and again, it ends by its age
        with town.database.write() as connection:
            sessions.touch(connection, find(town, cookie, long), town.clock.now)
        town.clock.pass_by(30 * MINUTE)
    town.clock.pass_by(20 * MINUTE)
    assert find(town, cookie, long) is None


def test_the_last_sign_in_stands_in_the_membership(small_town):
    town = small_town
    town.session(town.bob, caller=NOWHERE)
    with town.database.read() as connection:
        rows = connection.exec_driver_sql("SELECT signed_in_at, sign_in_method FROM memberships").all()
    assert sorted(rows, key=str) == [(town.clock.now, "password"), (None, ""), (None, "")]
