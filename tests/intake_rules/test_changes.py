"""Changes of intake rules: who may make them, when it takes two people, when they take effect, what is recorded."""

from collections.abc import Callable
from typing import Any

import pytest

from tallystick.access.decisions import OPEN_DAYS, list_decisions
from tallystick.access.organizations import set_retention
from tallystick.access.scopes import operator_scope
from tallystick.alerts.fields import may_weaken
from tallystick.database.engine import Database
from tallystick.errors import TallystickError
from tallystick.intake_rules import changes
from tallystick.intake_rules.rule import MOST_RULES, Rules
from tallystick.intake_rules.rule_list import read_rule_list, show_rules
from tallystick.query.scope import Scope
from tallystick.retention.decide import cancel_request, confirm_request
from tests.access.town import DAY, Town, at_once, build
from tests.retention.test_decide import add, key_of, refusal, scope_of

pytestmark = pytest.mark.one_engine
DROP = ("action:project.viewed", "drop")
WEAKENED, CHANGED = "audit_log.intake_rules_weakened", "audit_log.intake_rules_changed"


@pytest.fixture
def town(database: Database) -> Town:
    return build(database)


def rules_of(town: Town, *, later: int = 0) -> Rules:
    with town.database.read() as connection:
        return read_rule_list(connection, town.acme.org_id, town.clock.now + later).in_force


def said(rules: Rules) -> list[tuple[str, int | None]]:
    return [(rule.query, rule.days) for rule in rules]


def pending(town: Town) -> list[str]:
    with town.database.read() as connection:
        found = list_decisions(connection, operator_scope(town.acme.org_id), state="pending")
    return [one.public_id for one in found]


def alice(town: Town) -> Scope:
    return scope_of(town, town.alice)


def new(town: Town, *given: Any, by: Scope | None = None) -> Any:
    return town.do(changes.add_rule, by or alice(town), *given)


@pytest.mark.both_engines
def test_the_only_owner_decides_alone_and_a_day_later_it_is_in_force(town: Town) -> None:
    new(town, *DROP)
    assert rules_of(town, later=DAY - 1) == ()
    assert said(rules_of(town, later=DAY)) == [("action:project.viewed", None)]
    assert pending(town) == []


@pytest.mark.both_engines
def test_with_two_owners_the_second_one_confirms(town: Town) -> None:
    second = scope_of(town, add(town, "emma@acme.com"))
    new(town, *DROP)
    assert rules_of(town, later=2 * DAY) == ()
    (asked,) = pending(town)
    assert refusal(lambda: town.do(confirm_request, alice(town), asked)) == "second_person_needed"
    town.do(confirm_request, second, asked)
    assert rules_of(town, later=DAY - 1) == ()
    assert said(rules_of(town, later=DAY)) == [("action:project.viewed", None)]


@pytest.mark.parametrize("given", [DROP, ("action:project.viewed", "keep", 1)], ids=["drop", "keep"])
def test_no_key_decides_and_it_is_told_the_page(town: Town, given: tuple[Any, ...]) -> None:
    for maker in (operator_scope(town.acme.org_id), alice(town)):
        with pytest.raises(TallystickError) as refused:
            new(town, *given, by=key_of(town, maker))
        assert refused.value.code == "person_required"
        assert refused.value.extra["page"].startswith("/intake-rules?look=new&query=action%3Aproject.viewed&do=")
    assert rules_of(town, later=2 * DAY) == ()


@pytest.mark.parametrize("role", ["admin", "auditor", "member"])
def test_nobody_but_an_owner_changes_rules(town: Town, role: str) -> None:
    other = scope_of(town, add(town, "dora@acme.com", role))
    assert refusal(lambda: new(town, *DROP, by=other)) in ("owner_only", "missing_permission")
    assert refusal(lambda: new(town, "user:bob", "keep", 365, by=other)) in ("owner_only", "missing_permission")


def test_a_rule_that_keeps_as_long_as_the_plan_takes_effect_at_once_and_a_key_may_add_it(town: Town) -> None:
    new(town, "user:sarah@acme.com", "keep", 365, by=key_of(town, alice(town)))
    assert said(rules_of(town)) == [("user:sarah@acme.com", 365)]


def test_removing_a_rule_and_lengthening_one_take_effect_at_once(town: Town) -> None:
    first, second = new(town, *DROP), new(town, "action:project.updated", "keep", 7)
    town.clock.pass_by(2 * DAY)
    town.do(changes.change_rule, alice(town), second.id, 30)
    town.do(changes.remove_rule, alice(town), first.id)
    assert said(rules_of(town)) == [("action:project.updated", 30)]


def test_a_rule_that_is_not_in_force_yet_can_be_removed_before_it_is(town: Town) -> None:
    rule = new(town, *DROP)
    town.do(changes.remove_rule, alice(town), rule.id)
    assert rules_of(town, later=2 * DAY) == ()


def test_a_removal_takes_effect_at_once_although_another_rule_waits(town: Town) -> None:
    old = new(town, *DROP)
    town.clock.pass_by(2 * DAY)
    new(town, "action:project.updated", "drop")
    town.do(changes.remove_rule, alice(town), old.id)
    assert rules_of(town) == ()
    assert said(rules_of(town, later=DAY)) == [("action:project.updated", None)]


def test_removing_a_rule_that_kept_events_from_one_below_it_takes_a_second_owner(town: Town) -> None:
    shield = new(town, "user:sarah@acme.com", "keep", 365)
    new(town, *DROP)
    town.clock.pass_by(2 * DAY)
    second = scope_of(town, add(town, "emma@acme.com"))
    town.do(changes.remove_rule, alice(town), shield.id)
    assert len(rules_of(town, later=2 * DAY)) == 2
    town.do(confirm_request, second, pending(town)[0])
    assert said(rules_of(town, later=DAY)) == [("action:project.viewed", None)]


def test_the_order_is_changed_by_position(town: Town) -> None:
    first, second = new(town, *DROP), new(town, "user:sarah@acme.com", "keep", 365)
    town.do(changes.change_rule, alice(town), second.id, None, 1)
    assert [rule.id for rule in rules_of(town, later=DAY)] == [second.id, first.id]
    assert refusal(lambda: town.do(changes.change_rule, alice(town), second.id, None, 21)) == "bad_intake_rule"


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (("action:a.b", "keep", 366), "bad_intake_rule"),
        (("action:a.b", "keep", 0), "bad_intake_rule"),
        (("action:a.b", "keep"), "bad_intake_rule"),
        (("action:a.b", "drop", 1), "bad_intake_rule"),
        (("action:a.b", "hide"), "bad_intake_rule"),
        (("deploy", "drop"), "bad_intake_rule"),
        (("changes.a:b", "drop"), "bad_intake_rule"),
        (("  ", "drop"), "bad_intake_rule"),
        (("action:" + "a" * 1000 + ".b", "drop"), "bad_intake_rule"),
        (("action:", "drop"), "bad_query"),
    ],
)
def test_a_rule_that_cannot_be_is_refused(town: Town, given: tuple[Any, ...], code: str) -> None:
    assert refusal(lambda: new(town, *given)) == code


def test_there_are_at_most_twenty(town: Town) -> None:
    for number in range(MOST_RULES):
        new(town, f"action:a.b{number}", "keep", 365)
    assert refusal(lambda: new(town, *DROP)) == "too_many_intake_rules"


def test_each_change_is_recorded_with_before_and_after_and_only_weakening_raises_the_alert(town: Town) -> None:
    rule = new(town, *DROP)
    town.do(changes.remove_rule, alice(town), rule.id)
    weakened, changed = town.told(town.acme, WEAKENED, CHANGED)
    described = {"query": "action:project.viewed", "do": "drop"}
    assert (weakened["action"], weakened["changes"]) == (WEAKENED, {rule.id: {"before": None, "after": described}})
    assert (changed["action"], changed["changes"]) == (CHANGED, {rule.id: {"before": described, "after": None}})
    assert weakened["actor"]["email"] == "alice@acme.com"
    assert may_weaken(weakened["changes"])


def test_a_request_its_confirmation_and_its_cancellation_are_recorded(town: Town) -> None:
    second = scope_of(town, add(town, "emma@acme.com"))
    new(town, *DROP)
    town.do(cancel_request, second, pending(town)[0])
    new(town, *DROP)
    town.do(confirm_request, second, pending(town)[0])
    told = [one["action"] for one in town.told(town.acme) if "intake_rules" in one["action"]]
    assert told == [
        "audit_log.intake_rules_change_requested", "audit_log.intake_rules_change_cancelled",
        "audit_log.intake_rules_change_requested", "audit_log.intake_rules_change_confirmed", WEAKENED,
    ]  # fmt: skip


def test_a_request_about_rules_that_have_changed_since_cannot_be_confirmed(town: Town) -> None:
    second = scope_of(town, add(town, "emma@acme.com"))
    new(town, *DROP)
    (asked,) = pending(town)
    new(town, "user:sarah@acme.com", "keep", 365)
    assert refusal(lambda: town.do(confirm_request, second, asked)) == "decision_over"
    town.clock.pass_by(OPEN_DAYS * DAY)
    assert said(rules_of(town)) == [("user:sarah@acme.com", 365)]


def test_a_second_request_waits_for_the_first(town: Town) -> None:
    add(town, "emma@acme.com")
    new(town, *DROP)
    assert refusal(lambda: new(town, "action:project.updated", "drop")) == "decision_pending"


@pytest.mark.both_engines
def test_of_changes_at_once_none_is_lost(town: Town) -> None:
    def act(number: int) -> object:
        return new(town, f"action:a.b{number}", "keep", 365)

    at_once(4, act)
    assert len(rules_of(town)) == 4


@pytest.mark.both_engines
def test_of_two_confirmations_at_once_one_wins(town: Town) -> None:
    second = scope_of(town, add(town, "emma@acme.com"))
    new(town, *DROP)
    (asked,) = pending(town)
    outcomes = at_once(4, lambda _: town.do(confirm_request, second, asked))
    assert sorted(getattr(one, "state", "") or one.code for one in outcomes) == ["confirmed", *["decision_over"] * 3]
    assert len(rules_of(town, later=DAY)) == 1


@pytest.mark.parametrize("act", [changes.remove_rule, changes.change_rule])
def test_charlie_neither_sees_nor_changes_the_rules_of_acme(town: Town, act: Callable[..., object]) -> None:
    rule = new(town, *DROP)
    charlie = town.scope(town.charlie)
    assert town.do(show_rules, charlie).decided == ()
    assert refusal(lambda: town.do(act, charlie, rule.id)) == "no_intake_rule"


def test_charlie_cannot_confirm_what_acme_asked_for(town: Town) -> None:
    add(town, "emma@acme.com")
    new(town, *DROP)
    (asked,) = pending(town)
    assert refusal(lambda: town.do(confirm_request, town.scope(town.charlie), asked)) == "no_decision"


def test_bob_who_sees_a_part_of_the_trail_does_not_see_the_rules(town: Town) -> None:
    assert refusal(lambda: town.do(show_rules, scope_of(town, town.bob))) == "whole_trail_only"


def test_a_rule_of_a_longer_plan_keeps_no_longer_than_a_shorter_one(town: Town) -> None:
    rule = new(town, "action:a.b", "keep", 365)
    town.do(set_retention, alice(town), plan="free")
    assert rule.kept_days(7) == 7
