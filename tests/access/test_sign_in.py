"""Signing in: one answer for everything that is wrong, and the trail hears of it."""

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
import sqlalchemy as sa
import structlog.testing
from argon2 import PasswordHasher, extract_parameters

from tallystick.access import members, passwords, people, remembered_device, sessions, tables, throttle
from tallystick.access.scopes import operator_scope
from tallystick.access.sign_in import MOST_OF_ADDRESS, SignIn
from tallystick.access.throttle import ACCOUNT_TRIES, ADDRESS_TRIES, SignInAttempt
from tallystick.errors import TooMany, Unauthorized, Unavailable
from tallystick.secret_keys import SecretKeys
from tests.access.town import CHEAP, MINUTE, OFFICE, PASSWORD, at_once

SECRET_KEY = "x" * 32


def enter(town, email="bob@acme.com", password=PASSWORD, **named):
    door = named.pop("door", None) or SignIn(town.database, now=town.clock)
    return asyncio.run(door.sign_in(email, password, caller=named.pop("caller", OFFICE), **named))


def refused(town, *arguments, **named):
    with pytest.raises(Unauthorized) as refusal:
        enter(town, *arguments, **named)
    return refusal.value.code, refusal.value.detail


def read(town, cookie):
    with town.database.read() as connection:
        return sessions.find_by_token(connection, cookie, town.clock.now)


def counted(town):
    with town.database.read() as connection:
        return connection.scalar(sa.select(sa.func.count()).select_from(tables.sign_in_attempts)) > 0


def test_the_right_password_begins_a_session(town):
    session = read(town, enter(town, " BOB@acme.com "))
    assert session.scope == town.scope(town.bob)
    assert [event["action"] for event in town.told(town.acme)] == ["user.login"]


def test_everything_that_is_wrong_gets_the_same_answer(small_town):
    town = small_town
    scope = operator_scope(town.acme.org_id)
    for name in ("disabled", "outside"):
        made = town.do(people.create, scope, f"{name}@acme.com", "member", CHEAP)
    town.do(people.set_disabled, "disabled@acme.com", True)
    town.do(members.set_disabled, scope, made.user_id, True)
    town.do(people.create, scope, "invited@acme.com", "member")
    answers = {
        refused(town, "bob@acme.com", "wrong password"),
        refused(town, "nobody@acme.com"),
        refused(town, "disabled@acme.com"),
        refused(town, "outside@acme.com"),
        refused(town, "invited@acme.com"),
        refused(town, "b*b@acme.com"),
        refused(town, "\0"),
        refused(town, "bob@acme.com", ""),
        refused(town, "bob@acme.com", "x" * 100_000),
        refused(town, "bob@acme.com", PASSWORD + "\0"),
    }
    assert len(answers) == 1
    assert answers.pop()[0] == "sign_in_failed"


class WatchedHasher(PasswordHasher):
    """Knows the parameters of each hash that it verified, which decide how long that takes."""

    def __init__(self):
        super().__init__()
        self.verified = []

    def verify(self, kept, password):
        self.verified.append(extract_parameters(kept))
        return super().verify(kept, password)


def test_an_unknown_account_takes_as_much_work_as_a_wrong_password(small_town, monkeypatch):
    town, hasher = small_town, WatchedHasher()
    real = passwords.hash_password(PASSWORD)
    town.do(people.create, operator_scope(town.acme.org_id), "sarah@acme.com", "member", real)
    monkeypatch.setattr(passwords, "_HASHER", hasher)
    for email in ("sarah@acme.com", "nobody@acme.com"):
        refused(town, email, "wrong password")
    of_known, of_unknown = hasher.verified
    assert of_known == of_unknown


def test_a_failure_is_told_to_every_organization_of_the_account(small_town):
    small_town.do(people.create, small_town.scope(small_town.charlie), "bob@acme.com", "auditor")
    refused(small_town, "bob@acme.com", "wrong password")
    for organization in (small_town.acme, small_town.other):
        [event] = small_town.told(organization, "user.login_failed")
        assert event["actor"]["email"] == "bob@acme.com"
        assert event["context"]["ip_address"] == "192.0.2.10"
        assert event["context"]["user_agent"] == "Firefox/128"


def test_a_failure_of_an_unknown_account_belongs_to_no_organization_and_is_logged(small_town):
    with structlog.testing.capture_logs() as lines:
        refused(small_town, "nobody@acme.com")
    assert small_town.told(small_town.acme) == small_town.told(small_town.other) == []
    assert [(line["event"], line["address"], line["email"]) for line in lines] == [
        ("sign_in_failed", "192.0.2.10", "nobody@acme.com")
    ]


def test_a_password_typed_as_the_address_is_not_logged(small_town):
    with structlog.testing.capture_logs() as lines:
        refused(small_town, PASSWORD)
    assert PASSWORD not in str(lines)


def test_after_too_many_tries_the_right_password_must_wait_too(small_town):
    for _ in range(ACCOUNT_TRIES):
        refused(small_town, "bob@acme.com", "wrong password")
    with pytest.raises(TooMany) as refusal:
        enter(small_town)
    assert (refusal.value.code, refusal.value.retry_after) == ("too_many_sign_ins", 900)
    small_town.clock.pass_by(15 * MINUTE)
    assert read(small_town, enter(small_town)) is not None


def test_what_is_refused_unlooked_at_is_told_once_as_blocked(small_town):
    town = small_town
    for _ in range(ACCOUNT_TRIES):
        refused(town, "bob@acme.com", "wrong password")
    for _ in range(3):
        with pytest.raises(TooMany):
            enter(town)
    assert len(town.told(town.acme, "user.login_failed")) == ACCOUNT_TRIES
    assert len(town.told(town.acme, "user.login_blocked")) == 1


def test_an_unknown_account_is_throttled_like_a_known_one(small_town):
    answers = []
    for email in ("bob@acme.com", "nobody@acme.com"):
        with small_town.database.write() as connection:
            for _ in range(ACCOUNT_TRIES):
                throttle.count_attempt(connection, SignInAttempt(email, OFFICE.address), small_town.clock.now)
        with pytest.raises(TooMany) as refusal:
            enter(small_town, email, "wrong password")
        answers.append((refusal.value.detail, refusal.value.retry_after))
    assert answers[0] == answers[1]


def test_of_two_at_once_for_the_last_try_one_gets_it(town):
    for _ in range(ACCOUNT_TRIES - 1):
        refused(town, "bob@acme.com", "wrong password")
    outcomes = at_once(2, lambda _: enter(town, "bob@acme.com", "wrong password"))
    assert sorted(outcome.code for outcome in outcomes) == ["sign_in_failed", "too_many_sign_ins"]


def test_a_password_that_is_changed_during_a_sign_in_with_the_old_one_wins(town):
    door = SignIn(town.database, now=town.clock)
    changed = threading.Event()
    door._hashing.submit(changed.wait)  # the sign-in counts its try and waits to compare
    with ThreadPoolExecutor(1) as pool:
        late = pool.submit(refused, town, door=door)
        while not counted(town):
            time.sleep(0.01)
        town.do(people.set_password, "bob@acme.com", passwords.hash_password("another password"))
        changed.set()
        assert late.result()[0] == "sign_in_failed"


def test_a_session_that_there_was_is_replaced(small_town):
    before = enter(small_town)
    after = enter(small_town, previous=before)
    assert (read(small_town, before), read(small_town, after) is None) == (None, False)


def test_a_hash_of_an_earlier_version_is_renewed(small_town):
    enter(small_town)
    with small_town.database.read() as connection:
        kept = connection.scalar(
            sa.select(tables.people.c.password_hash).where(tables.people.c.email == "bob@acme.com")
        )
    assert not passwords.needs_rehash(kept)
    assert passwords.verify_password(kept, PASSWORD)


def test_more_than_can_wait_are_asked_to_come_again(small_town):
    door = SignIn(small_town.database, now=small_town.clock)

    async def crowd():
        emails = ("alice@acme.com", "bob@acme.com", "charlie@other.org") * MOST_OF_ADDRESS
        tries = [door.sign_in(email, "wrong password", caller=OFFICE) for email in emails[: MOST_OF_ADDRESS + 2]]
        return await asyncio.gather(*tries, return_exceptions=True)

    outcomes = asyncio.run(crowd())
    assert [type(outcome) for outcome in outcomes] == [Unauthorized] * MOST_OF_ADDRESS + [Unavailable] * 2
    assert refused(small_town, "bob@acme.com", "wrong password", door=door)[0] == "sign_in_failed"


def test_a_flood_from_one_address_leaves_places_to_others(small_town):
    door = SignIn(small_town.database, now=small_town.clock)

    async def crowd():
        flood = [door.sign_in(f"{n}@acme.com", "wrong", caller=OFFICE) for n in range(5 * MOST_OF_ADDRESS)]
        mine = door.sign_in("bob@acme.com", PASSWORD, caller=replace(OFFICE, address="198.51.100.7"))
        return await asyncio.gather(*flood, mine, return_exceptions=True)

    assert read(small_town, asyncio.run(crowd())[-1]) is not None


def remembered(town, email):
    """The browser in which this account signed in."""
    cookie = remembered_device.new_cookie(SecretKeys(SECRET_KEY), email, town.clock.now)
    return remembered_device.read_cookie(SecretKeys(SECRET_KEY), cookie, town.clock.now)


def lock(town, address, email="nobody@acme.com"):
    """Use up what an address, or with one email address its account, is allowed."""
    with town.database.write() as connection:
        for number in range(ADDRESS_TRIES + 1):
            one = SignInAttempt(f"{number}{email}", address)
            throttle.count_attempt(connection, one, town.clock.now)
        for number in range(ACCOUNT_TRIES + 1):
            throttle.count_attempt(connection, SignInAttempt(email, f"203.0.113.{number}"), town.clock.now)


def test_a_remembered_browser_lets_its_account_in_from_a_closed_address_and_though_it_is_guessed_at(small_town):
    lock(small_town, OFFICE.address, "bob@acme.com")
    with pytest.raises(TooMany):
        enter(small_town)
    with pytest.raises(TooMany):
        enter(small_town, device=remembered(small_town, "another@acme.com"))
    assert read(small_town, enter(small_town, device=remembered(small_town, "bob@acme.com"))) is not None


def test_who_signed_in_from_an_address_before_gets_in_though_it_is_closed_for_others(small_town):
    enter(small_town)
    lock(small_town, OFFICE.address)
    assert read(small_town, enter(small_town)) is not None


def test_an_address_where_nobody_is_known_is_refused_before_the_form_is_read(small_town):
    door = SignIn(small_town.database, now=small_town.clock)

    def look(*, is_shared=False):
        asyncio.run(door.refuse_closed_address(OFFICE, is_shared=is_shared))

    look()
    lock(small_town, OFFICE.address)
    with pytest.raises(TooMany):
        look()
    look(is_shared=True)


def test_an_address_where_somebody_is_known_is_not(small_town):
    enter(small_town)
    lock(small_town, OFFICE.address)
    door = SignIn(small_town.database, now=small_town.clock)
    asyncio.run(door.refuse_closed_address(OFFICE, is_shared=False))
