"""Searches that were stored before stars could be escaped keep their meaning."""

import json
from importlib import import_module
from urllib.parse import parse_qsl, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tallystick.query.case_folding import fold
from tallystick.query.conditions import AtPath, Contains, Equals, Not
from tallystick.query.values import pieces_of
from tallystick.search.filters import query_from
from tallystick.search.grammar import parse
from tests.search.material import PIECES

migration = import_module("tallystick.database.migrations.versions.0036_searches")
BACKSLASH = "\\"
_texts = st.lists(st.sampled_from((*PIECES, "|", "&&", "“", "”", ">", "=", "..", "[", "OR")), min_size=1, max_size=6)
texts = _texts.map("".join)


def earlier_phrase(text: str) -> str:
    return '"' + text.replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("deploy user:sarah@acme.com -status:failed", "deploy user:sarah@acme.com -status:failed"),
        ("(action:deployment.* OR vpc-prod) 10.0.0.1", "(action:deployment.* OR vpc-prod) 10.0.0.1"),
        (r"user:a\*", r"user:a\\*"),
        (r'resource:"c:\dir\* x"', r'resource:"c:\dir\\* x"'),
        ("2*3", '"2*3"'),
        (r"\*", r'"\\*"'),
        (r'"say \\"', r'"say \\"'),
        (r'"a\\"b"', r'"a\\\"b"'),
        ("a|b -x&&y", '"a|b" -"x&&y"'),
        ("changes.n:* metadata.n:>3 request.a:3..5", 'changes.n:"*" metadata.n:">3" request.a:"3..5"'),
        ("metadata.a[0]:x", 'metadata."a[0]":x'),
        ("https://x.y/?a=b", '"https://x.y/?a=b"'),
        ('open "quote', 'open "quote'),
        ("user: x", "user: x"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_a_search_is_written_as_it_is_now(before: str, after: str) -> None:
    assert migration.rewritten(before) == after


@given(texts)
def test_a_phrase_keeps_its_meaning(text: str) -> None:
    if not text.endswith(BACKSLASH) and '\\"' not in text:
        search = f"-{earlier_phrase(text)}"
        assert parse(migration.rewritten(search), now=0) == Not(Contains(fold(text)))
        path = f"metadata.a:{earlier_phrase(text)}"
        assert parse(migration.rewritten(path), now=0) == AtPath("metadata.a", (fold(text),))


@given(texts)
def test_a_bare_word_keeps_its_meaning(text: str) -> None:
    word = "".join(letter for letter in text if not letter.isspace() and letter not in '()":')
    if word and word[0] != "-" and word not in ("AND", "OR", "NOT"):
        assert parse(migration.rewritten(word), now=0) == Contains(fold(word))


@given(texts)
def test_a_pattern_keeps_its_meaning_in_searches_and_parameters(text: str) -> None:
    if text.endswith(BACKSLASH) or '\\"' in text:
        return
    condition = parse(migration.rewritten(f"session:{earlier_phrase(text)}"), now=0)
    assert isinstance(condition, Equals)
    assert pieces_of(condition.patterns[0]) == tuple(fold(text).split("*"))
    if not text.isspace():
        rewritten = json.loads(migration.rewritten_parameters(json.dumps({"user": [text], "start": "2024-01-01"})))
        [pattern] = query_from({"user": rewritten["user"]}, now=0).condition.patterns  # type: ignore[union-attr]
        assert pieces_of(pattern) == tuple(fold(text).split("*"))


def test_every_place_of_a_search_is_rewritten() -> None:
    before, after = r"user:a\* 2*3", r'user:a\\* "2*3"'
    assert json.loads(migration.rewritten_rule(json.dumps({"query": before, "count": 5}))) == {
        "query": after,
        "count": 5,
    }
    rules = [{"id": "irl_1", "query": before, "do": "drop"}]
    changed = [{"id": "irl_1", "query": after, "do": "drop"}]
    assert json.loads(migration.rewritten_rules(json.dumps(rules))) == changed
    assert migration.rewritten_rules("") == ""
    proposal = json.dumps({"before": [], "after": rules})
    assert json.loads(migration.rewritten_proposal(proposal)) == {"before": [], "after": changed}
    url = migration.rewritten_url(urlencode([("q", before), ("user", r"a\*"), ("columns", "time,user")]))
    assert parse_qsl(url) == [("q", after), ("user", r"a\\*"), ("columns", "time,user")]


def test_what_needs_no_change_stays_byte_for_byte() -> None:
    for text in ('{"query": "deploy user:x*",  "count": 5}', '{"q":["a"],"user":["x*"]}'):
        assert migration.rewritten_rule(text) == text
        assert migration.rewritten_parameters(text) == text
