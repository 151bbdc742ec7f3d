"""Whether a changed list keeps less: never answered with no while some event is kept for a shorter time."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tallystick.intake_rules.rule import IntakeRule, Rules
from tallystick.intake_rules.strength import keeps_less
from tests.intake_rules.lists import drop, keep

RETENTION = 30
# Each event is a letter, each query the letters that it finds.
EVENTS = "abcd"
queries = st.sampled_from(("a", "b", "ab", "bc", "cd", "abcd"))


@st.composite
def lists_of_rules(draw: st.DrawFn, most: int = 4) -> Rules:
    found = draw(st.lists(st.tuples(st.integers(0, 3), queries, st.sampled_from((0, 1, 7, 30))), max_size=most))
    made = {f"irl_{number}": (query, days) for number, query, days in found}
    return tuple(keep(query, days, name) if days else drop(query, name) for name, (query, days) in made.items())


def days_of(event: str, rules: Rules) -> int:
    return next((rule.kept_days(RETENTION) for rule in rules if event in rule.query), RETENTION)


@settings(max_examples=1000)
@given(lists_of_rules(), lists_of_rules())
def test_a_list_that_is_said_to_keep_no_less_keeps_each_event_as_long(before: Rules, after: Rules) -> None:
    if not keeps_less(before, after, RETENTION):
        assert all(days_of(event, after) >= days_of(event, before) for event in EVENTS)


def weaker(before: list[IntakeRule], after: list[IntakeRule]) -> bool:
    return keeps_less(tuple(before), tuple(after), RETENTION)


def test_a_rule_that_drops_or_keeps_for_a_shorter_time_keeps_less() -> None:
    assert weaker([], [drop("a")])
    assert weaker([], [keep("a", 29)])
    assert weaker([keep("a", 7)], [keep("a", 1)])


def test_removing_a_rule_or_making_it_longer_keeps_no_less() -> None:
    assert not weaker([drop("a")], [])
    assert not weaker([keep("a", 7)], [keep("a", 8)])
    assert not weaker([], [keep("a", 30)])


def test_removing_a_rule_that_kept_events_from_one_below_it_keeps_less() -> None:
    shield = keep("a", 30, "irl_shield")
    assert weaker([shield, drop("ab")], [drop("ab")])
    assert weaker([shield, drop("ab")], [drop("ab"), shield])
    assert not weaker([drop("ab"), shield], [shield, drop("ab")])
