"""What people decide, and when it takes two of them: a shorter retention, a smaller plan, the release of a hold."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from tallystick.access import members, organizations, people
from tallystick.access.decisions import OPEN_DAYS, Decision, expire_decisions, list_decisions
from tallystick.access.keys import create_key, list_keys
from tallystick.access.members import Member
from tallystick.access.organizations import RETENTION
from tallystick.access.role_holders import LOOK_BACK_DAYS, count_recent_owners
from tallystick.access.scopes import api_key_scope, operator_scope
from tallystick.database.engine import Database
from tallystick.erasure.request import ERASURE
from tallystick.errors import Forbidden, NotFound, TallystickError
from tallystick.events.catalogue import CATALOGUE
from tallystick.query.scope import Scope
from tallystick.retention import holds
from tallystick.retention.decide import cancel_request, confirm_request
from tests.access.town import DAY, MINUTE, Town, at_once, build

Change = tuple[Callable[[Town, Scope], Any], Callable[[Town], bool]]


@pytest.fixture
def town(database: Database) -> Town:
    """Acme with one owner, on each control database."""
    return build(database)


@pytest.fixture
def small_town(sqlite_database: Database) -> Town:
    return build(sqlite_database)


def add(town: Town, email: str, role: str = "owner") -> Member:
    made: Member = town.do(people.create, operator_scope(town.acme.org_id), email, role)
    return made


def scope_of(town: Town, member: Member) -> Scope:
    return town.scope(member, town.acme)


def key_of(town: Town, maker: Scope) -> Scope:
    town.do(create_key, maker, f"key {maker.principal.label}", ["admin", "events:read"])
    with town.database.read() as connection:
        made = max(list_keys(connection, maker), key=lambda one: one.key_id)
    return api_key_scope(made.org_id, made.key_id, made.name, made.scopes)


def days(town: Town) -> int:
    with town.database.read() as connection:
        return organizations.retention_days(connection, town.acme.org_id)


def decisions(town: Town) -> list[Decision]:
    with town.database.read() as connection:
        return list_decisions(connection, operator_scope(town.acme.org_id))


def refusal(act: Callable[[], object]) -> str:
    with pytest.raises(TallystickError) as refused:
        act()
    return refused.value.code


def shorten(town: Town, scope: Scope) -> Any:
    return town.do(organizations.set_retention, scope, plan="pro")


def is_shorter(town: Town) -> bool:
    return days(town) == 90


def let_go(town: Town, scope: Scope) -> Any:
    with town.database.read() as connection:
        active = holds.active(connection, operator_scope(town.acme.org_id))
    return town.do(holds.release, scope, active[0].public_id)


def is_let_go(town: Town) -> bool:
    with town.database.read() as connection:
        return not holds.active(connection, operator_scope(town.acme.org_id))


CHANGES = [pytest.param((shorten, is_shorter), id="retention"), pytest.param((let_go, is_let_go), id="release")]


@pytest.fixture
def held(town: Town) -> Town:
    """With a hold in force."""
    town.do(holds.place, scope_of(town, town.alice), "Case 7", "user:sarah@acme.com")
    return town


@pytest.mark.parametrize("change", CHANGES)
def test_the_only_owner_decides_alone(held: Town, change: Change) -> None:
    act, is_done = change
    act(held, scope_of(held, held.alice))
    assert is_done(held)
    assert decisions(held) == []


@pytest.mark.parametrize("change", CHANGES)
def test_no_key_decides_whoever_created_it(held: Town, change: Change) -> None:
    act, is_done = change
    admin = scope_of(held, add(held, "dora@acme.com", "admin"))
    for maker in (operator_scope(held.acme.org_id), scope_of(held, held.alice), admin):
        key = key_of(held, maker)
        with pytest.raises(Forbidden) as refused:
            act(held, key)
        assert refused.value.code == "person_required"
        assert refused.value.extra["page"].startswith("/retention?look=")
    assert not is_done(held)
    assert decisions(held) == []


@pytest.mark.parametrize("change", CHANGES)
def test_of_two_owners_one_requests_and_the_other_confirms(held: Town, change: Change) -> None:
    act, is_done = change
    alice, emma = scope_of(held, held.alice), scope_of(held, add(held, "emma@acme.com"))
    act(held, alice)
    (asked,) = decisions(held)
    assert (asked.state, asked.requested_by_name, is_done(held)) == ("pending", "alice@acme.com", False)
    assert refusal(lambda: held.do(confirm_request, alice, asked.public_id)) == "second_person_needed"
    assert refusal(lambda: held.do(confirm_request, key_of(held, emma), asked.public_id)) == "person_required"
    assert not is_done(held)
    held.do(confirm_request, emma, asked.public_id)
    assert is_done(held)
    (ended,) = decisions(held)
    assert (ended.state, ended.ended_by_name) == ("confirmed", "emma@acme.com")


@pytest.mark.parametrize("change", CHANGES)
def test_everything_stands_in_the_trail(held: Town, change: Change) -> None:
    act, _ = change
    alice, emma = scope_of(held, held.alice), scope_of(held, add(held, "emma@acme.com"))
    act(held, alice)
    held.do(cancel_request, emma, decisions(held)[0].public_id)
    held.clock.pass_by(MINUTE)
    act(held, alice)
    held.do(confirm_request, emma, decisions(held)[0].public_id)
    told = [
        (one["action"].rpartition("_")[2], one["actor"]["email"].partition("@")[0])
        for one in held.told(held.acme)
        if re.search("retention|_release", one["action"])
    ]
    assert told[:4] == [("requested", "alice"), ("cancelled", "emma"), ("requested", "alice"), ("confirmed", "emma")]
    assert told[4] in (("changed", "emma"), ("released", "emma"))


def test_every_kind_has_its_actions_in_the_catalogue() -> None:
    for kind in (RETENTION, holds.RELEASE, ERASURE):
        for what in ("requested", "confirmed", "cancelled", "expired"):
            assert f"audit_log.{kind.action}_{what}" in CATALOGUE


@pytest.mark.parametrize("how", ["demoted", "disabled here", "disabled everywhere", "demoted while disabled"])
def test_an_owner_who_lately_ceased_to_be_one_still_counts(town: Town, how: str) -> None:
    emma = add(town, "emma@acme.com")
    alice = scope_of(town, town.alice)
    if how != "demoted":
        if how == "disabled everywhere":
            town.do(people.set_disabled, emma.email, True)
        else:
            town.do(members.set_disabled, alice, emma.user_id, True)
    if "demoted" in how:
        town.do(members.change_role, alice, emma.user_id, "member")
    town.clock.pass_by(LOOK_BACK_DAYS * DAY - MINUTE)
    shorten(town, alice)
    assert (is_shorter(town), [one.state for one in decisions(town)]) == (False, ["pending"])
    town.clock.pass_by(2 * MINUTE)
    town.do(cancel_request, alice, decisions(town)[0].public_id)
    shorten(town, alice)
    assert is_shorter(town)


def test_an_owner_who_was_one_twice_is_one_person(small_town: Town) -> None:
    alice, emma = scope_of(small_town, small_town.alice), add(small_town, "emma@acme.com")
    for role in ("admin", "owner", "admin", "owner"):
        small_town.do(members.change_role, alice, emma.user_id, role)
    with small_town.database.read() as connection:
        assert count_recent_owners(connection, small_town.acme.org_id, small_town.clock.now) == 2
        assert count_recent_owners(connection, small_town.other.org_id, small_town.clock.now) == 1


def test_an_admin_confirms_a_release_and_no_retention(held: Town) -> None:
    alice, dora = scope_of(held, held.alice), scope_of(held, add(held, "dora@acme.com", "admin"))
    add(held, "emma@acme.com")
    shorten(held, alice)
    assert refusal(lambda: held.do(confirm_request, dora, decisions(held)[0].public_id)) == "missing_permission"
    held.do(cancel_request, dora, decisions(held)[0].public_id)
    held.clock.pass_by(MINUTE)
    let_go(held, alice)
    held.do(confirm_request, dora, decisions(held)[0].public_id)
    assert is_let_go(held)


def test_roles_are_those_at_the_moment_of_the_confirmation(held: Town) -> None:
    of_emma, of_fred = add(held, "emma@acme.com"), add(held, "fred@acme.com")
    alice, emma, fred = (scope_of(held, who) for who in (held.alice, of_emma, of_fred))
    shorten(held, emma)
    asked = decisions(held)[0].public_id
    operator = operator_scope(held.acme.org_id)
    held.do(members.change_role, operator, of_fred.user_id, "admin")
    assert refusal(lambda: held.do(confirm_request, fred, asked)) == "missing_permission"  # his session began before
    held.do(members.change_role, operator, of_emma.user_id, "admin")
    held.do(confirm_request, alice, asked)
    assert (is_shorter(held), decisions(held)[0].first_by_name) == (False, "alice@acme.com")  # Emma counts no more
    assert refusal(lambda: held.do(confirm_request, alice, asked)) == "second_person_needed"
    held.do(members.change_role, operator, of_fred.user_id, "owner")
    held.do(confirm_request, fred, asked)
    assert is_shorter(held)


def test_a_longer_retention_and_a_new_hold_are_immediate(small_town: Town) -> None:
    alice, _ = scope_of(small_town, small_town.alice), add(small_town, "emma@acme.com")
    small_town.do(organizations.set_retention, alice, 400)
    small_town.do(organizations.set_retention, key_of(small_town, alice), 500)
    small_town.do(holds.place, key_of(small_town, alice), "Case 7", "failed")
    assert (days(small_town), is_let_go(small_town), decisions(small_town)) == (500, False, [])


def test_fewer_days_on_a_larger_plan_and_a_smaller_plan_of_as_many_days_are_decided_too(small_town: Town) -> None:
    alice, operator = scope_of(small_town, small_town.alice), operator_scope(small_town.acme.org_id)
    add(small_town, "emma@acme.com")
    small_town.do(organizations.set_retention, operator, 90, plan="enterprise")
    shorten(small_town, alice)
    small_town.do(organizations.set_retention, operator, 400)
    small_town.do(organizations.set_retention, alice, plan="enterprise")
    assert sorted(one.state for one in decisions(small_town)) == ["cancelled", "pending"]
    assert days(small_town) == 400


def test_a_retention_that_changed_meanwhile_ends_the_request(small_town: Town) -> None:
    alice, emma = scope_of(small_town, small_town.alice), scope_of(small_town, add(small_town, "emma@acme.com"))
    shorten(small_town, alice)
    small_town.do(organizations.set_retention, alice, 400)
    (asked,) = decisions(small_town)
    assert asked.state == "cancelled"
    assert refusal(lambda: small_town.do(confirm_request, emma, asked.public_id)) == "decision_over"
    assert days(small_town) == 400


def test_the_same_is_requested_once_at_a_time(small_town: Town) -> None:
    alice, emma = scope_of(small_town, small_town.alice), scope_of(small_town, add(small_town, "emma@acme.com"))
    shorten(small_town, alice)
    for scope in (alice, emma):
        assert refusal(lambda scope=scope: shorten(small_town, scope)) == "decision_pending"
    assert len(decisions(small_town)) == 1


@pytest.mark.parametrize("change", CHANGES)
def test_a_request_ends_by_itself_and_can_be_made_again(held: Town, change: Change) -> None:
    act, is_done = change
    alice, emma = scope_of(held, held.alice), scope_of(held, add(held, "emma@acme.com"))
    act(held, alice)
    asked = decisions(held)[0]
    assert asked.expires_at - asked.requested_at == OPEN_DAYS * DAY
    held.clock.pass_by(OPEN_DAYS * DAY)
    assert refusal(lambda: held.do(confirm_request, emma, asked.public_id)) == "decision_over"
    held.do(expire_decisions, (RETENTION, holds.RELEASE))
    assert [one.state for one in decisions(held)] == ["expired"]
    assert held.told(held.acme)[-1]["action"].endswith("_expired")
    assert refusal(lambda: held.do(cancel_request, emma, asked.public_id)) == "decision_over"
    act(held, alice)
    assert sorted(one.state for one in decisions(held)) == ["expired", "pending"]
    assert not is_done(held)


def test_of_confirming_cancelling_and_expiring_at_once_one_wins(town: Town) -> None:
    alice, emma = scope_of(town, town.alice), scope_of(town, add(town, "emma@acme.com"))
    shorten(town, alice)
    asked = decisions(town)[0].public_id

    def act(number: int) -> object:
        if number % 3 == 0:
            return town.do(confirm_request, emma, asked)
        if number % 3 == 1:
            return town.do(cancel_request, alice, asked)
        with town.database.write() as connection:
            return expire_decisions(connection, (RETENTION,), now=town.clock.now + OPEN_DAYS * DAY)

    at_once(6, act)
    ends = [
        one["action"].rpartition("_")[2]
        for one in town.told(town.acme)
        if one["action"].startswith("audit_log.retention_change_") and not one["action"].endswith("_requested")
    ]
    (ended,) = decisions(town)
    assert ends == [ended.state]
    assert is_shorter(town) == (ended.state == "confirmed")


def test_of_two_confirmations_at_once_one_wins(town: Town) -> None:
    alice, emma = scope_of(town, town.alice), scope_of(town, add(town, "emma@acme.com"))
    shorten(town, alice)
    asked = decisions(town)[0].public_id
    outcomes = at_once(4, lambda _: town.do(confirm_request, emma, asked))
    assert sorted(getattr(one, "code", "done") for one in outcomes) == ["decision_over"] * 3 + ["done"]


def test_the_operator_needs_nobody(held: Town) -> None:
    add(held, "emma@acme.com")
    operator = operator_scope(held.acme.org_id)
    shorten(held, operator)
    assert is_shorter(held)
    assert held.told(held.acme, "audit_log.retention_changed")[0]["actor"]["id"] == "operator"


def test_another_organization_finds_and_decides_nothing(held: Town) -> None:
    alice, charlie = scope_of(held, held.alice), held.scope(held.charlie)
    add(held, "emma@acme.com")
    shorten(held, alice)
    asked = decisions(held)[0].public_id
    with held.database.read() as connection:
        assert list_decisions(connection, charlie) == []
    for act in (confirm_request, cancel_request):
        with pytest.raises(NotFound):
            held.do(act, charlie, asked)
    assert decisions(held)[0].state == "pending"
