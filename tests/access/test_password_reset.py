"""Reset of a password by a link: once, for an hour, without a way to flood or to lock out."""

import pytest
import sqlalchemy as sa

from tallystick.access import password_reset, people, sessions, tables, throttle
from tallystick.access.password_reset import LINKS_OF_ACCOUNT, REQUESTS_OF_ADDRESS
from tallystick.access.throttle import ACCOUNT_TRIES, SignInAttempt
from tallystick.errors import NotFound
from tests.access.town import CHEAP, HOUR, OFFICE, at_once

BOB = "bob@acme.com"


def issue(town, email=BOB):
    return town.do(password_reset.issue, email, caller=OFFICE)


def use(town, link, password=CHEAP + "x"):
    return town.do(password_reset.use, link.token, password, caller=OFFICE)


def kept_password(town, email=BOB):
    with town.database.read() as connection:
        return connection.scalar(sa.select(tables.people.c.password_hash).where(tables.people.c.email == email))


def test_a_link_sets_the_password_and_ends_every_session_of_its_person_alone(town):
    cookies = [town.session(town.bob), town.session(town.bob), town.session(town.alice)]
    use(town, issue(town, " BOB@acme.com "))
    with town.database.read() as connection:
        found = [sessions.find_by_token(connection, cookie, town.clock.now) is not None for cookie in cookies]
    assert found == [False, False, True]
    assert kept_password(town) == CHEAP + "x"
    assert kept_password(town, "alice@acme.com") == CHEAP
    [asked] = town.told(town.acme, "user.password_reset_requested")
    [done] = town.told(town.acme, "user.password_reset_completed")
    assert asked["context"]["ip_address"] == done["context"]["ip_address"] == OFFICE.address
    assert town.told(town.other, "user.password_reset_requested", "user.password_reset_completed") == []


def test_a_password_that_the_operator_sets_ends_the_links(town):
    link = issue(town)
    town.do(people.set_password, BOB, CHEAP + "y")
    with pytest.raises(NotFound):
        use(town, link)
    assert kept_password(town) == CHEAP + "y"


def test_of_many_uses_of_one_persons_links_at_once_one_wins(town):
    links = [issue(town), issue(town)]
    outcomes = at_once(6, lambda number: use(town, links[number % 2], f"{CHEAP}{number}"))
    assert [outcome for outcome in outcomes if not isinstance(outcome, NotFound)] == [None]
    assert kept_password(town) == f"{CHEAP}{outcomes.index(None)}"
    assert len(town.told(town.acme, "user.password_reset_completed")) == 1


def test_a_link_ends_after_an_hour_and_nothing_else_is_one(small_town):
    link = issue(small_town)
    small_town.clock.pass_by(HOUR)
    for token in (link.token, "x" * 43, "", "\ud800" * 43):
        with pytest.raises(NotFound) as refusal:
            small_town.do(password_reset.use, token, CHEAP)
        assert refusal.value.code == "bad_reset_link"
    assert kept_password(small_town) == CHEAP


def test_no_link_is_made_without_an_account_in_use(small_town):
    town = small_town
    town.do(people.set_disabled, BOB, True)
    assert [issue(town, email) for email in (BOB, "nobody@acme.com", "no address", "")] == [None] * 4
    with town.database.read() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.password_resets)) == 0


def test_an_account_gets_three_links_an_hour_and_the_first_still_works(small_town):
    links = [issue(small_town) for _ in range(LINKS_OF_ACCOUNT + 2)]
    assert [link is not None for link in links] == [True] * LINKS_OF_ACCOUNT + [False, False]
    use(small_town, links[0])
    small_town.clock.pass_by(HOUR)
    assert issue(small_town) is not None


def test_an_address_asks_twenty_times_an_hour_and_a_known_browser_there_goes_on(small_town):
    town, address = small_town, OFFICE.address

    def wait(**more):
        with town.database.write() as connection:
            return password_reset.seconds_to_wait(connection, address, town.clock.now, **({"is_known": False} | more))

    assert [wait() for _ in range(REQUESTS_OF_ADDRESS + 1)] == [0] * REQUESTS_OF_ADDRESS + [3600]
    assert wait(is_known=True) == 0


def test_who_was_locked_out_by_guesses_gets_in_after_a_reset(small_town):
    town, attempt = small_town, SignInAttempt(BOB, "198.51.100.9")
    with town.database.write() as connection:
        for _ in range(ACCOUNT_TRIES + 1):
            throttle.count_attempt(connection, attempt, town.clock.now)
        assert throttle.seconds_closed(connection, attempt, town.clock.now) > 0
    use(town, issue(town))
    with town.database.read() as connection:
        assert throttle.seconds_closed(connection, attempt, town.clock.now) == 0


def test_the_database_and_the_trail_hold_no_link(small_town):
    link = issue(small_town)
    with small_town.database.read() as connection:
        rows = connection.execute(sa.select(tables.password_resets)).all()
    assert link.token not in str(rows) + str(small_town.told(small_town.acme)) + repr(link)
