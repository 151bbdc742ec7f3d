"""Rules as files: every mistake is named, nothing is expanded, what is written can be read."""

import string
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.alerts.definition import FIELDS, RuleDefinition
from tallystick.alerts.rule import Rule
from tallystick.alerts.rule_tests import failures
from tallystick.alerts.rules_file import read_rules, write_rules
from tallystick.errors import BadRequest


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "Start the file with `rules:`"),
        ("rules:", "Start the file with `rules:`"),
        ("- name: x", "Start the file with `rules:`"),
        ("rules:\n  - x", "Rule 1 must be a mapping"),
        ("rules:\n\t- name: x", "Invalid YAML"),
        ("rules: [", "Invalid YAML"),
        ("a: &a [x]\nrules: *a", "References"),
        ("rules:\n  - {name: x, colour: red}", "Rule 1 \\(x\\)"),
        ("rules:\n  - {name: x, count: many}", "Rule 1 \\(x\\)"),
        ("rules:\n  - {name: x, kind: sequence, then: y}", "needs"),
        ("rules:\n  - {name: x, query: 'user:('}", "Rule 1 \\(x\\)"),
        ("rules:\n  - {query: x}", "name"),
        ("rules:\n  - {name: x, tests: [{name: y, events: [{action: a.b, at: soon}]}]}", "Rule 1"),
        ("rules: !!python/object/apply:os.system ['true']", "Tags are not supported"),
        ("rules: [{name: !!int ''}]", "Tags are not supported"),
        ("[" * 100_000, "20 deep"),
        ("rules:\n" + "".join(f"{'  ' * deep}  a:\n" for deep in range(30)), "20 deep"),
        ("rules: [" + "1," * 60_000 + "]", "at most 50000 values"),
        ('rules: [{name: "\\UFFFFFFFF"}]', "Invalid YAML"),
        ('rules: [{name: "\\ud800"}]', "surrogate|Unicode"),
        ('rules: [{name: x, says: "a\\0b"}]', "U\\+0000"),
        ("rules: [{name: 0x" + "f" * 5000 + "}]", "number is too large|must be finite"),
        ("rules: [{name: x, count: " + ":".join(["1"] * 500_000) + "}]", "number is too large"),
        ("rules: [{name: x, count: 0." + "1" * 1_000_000 + "}]", "number is too large"),
        ("rules: [" + "x" * ((2 << 20) - 20) + "]", "must be a mapping"),
        ("rules: [{name: x, says: 'a\n\nb'}]", "one line"),
        ("rules: [{name: x, tests: [{name: y, events: [{action: a.b, every: .inf, repeat: 2}]}]}]", "finite"),
        ("rules: [{name: x, tests: [{name: y, events: [{action: a.b, repeat: 30000}]}]}]", "20000 events in total"),
        ("rules:\n" + "  - {name: x}\n" * 201, "at most 200"),
        ("rules:\n  - {name: x, count: 1, count: 2}", "'count' is repeated"),
        ("#" * (3 << 20), "at most 2 MiB"),
    ],
)
def test_a_mistake_is_named(text, said):
    with pytest.raises(BadRequest, match=said):
        read_rules(text)


@pytest.mark.parametrize(
    "event",
    [
        "{action: a.b, at: 1.0e+300}", "{action: a.b, at: -1.0e+11}", "{action: a.b, at: 9999-12-31T23:59:59Z}",
        "{action: a.b, at: 0001-01-01T00:00:00+14:00}",
        "{action: a.b, received: 1.0e+12}", "{action: a.b, every: 1.0e+300, repeat: 2}", "{action: a.b, repeat: 0}",
    ],
)  # fmt: skip
def test_a_time_that_no_event_has_is_named(event):
    (rule,) = read_rules(f"rules: [{{name: x, tests: [{{name: y, events: [{event}]}}]}}]")
    with pytest.raises(BadRequest, match=r"ten years|repeat"):
        failures(rule.name, rule.definition, rule.tests)


def test_what_is_written_of_no_rules_is_read():
    assert read_rules(write_rules([])) == []


def test_a_test_that_cannot_be_run_says_why():
    (rule,) = read_rules("rules:\n  - name: x\n    tests:\n      - {name: y, events: [{action: nonsense}], fires: 1}\n")
    assert "bad_action" in failures(rule.name, rule.definition, rule.tests)[0]


names = st.text(string.ascii_letters + " :#'\"äß漢{}-", min_size=1, max_size=30).filter(str.strip)


@given(names, st.integers(2, 1000), st.integers(1, 10_000), st.sampled_from(FIELDS), names)
def test_what_is_written_is_read_as_it_was(name, count, window, field, runbook):
    definition = RuleDefinition(
        query="status:failed", count=count, window_seconds=window, group_by=field, cooldown_seconds=5
    )
    rule = Rule(UUID(int=1), UUID(int=2), name, definition, "notice", runbook, "", (), False, None, 0, True, 1, "", 0)
    (read,) = read_rules(write_rules([rule]))
    assert (read.name, read.definition, read.severity, read.runbook, read.enabled) == (
        name,
        definition,
        "notice",
        runbook,
        False,
    )
