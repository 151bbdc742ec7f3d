"""Rules that are evaluated together find what each finds alone, and share what they ask of an event."""

from uuid import UUID

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.alerts import fields
from tallystick.alerts.compiled_rule import CompiledRule
from tallystick.alerts.definition import RuleDefinition
from tallystick.alerts.event_reader import is_evaluated
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_set import RuleSet
from tests.fixtures.sizes import size
from tests.search.material import record, records

EXAMPLES = size(60, 1000)
TERMS = (
    "action:user.login", "action:deploy*", "-action:s3.get", "status:failed", "category:deployments", "a", "-dep",
    "x OR 42", "(a OR deploy OR 部署) -b", "user:a*", "ip:10.0.0.0/8", "(action:user.login OR status:failed)",
    "changes.a:b",
)  # fmt: skip
searches = st.lists(st.sampled_from(TERMS), max_size=3).map(" ".join)


@st.composite
def definitions(draw: st.DrawFn) -> RuleDefinition:
    group_by = draw(st.sampled_from((None, "user", "ip", "action")))
    if group_by and draw(st.booleans()):
        return RuleDefinition(
            query=draw(searches), kind="sequence", window_seconds=60, group_by=group_by, then=draw(searches),
            unless=draw(searches),
        )  # fmt: skip
    where = draw(st.sampled_from(("", "by_key", "clock_skewed", "holds_secret")))
    return RuleDefinition(query=draw(searches), group_by=group_by, where=where)


def rule_of(number: int, definition: RuleDefinition, since: int = 0) -> tuple[Rule, CompiledRule]:
    rule_id = UUID(int=number + 1)
    rule = Rule(UUID(int=0), rule_id, "Rule", definition, "warning", "", "", (), True, None, since, True, 1, "", 0)
    return rule, CompiledRule(rule_id, definition)


@given(
    rows=st.lists(records(), min_size=1, max_size=12),
    shapes=st.lists(st.tuples(definitions(), st.integers(0, 6)), min_size=1, max_size=6),
)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 60,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_no_event_that_a_rule_matches_is_left_out_before_it_is_matched(rows, shapes):
    rules = [rule_of(number, definition, since) for number, (definition, since) in enumerate(shapes)]
    expected = {}
    for place, (rule, compiled) in enumerate(rules):
        hits = [
            hit
            for index, row in enumerate(rows)
            if index >= rule.since and is_evaluated(row)
            for hit in compiled.hits(index, row)
        ]
        if hits:
            expected[place] = hits
    assert dict(RuleSet(rules).hits(list(enumerate(rows)))) == expected


def test_what_many_rules_ask_of_an_event_is_found_out_once(monkeypatch):
    asked: list[str] = []
    monkeypatch.setitem(fields.WHERE, "holds_secret", lambda _record: asked.append("where") or True)
    monkeypatch.setitem(fields.NAMES, "user", lambda _record: asked.append("user") or ("ann@acme.com",))
    definition = RuleDefinition(query="action:user.login", where="holds_secret", group_by="user")
    rules = RuleSet([rule_of(number, definition) for number in range(20)])
    hits = dict(rules.hits([(0, record()), (1, record(action="other.done"))]))
    assert len(hits) == 20
    assert sorted(asked) == ["user", "where"]


def test_a_condition_that_several_rules_share_is_tested_once(monkeypatch):
    tested: list[int] = []
    text = "tallystick.search.match._holds_any"
    monkeypatch.setattr(text, lambda text, words: tested.append(len(words)) or words[0] in text)
    definition = RuleDefinition(query="zebra OR quagga")  # words of no action's sentence
    rules = RuleSet([rule_of(number, definition) for number in range(20)])
    list(rules.hits([(0, record(description="a zebra"))]))
    assert tested == [2]
