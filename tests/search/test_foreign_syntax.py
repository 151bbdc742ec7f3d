"""What people paste, and carry over from other products' search boxes: read as meant, or refused with a correction."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.query.case_folding import fold
from tallystick.query.conditions import (
    And,
    AtPath,
    Between,
    Condition,
    Contains,
    Equals,
    EqualTo,
    HasPath,
    InElement,
    Not,
    NumberWithin,
    Or,
    TimeWithin,
    ValueAtPath,
)
from tallystick.search.foreign_syntax import INVISIBLE
from tallystick.search.grammar import parse
from tallystick.search.near_names import name_meant
from tallystick.search.tokens import QueryMistake, path_term
from tests.search.material import PIECES, at

NOW = at("2024-01-15T14:30:45Z")
a, b = Contains("a"), Contains("b")
FAILED = Equals("status", ("failed",))


def read(text: str) -> Condition:
    return parse(text, now=NOW)


def user(*patterns: str) -> Equals:
    return Equals("user", patterns)


@pytest.mark.parametrize(
    "text",
    ["“a b”", "„a b“", "”a b”", "«a b»", "'a b'", "‘a b’", "`a b`", '"a b”', '“a b"', "＂a b＂", "\u200b“a b”\ufeff"],
)
def test_other_quotes_hold_a_phrase_too(text: str) -> None:
    assert read(text) == Contains("a b")
    assert read("user:" + text.strip(INVISIBLE)) == user("a b")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("a && b", And((a, b))),
        ("a & b", And((a, b))),
        ("a + b", And((a, b))),
        ("a || b", Or((a, b))),
        ("a | b", Or((a, b))),
        ("user:a||user:b", Or((user("a"), user("b")))),
        ("+a !b", And((a, Not(b)))),
        ("!user:a", Not(user("a"))),
        ("−a", Not(a)),
        ("a AND NOT b", And((a, Not(b)))),
        ("status:failed and user:a", And((FAILED, user("a")))),
        ("status:failed or (a)", Or((FAILED, a))),
        ("not status:failed", Not(FAILED)),
        ("a and b", And((a, Contains("and"), b))),
    ],
)
def test_joints_of_other_products_join(text: str, meaning: Condition) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    "text",
    ["user:a", "user=a", "user==a", "user = a", "user: a", "user : a", "@user:a", "user:=a", "user：a", "user:(a)",
     "user:'a'", 'user="a"', "USER = 'a'"],
)  # fmt: skip
def test_a_qualifier_may_be_spelt_as_elsewhere(text: str) -> None:
    assert read(text) == user("a")


@pytest.mark.parametrize("text", ["user!=a", "user <> a", "user:!a", "!user=a", "-user:(a)", "not user=a"])
def test_an_exclusion_may_be_spelt_as_elsewhere(text: str) -> None:
    assert read(text) == Not(user("a"))


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("user:(a OR b)", Or((user("a"), user("b")))),
        ("user:(a or b)", Or((user("a"), user("b")))),
        ("user:(a b)", user("a", "b")),
        ("user:(a,b)", user("a", "b")),
        ("user:(\"a b\", 'c')", user("a b", "c")),
        ("metadata.tags:(x AND y)", And((AtPath("metadata.tags", ("x",)), AtPath("metadata.tags", ("y",))))),
        ("user:(a NOT b)", And((user("a"), Not(user("b"))))),
        ("(user:(a OR b) a)", And((Or((user("a"), user("b"))), a))),
    ],
)
def test_several_values_stand_in_parentheses(text: str, meaning: Condition) -> None:
    assert read(text) == meaning


@pytest.mark.parametrize(
    "text",
    ["arn:aws:iam::111122223333:user/ana", "urn:uuid:1", "sha256:ab12", "localhost:8080", "aa:bb:cc:dd:ee:ff",
     "repo:org/name", "https://example.com/?a=b&&c|d", "c:\\dir", "error:", "mailto:a@b.example", "team=platform",
     "s3://bucket/key", "[::1]:443", "key:value", "host:10.0.0.1:80", "name@sha256:ab", "/var/log/x", "50%"],
)  # fmt: skip
def test_a_pasted_text_is_looked_for_as_it_stands(text: str) -> None:
    assert read(text) == Contains(text)


def test_an_address_in_angle_brackets_is_the_address() -> None:
    assert read("<Sarah@acme.com>") == Contains("sarah@acme.com")


@pytest.mark.parametrize(
    ("text", "meaning"),
    [
        ("metadata.team:*", HasPath("metadata.team")),
        ("-metadata.team:*", Not(HasPath("metadata.team"))),
        ("changes:*", HasPath("changes")),
        ("changes:encryption", AtPath("changes", ("encryption",))),
        ('metadata.team:"*"', AtPath("metadata.team", ("*",))),
        ('changes."Email address":x', AtPath("changes.email address", ("x",))),
        ('changes."a:b".c:x', AtPath("changes.a:b.c", ("x",))),
        ('changes."a\\"b":x', AtPath('changes.a"b', ("x",))),
        ("changes.replicas:>3", ValueAtPath("changes.replicas", NumberWithin("3", None, has_low=False))),
        ("changes.replicas>=-3.5", ValueAtPath("changes.replicas", NumberWithin("-3.5", None))),
        ("changes.replicas:3..5", ValueAtPath("changes.replicas", NumberWithin("3", "5"))),
        ("changes.replicas:[3 TO 5}", ValueAtPath("changes.replicas", NumberWithin("3", "5", has_high=False))),
        ("changes.replicas:..5", ValueAtPath("changes.replicas", NumberWithin(None, "5"))),
        ("changes.plan:=Pro", ValueAtPath("changes.plan", EqualTo("pro"))),
        ("changes.plan!=Pro", Not(ValueAtPath("changes.plan", EqualTo("pro")))),
        ('changes.plan:">3"', AtPath("changes.plan", (">3",))),
        ("changes.file:main..dev", AtPath("changes.file", ("main..dev",))),
        ("changes.file:../x", AtPath("changes.file", ("../x",))),
        ("metadata.due:>2024-01-15", ValueAtPath("metadata.due", TimeWithin(at("2024-01-16T00:00:00Z"), None))),
        ("metadata.due:<=2024-01-15", ValueAtPath("metadata.due", TimeWithin(None, at("2024-01-16T00:00:00Z")))),
        (
            "metadata.due:2024-01-01..2024-01-15",
            ValueAtPath("metadata.due", TimeWithin(at("2024-01-01T00:00:00Z"), at("2024-01-16T00:00:00Z"))),
        ),
        (
            "metadata.target[type:User id:=00u1]",
            InElement("metadata.target", And((AtPath("type", ("user",)), ValueAtPath("id", EqualTo("00u1"))))),
        ),
        ("severity:>=high", Equals("severity", ("high", "critical"))),
        ("severity<medium", Equals("severity", ("info", "low"))),
        ("timestamp>=2024-01-01", Between(start=at("2024-01-01T00:00:00Z"))),
        ("@timestamp:[now-1d TO now}", Between(NOW - 86_400_000_000, NOW)),
        ("created:2024-01-01..2024-01-31", Between(at("2024-01-01T00:00:00Z"), at("2024-02-01T00:00:00Z"))),
    ],
)
def test_values_are_compared(text: str, meaning: Condition) -> None:
    assert read(text) == meaning


def test_a_value_between_two_bounds_is_above_one_and_below_the_other() -> None:
    low, high = NumberWithin("3", None, has_low=False), NumberWithin(None, "5", has_high=False)
    both = And((ValueAtPath("changes.x", low), ValueAtPath("changes.x", high)))
    assert read("changes.x:>3 changes.x:<5") == read("changes.x:(>3 <5)") == both


@pytest.mark.parametrize(
    ("text", "suggestion"),
    [
        ("failed|denied", "(failed OR denied)"),
        ("user:a|b", "user:(a OR b)"),
        ("a | stats count by user", "a"),
        ("index=main failed", "failed"),
        ("/dep.*fail/", "dep*fail"),
        ("action:/dep.*/", "action:dep*"),
        ('action=~"dep.*"', "action:dep*"),
        ("user like 'sar%'", "user:sar*"),
        ("user in ('a', 'b')", "user:('a', 'b')"),
        ("_exists_:changes.x", "changes.x:*"),
        ("_missing_:user", "-user:*"),
        ("is:failed", "status:failed"),
        ("actor.email:x", "user:x"),
        ("@http.status:500", "metadata.http.status:500"),
        ("SELECT * FROM events WHERE user = 'x' LIMIT 5", "user = 'x'"),
        ('"user": "x"', 'user:"x"'),
        ('"error": "Policy"', '"Policy"'),
        ("metadata.a[0].b:x", "metadata.a.b:x"),
        ("metadata.a[x:1", "metadata.a[x:1]"),
        ("changes.x:>abc", 'changes.x:">abc"'),
        ("user:>3", 'user:">3"'),
        ("statsu:failed", "status:failed"),
        ("-*", "*"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_a_correction(text: str, suggestion: str) -> None:
    with pytest.raises(QueryMistake) as caught:
        read(text)
    assert caught.value.extra["suggestion"] == suggestion


@pytest.mark.parametrize(
    ("name", "meant"),
    [("usr", "user"), ("stat", "status"),
     ("resorce", "resource"), ("ctaegory", "category"), ("metdata.a", "metadata.a"), ("urn", None),
     ("repo", None), ("arn", None), ("host", None), ("node", None), ("foo", None)],
)  # fmt: skip
def test_only_a_name_that_is_near_is_meant(name: str, meant: str | None) -> None:
    assert name_meant(name) == meant


keys = st.lists(st.sampled_from((*PIECES, "*", '"', "\\", ":", "=", "[", ".")), max_size=3).map("".join)


@given(st.lists(keys, min_size=1, max_size=3), st.lists(st.sampled_from(PIECES), min_size=1, max_size=3).map("".join))
def test_the_term_of_any_path_is_read_as_this_path(below: list[str], value: str) -> None:
    path = fold(".".join(["metadata", *below]))
    assert read(path_term(["metadata", *below], value)) == AtPath(path, (fold(value),))
