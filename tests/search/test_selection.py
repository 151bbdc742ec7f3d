"""Queries on a block of events find what they find on each event alone."""

import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tallystick.events.record import Record
from tallystick.query.case_folding import fold
from tallystick.query.conditions import And, AtPath, Condition, Contains, Equals, Not, Or, Query
from tallystick.search import match
from tallystick.search.event_block import EventBlock
from tallystick.search.match import compile_match, compile_selection
from tallystick.search.word_index import MOST_OF_GRAM, WordIndex
from tests.fixtures.sizes import size
from tests.search.material import PIECES, cases, record

EXAMPLES = size(50, 1000)


@pytest.fixture(params=["word by word", "one expression"])
def each_search(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways of searching words."""
    if request.param == "one expression":
        monkeypatch.setattr(match, "COMBINED_FROM", 0)


def selected(condition: Condition, rows: list[Record]) -> list[int]:
    block = EventBlock(rows)
    return compile_selection(Query(condition))(block, block.rows)


@pytest.mark.full_size
@pytest.mark.usefixtures("each_search")
@given(case=cases)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    derandomize=EXAMPLES == 50,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_a_block_of_events_is_judged_as_each_event_alone(case: tuple[list[Record], list[Query]]):
    rows, asked = case
    block = EventBlock(rows)
    for query in asked:
        matches = compile_match(query)
        expected = [row for row, one in enumerate(rows) if matches(one)]
        assert compile_selection(query)(block, block.rows) == expected, query
        indexed = EventBlock(rows, WordIndex(word for one in asked for word in match._words_of(one.condition)))
        assert compile_selection(query)(indexed, indexed.rows) == expected, query


@pytest.mark.usefixtures("each_search")
def test_any_of_many_words_is_found_as_each_word_alone():
    rows = [record(description=f"x{piece}y", values=(piece * 2,), paths=("changes.a",)) for piece in PIECES]
    words = [fold(piece) for piece in PIECES] + ["absent"]
    for word in words:
        others = tuple(Contains(other) for other in words if other.startswith("x") or other == word)
        expected = [row for row, one in enumerate(rows) if any(compile_match(Query(each))(one) for each in others)]
        assert selected(Or(others), rows) == expected, word
        assert selected(Not(Or(others)), rows) == [row for row in range(len(rows)) if row not in expected], word


@pytest.mark.usefixtures("each_search")
def test_more_words_than_one_expression_holds_are_all_found(monkeypatch):
    monkeypatch.setattr(match, "MOST_PATTERN", 30)
    rows = [record(description=f"number {number} of many") for number in range(100)]
    words = tuple(Contains(f"number {number} ") for number in range(0, 100, 3))
    assert selected(Or(words), rows) == list(range(0, 100, 3))
    assert selected(And(tuple(map(Not, words))), rows) == [row for row in range(100) if row % 3]


@pytest.mark.usefixtures("each_search")
def test_half_of_a_surrogate_pair_is_a_character_like_others():
    rows = [record(description="a\ud800b"), record(description="ab"), record(description="\udfffq")]
    assert selected(Or((Contains("\ud800"), Contains("q"))), rows) == [0, 2]
    assert selected(Or((Contains("\ud800"), Contains("b"))), rows[1:]) == [0]


def test_the_text_of_an_event_is_folded_once_for_all_queries(monkeypatch):
    folded: list[str] = []
    for place in ("search.event_block", "store.rows"):
        monkeypatch.setattr(f"tallystick.{place}.fold", lambda text: folded.append(text) or fold(text))
    rows = [record(description=f"Event {number}", values=("Value",), paths=("changes.a",)) for number in range(10)]
    block, dice = EventBlock(rows), random.Random(16)
    for _ in range(50):
        words = tuple(Contains(f"w{dice.random()}") for _ in range(90))
        compile_selection(Query(Or((*words, AtPath("changes", ("absent",))))))(block, block.rows)
    assert len(folded) == 3 * len(rows)  # the text, that of the client, and the one value


def test_text_is_looked_at_only_where_the_columns_fit(monkeypatch):
    looked: list[int] = []
    text = EventBlock.text
    monkeypatch.setattr(EventBlock, "text", lambda block, row: looked.append(row) or text(block, row))
    rows = [record(action=f"thing.done{number}", description="word") for number in range(100)]
    condition = And((Contains("word"), Not(Contains("absent")), Equals("action", ("thing.done7",))))
    assert selected(condition, rows) == [7]
    assert set(looked) == {7}


@given(
    texts=st.lists(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), max_size=8),
    words=st.lists(st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join), max_size=40),
)
@settings(max_examples=EXAMPLES, deadline=None, derandomize=EXAMPLES == 50)
def test_the_index_finds_each_of_its_words_wherever_it_occurs(texts: list[str], words: list[str]):
    index = WordIndex(words)
    expected = {
        word: [row for row, text in enumerate(texts) if word in text]
        for word in index.words
        if any(word in text for text in texts)
    }
    assert index.rows_by_word(texts) == expected


def test_an_index_leaves_out_words_that_are_too_short_or_too_much_alike():
    alike = [f"{'same' * 3}{number % 2}" for number in range(2)] + [
        "same" * number for number in range(1, 5 * MOST_OF_GRAM)
    ]
    index = WordIndex([*alike, "abc", "é", "word"])
    assert {"word", "samesamesame0"} <= set(index.words)
    assert len(index.words & set(alike)) < len(alike)
    assert not index.words & {"abc", "é"}
    assert WordIndex([]).rows_by_word(["text", ""]) == {}
    assert index.rows_by_word([]) == {}
