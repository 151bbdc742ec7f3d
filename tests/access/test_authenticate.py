"""From a key or a cookie to a scope."""

import pytest
import sqlalchemy as sa

from tallystick.access import keys, tables
from tallystick.access.authenticate import Authenticator
from tallystick.access.rate_limit import RateLimit
from tallystick.access.revision import RevisionWatch
from tallystick.access.scopes import operator_scope
from tallystick.clock import SECOND_US
from tallystick.database.engine import Database
from tallystick.errors import TooMany, Unauthorized
from tests.access.town import DAY, HOUR, MINUTE, NOW, Town

HERE = "192.0.2.10"


def authenticator(town: Town, **named) -> Authenticator:
    return Authenticator(town.database, now=town.clock, **named)


def make(town, scopes=("events:read",), **named):
    return town.do(keys.create_key, operator_scope(town.acme.org_id), "ci", scopes, **named)


def only_key(town):
    with town.database.read() as connection:
        return keys.list_keys(connection, operator_scope(town.acme.org_id))[0]


def code_of(act, *arguments):
    with pytest.raises(Unauthorized) as refusal:
        act(*arguments)
    return refusal.value.code


def test_a_key_gives_the_scope_of_its_organization_and_no_more(town):
    scope = authenticator(town).key_scope(make(town, ["events:write"]), HERE)
    assert scope.org_id == town.acme.org_id
    assert scope.permissions == {"events:write"}
    assert scope.principal.kind == "api_key"
    assert scope.principal.id == only_key(town).public_id
    assert scope.principal.name == "ci"


def test_charlies_key_gives_charlies_organization(small_town):
    make(small_town)
    token = small_town.do(keys.create_key, small_town.scope(small_town.charlie), "ci", ["events:read"])
    assert authenticator(small_town).key_scope(token, HERE).org_id == small_town.other.org_id


def test_a_mistyped_key_is_refused_without_asking_the_database(tmp_path):
    nothing = Database(f"sqlite:///{tmp_path / 'no-tables.db'}")
    for wrong in ("", "tsk_", "tsk_" + "0" * 36, "é" * 40, "x" * 100_000):
        assert code_of(Authenticator(nothing).key_scope, wrong, HERE) == "bad_api_key"
    nothing.close()


def test_an_unknown_key_gets_the_same_answer_as_a_mistyped_one(small_town):
    assert code_of(authenticator(small_town).key_scope, "tsk_" + "0" * 30 + "2C8GjS", HERE) == "bad_api_key"


def test_a_key_revoked_elsewhere_ends_within_five_seconds(town):
    token, mine = make(town), authenticator(town)
    mine.key_scope(token, HERE)
    town.do(keys.revoke_key, operator_scope(town.acme.org_id), only_key(town).key_id)
    town.clock.pass_by(5 * SECOND_US)
    assert mine.cached_scope(token, HERE) is None
    assert code_of(mine.key_scope, token, HERE) == "key_revoked"


def test_a_key_revoked_anywhere_is_not_believed_after_the_next_look_at_the_revision(town):
    watch = RevisionWatch(town.database)
    watch.step()
    token, mine = make(town), Authenticator(town.database, now=town.clock, revision=watch.current)
    mine.key_scope(token, HERE)
    assert mine.cached_scope(token, HERE) is not None
    town.do(keys.revoke_key, operator_scope(town.acme.org_id), only_key(town).key_id)
    watch.step()
    assert mine.cached_scope(token, HERE) is None
    assert code_of(mine.key_scope, token, HERE) == "key_revoked"


def test_no_key_is_believed_while_the_revision_is_not_known(small_town):
    times = iter([0.0, 0.8, 0.9])
    watch = RevisionWatch(small_town.database, lambda: next(times))
    assert watch.current() is None
    watch.step()
    assert watch.current() == 0
    assert watch.current() is None
    mine = Authenticator(small_town.database, now=small_town.clock, revision=lambda: None)
    token = make(small_town)
    mine.key_scope(token, HERE)
    assert mine.cached_scope(token, HERE) is None


def test_a_remembered_key_needs_no_database(small_town):
    token, mine = make(small_town), authenticator(small_town)
    assert mine.cached_scope(token, HERE) is None
    scope = mine.key_scope(token, HERE)
    small_town.clock.pass_by(5 * SECOND_US - 1)
    assert mine.cached_scope(token, HERE) == scope


def test_a_key_is_not_remembered_longer_when_the_clock_goes_back(small_town):
    token, mine = make(small_town), authenticator(small_town)
    mine.key_scope(token, HERE)
    small_town.clock.pass_by(-SECOND_US)
    assert mine.cached_scope(token, HERE) is None


def test_a_key_expires_on_the_microsecond_also_when_remembered(small_town):
    token, mine = make(small_town, expires_at=NOW + 1_000_000), authenticator(small_town)
    small_town.clock.pass_by(999_999)
    mine.key_scope(token, HERE)
    small_town.clock.pass_by(1)
    assert code_of(mine.key_scope, token, HERE) == "key_expired"


@pytest.mark.parametrize("address", ["192.0.2.99", "2001:db8::5", "::ffff:192.0.2.99"])
def test_a_key_may_be_used_from_its_networks(small_town, address):
    token = make(small_town, allowed_networks=["192.0.2.0/24", "2001:db8::/64"])
    authenticator(small_town).key_scope(token, address)


@pytest.mark.parametrize("network", ["::ffff:192.0.2.0/120", "::ffff:192.0.2.99", "::FFFF:C000:263/128"])
def test_a_network_of_ipv4_may_be_written_as_ipv6(small_town, network):
    token = make(small_town, allowed_networks=[network])
    for address in ("192.0.2.99", "::ffff:192.0.2.99"):
        authenticator(small_town).key_scope(token, address)
    assert code_of(authenticator(small_town).key_scope, token, "192.0.3.1") == "address_not_allowed"


@pytest.mark.parametrize("address", ["198.51.100.1", "2001:db8:1::5", "", "testclient"])
def test_a_key_may_not_be_used_from_elsewhere_also_when_remembered(small_town, address):
    token = make(small_town, allowed_networks=["192.0.2.0/24", "2001:db8::/64"])
    mine = authenticator(small_town)
    mine.key_scope(token, "192.0.2.1")
    assert mine.cached_scope(token, address) is None
    assert code_of(mine.key_scope, token, address) == "address_not_allowed"


def test_a_refused_key_is_news_for_its_organization_once_an_hour(small_town):
    token, mine = make(small_town, expires_at=NOW + 1), authenticator(small_town)
    small_town.clock.pass_by(1)
    for _ in range(3):
        code_of(mine.key_scope, token, HERE)
    [event] = small_town.told(small_town.acme, "api_key.rejected")
    assert event["actor"] == {"type": "api_key", "id": only_key(small_town).public_id, "name": "ci"}
    assert event["context"] == {"ip_address": HERE, "source": "api"}
    assert event["changes"] == {"reason": "key_expired", "expired_at": "2023-11-14T22:13:20.000001Z"}
    small_town.clock.pass_by(HOUR)
    code_of(mine.key_scope, token, HERE)
    assert len(small_town.told(small_town.acme, "api_key.rejected")) == 2


def test_the_last_use_is_noted_once_a_minute(town):
    token, mine = make(town), authenticator(town)
    seen = []
    for wait in (0, 30 * SECOND_US, 30 * SECOND_US):
        town.clock.pass_by(wait)
        mine.key_scope(token, HERE)
        seen.append(only_key(town).last_used_at - NOW)
    assert seen == [0, 0, MINUTE]


def test_the_last_use_never_goes_back_when_another_node_noted_a_later_one(small_town):
    token = make(small_town)
    slow, fast = authenticator(small_town), authenticator(small_town)
    small_town.clock.pass_by(DAY)
    fast.key_scope(token, HERE)
    small_town.clock.pass_by(-HOUR)
    slow.key_scope(token, HERE)
    assert only_key(small_town).last_used_at == NOW + DAY


def test_requests_of_a_key_are_counted_remembered_or_not(small_town):
    token = make(small_town)
    mine = authenticator(small_town, rate_limit=RateLimit(1, 3))
    mine.key_scope(token, HERE)
    mine.cached_scope(token, HERE)
    mine.key_scope(token, HERE)
    for act in (mine.key_scope, mine.cached_scope):
        with pytest.raises(TooMany) as refusal:
            act(token, HERE)
        assert refusal.value.code == "rate_limited"


def test_a_cookie_gives_the_session_and_its_scope(town):
    session = authenticator(town).session(town.session(town.bob))
    assert session.scope == town.scope(town.bob)
    assert (session.organization, session.slug, session.user_id) == ("Acme", "acme", town.bob.user_id)
    assert (session.address, session.user_agent) == ("192.0.2.10", "Firefox/128")


@pytest.mark.parametrize("cookie", ["", "x", "x" * 43, "é" * 43, "\ud800" * 43, "x" * 100_000])
def test_a_cookie_of_no_session_is_refused(small_town, cookie):
    assert code_of(authenticator(small_town).session_scope, cookie) == "no_session"


@pytest.mark.parametrize("table", [tables.people, tables.memberships], ids=["person", "membership"])
def test_who_is_disabled_loses_access_with_the_next_request_even_if_the_session_is_still_there(town, table):
    cookie, mine = town.session(town.bob), authenticator(town)
    mine.session(cookie)
    with town.database.write() as connection:
        connection.execute(sa.update(table).where(table.c.user_id == town.bob.user_id).values(disabled_at=NOW))
    assert code_of(mine.session, cookie) == "no_session"


def test_a_removed_membership_ends_access_too(small_town):
    cookie, mine = small_town.session(small_town.bob), authenticator(small_town)
    mine.session(cookie)
    with small_town.database.write() as connection:
        connection.execute(sa.delete(tables.memberships).where(tables.memberships.c.user_id == small_town.bob.user_id))
    assert code_of(mine.session, cookie) == "no_session"


def test_a_session_ends_after_twelve_idle_hours(small_town):
    cookie, mine = small_town.session(small_town.bob), authenticator(small_town)
    small_town.clock.pass_by(12 * HOUR - 1)
    mine.session(cookie)
    small_town.clock.pass_by(12 * HOUR - 1)
    mine.session(cookie)
    small_town.clock.pass_by(12 * HOUR)
    assert code_of(mine.session, cookie) == "no_session"


def test_a_session_ends_after_seven_days_however_much_it_is_used(small_town):
    cookie, mine = small_town.session(small_town.bob), authenticator(small_town)
    for _ in range(7 * 24 - 1):
        small_town.clock.pass_by(HOUR)
        mine.session(cookie)
    small_town.clock.pass_by(HOUR)
    assert code_of(mine.session, cookie) == "no_session"


def test_a_session_is_noted_as_seen_once_a_minute(small_town):
    cookie, mine = small_town.session(small_town.bob), authenticator(small_town)
    seen = []
    for wait in (30 * SECOND_US, 30 * SECOND_US, 30 * SECOND_US):
        small_town.clock.pass_by(wait)
        mine.session(cookie)
        with small_town.database.read() as connection:
            seen.append(connection.scalar(sa.select(tables.sessions.c.seen_at)) - NOW)
    assert seen == [0, MINUTE, MINUTE]
