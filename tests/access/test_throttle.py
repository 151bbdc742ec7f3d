"""How often a sign-in may be tried, for all nodes together."""

import pytest
import sqlalchemy as sa

from tallystick.access import tables, throttle
from tallystick.access.throttle import ACCOUNT_TRIES, ADDRESS_TRIES, SHARED_ACCOUNTS, SLOW_US, SignInAttempt
from tests.access.town import DAY, MINUTE, at_once

HERE, THERE = "192.0.2.10", "198.51.100.7"


def tries(gate, most, email="bob@acme.com", address=HERE, **more):
    """How many of `most` tries are admitted."""
    return sum(not gate.do_now(throttle.count_attempt, email, address, **more).retry_after for _ in range(most))


def flood(gate, address=HERE, **more):
    """Somebody tries more accounts that do not exist than an address is allowed."""
    return sum(tries(gate, 1, email=f"nobody{number}@acme.com", address=address, **more) for number in range(60))


@pytest.fixture
def gate(small_town):
    return Gate(small_town)


class Gate:
    def __init__(self, town):
        self.town = town

    def do_now(self, act, email, address, **more):
        with self.town.database.write() as connection:
            return act(connection, SignInAttempt(email, address, **more), self.town.clock.now)

    def closed(self, email="bob@acme.com", address=HERE, **more):
        with self.town.database.read() as connection:
            return throttle.seconds_closed(connection, SignInAttempt(email, address, **more), self.town.clock.now)

    def sign_in(self, email, address=HERE, **more):
        """A right password, whatever was counted."""
        self.do_now(throttle.reset_after_success, email, address, **more)


def test_an_account_allows_so_many_tries_from_wherever(gate):
    admitted = [tries(gate, 1, address=f"192.0.2.{number}") for number in range(ACCOUNT_TRIES + 5)]
    assert sum(admitted) == ACCOUNT_TRIES


def test_an_address_allows_so_many_tries_for_whomever(gate):
    admitted = [tries(gate, 1, email=f"bob{number}@acme.com") for number in range(ADDRESS_TRIES + 5)]
    assert sum(admitted) == ADDRESS_TRIES


def test_a_customers_whole_ipv6_network_is_one_address(gate):
    admitted = [
        tries(gate, 1, email=f"bob{number}@acme.com", address=f"2001:db8::{number}:1")
        for number in range(ADDRESS_TRIES + 5)
    ]
    assert sum(admitted) == ADDRESS_TRIES
    assert tries(gate, 1, email="x@acme.com", address="2001:db8:0:1::1") == 1


def test_who_waits_as_long_as_said_may_try_again(gate):
    tries(gate, ACCOUNT_TRIES)
    gate.town.clock.pass_by(5 * MINUTE)
    wait = gate.do_now(throttle.count_attempt, "bob@acme.com", HERE).retry_after
    assert wait == 600
    gate.town.clock.pass_by(wait * 1_000_000)
    assert gate.closed() == 0
    assert tries(gate, ACCOUNT_TRIES + 1) == ACCOUNT_TRIES


def test_trying_on_while_refused_does_not_lengthen_the_wait(gate):
    tries(gate, ACCOUNT_TRIES + 1)
    gate.town.clock.pass_by(MINUTE)
    assert gate.closed() == 14 * 60
    assert gate.do_now(throttle.count_attempt, "bob@acme.com", HERE).retry_after == 14 * 60


def test_of_many_at_once_no_more_than_allowed_slip_through(town):
    outcomes = at_once(16, lambda number: tries(Gate(town), 1, address=f"192.0.2.{number}"))
    assert sum(outcomes) == ACCOUNT_TRIES


def test_of_two_at_once_for_the_last_place_one_gets_it(town):
    tries(Gate(town), ACCOUNT_TRIES - 1)
    assert sorted(at_once(2, lambda _: tries(Gate(town), 1))) == [0, 1]


def test_the_try_that_closes_is_named_once(gate):
    verdicts = [
        gate.do_now(throttle.count_attempt, "bob@acme.com", f"192.0.2.{n}").closes for n in range(ACCOUNT_TRIES + 3)
    ]
    assert verdicts == [""] * ACCOUNT_TRIES + ["account", "", ""]


def test_a_right_password_forgets_the_accounts_tries_but_not_the_addresss(gate):
    for number in range(ADDRESS_TRIES - 1):
        tries(gate, 1, email=f"bob{number}@acme.com")
    assert tries(gate, 1) == 1
    gate.do_now(throttle.reset_after_success, "bob@acme.com", HERE)
    assert tries(gate, 1, email="another@acme.com") == 1
    assert tries(gate, 1, email="one.more@acme.com") == 0


def test_guessing_from_elsewhere_does_not_lock_a_person_out_where_it_signs_in(gate):
    tries(gate, 1)
    gate.do_now(throttle.reset_after_success, "bob@acme.com", HERE)
    for number in range(ACCOUNT_TRIES + 1):
        tries(gate, 1, address=f"203.0.113.{number}")
    assert gate.closed(address=THERE) > 0
    assert gate.closed(address=HERE) == 0
    assert tries(gate, ACCOUNT_TRIES + 1) == ACCOUNT_TRIES


def test_an_address_is_known_for_thirty_days(gate):
    gate.do_now(throttle.reset_after_success, "bob@acme.com", HERE)
    gate.town.clock.pass_by(30 * DAY)
    for number in range(ACCOUNT_TRIES + 1):
        tries(gate, 1, address=f"203.0.113.{number}")
    assert gate.closed(address=HERE) > 0


def test_without_an_address_the_account_still_counts(gate):
    assert tries(gate, ACCOUNT_TRIES + 1, address="") == ACCOUNT_TRIES


def test_an_address_that_nobody_has_an_account_for_is_not_kept(gate):
    tries(gate, 1, email="my secret password")
    with gate.town.database.read() as connection:
        assert "secret" not in str(connection.execute(sa.select(tables.sign_in_attempts)).all())


def test_counts_that_are_over_are_swept_away_in_small_steps(gate):
    for number in range(3):
        tries(gate, 1, email=f"bob{number}@acme.com", address="")
    gate.town.clock.pass_by(15 * MINUTE)
    tries(gate, 1, address="")
    left = []
    for _ in range(3):
        with gate.town.database.write() as connection:
            throttle.sweep(connection, gate.town.clock.now, most=2)
            left.append(connection.scalar(sa.select(sa.func.count()).select_from(tables.sign_in_attempts)))
    assert left == [2, 1, 1]


def test_a_flood_from_an_address_does_not_lock_out_who_signed_in_from_there_before(gate):
    gate.sign_in("bob@acme.com")
    assert flood(gate) == ADDRESS_TRIES
    assert gate.closed("somebody.new@acme.com") > 0
    assert gate.closed("bob@acme.com") == 0
    assert tries(gate, ACCOUNT_TRIES + 1, "bob@acme.com") == ACCOUNT_TRIES


def test_a_remembered_browser_is_let_in_whatever_others_try_from_wherever(gate):
    flood(gate)
    for number in range(ACCOUNT_TRIES + 1):
        tries(gate, 1, address=f"203.0.113.{number}")
    gate.sign_in("bob@acme.com")
    tries(gate, ACCOUNT_TRIES + 1)  # from the same address, where the account is known
    assert gate.closed() > 0
    assert gate.closed(device_id="laptop") == 0
    assert tries(gate, ACCOUNT_TRIES + 1, device_id="laptop") == ACCOUNT_TRIES
    assert gate.closed(device_id="another") == 0


def test_an_address_that_many_accounts_share_is_slowed_down_instead_of_locked(gate):
    for number in range(SHARED_ACCOUNTS):
        gate.sign_in(f"colleague{number}@acme.com")
    assert flood(gate) == ADDRESS_TRIES + 1
    assert 0 < gate.closed("new@acme.com") <= SLOW_US // 1_000_000
    gate.town.clock.pass_by(SLOW_US)
    assert gate.closed("new@acme.com") == 0
    assert tries(gate, 2, "new@acme.com") == 1


def test_one_account_that_signs_in_often_does_not_make_an_address_shared(gate):
    for _ in range(3 * SHARED_ACCOUNTS):
        gate.sign_in("bob@acme.com")
    assert flood(gate) == ADDRESS_TRIES
    gate.town.clock.pass_by(SLOW_US)
    assert gate.closed("new@acme.com") > SLOW_US // 1_000_000


def test_behind_a_proxy_that_nobody_named_an_address_is_slowed_down_and_accounts_stay_counted(gate):
    assert flood(gate, is_shared=True) == ADDRESS_TRIES + 1
    for _ in range(2 * ACCOUNT_TRIES):
        gate.town.clock.pass_by(SLOW_US)
        tries(gate, 1, "bob@acme.com", is_shared=True)
    gate.town.clock.pass_by(SLOW_US)
    assert gate.closed("bob@acme.com", is_shared=True) > SLOW_US // 1_000_000
    assert gate.closed("new@acme.com", is_shared=True) == 0
