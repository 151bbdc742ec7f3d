"""Folding: the same in Python as in the event store, for every code point."""

from collections.abc import Iterator

import pytest
from clickhouse_connect.driver.client import Client
from hypothesis import given
from hypothesis import strategies as st

from tallystick.query.case_folding import fold
from tallystick.store.clients import Bounds, connect
from tallystick.store.schema import folded

LETTERS = st.characters(exclude_categories=["Cs"])

# Every code point but the surrogates, made by the engine itself from its number.
EVERY = (
    "SELECT number, decodeHTMLComponent(concat('&#', toString(number), ';')) AS letter FROM numbers(1, 1114111) "
    "WHERE NOT (number BETWEEN 55296 AND 57343)"
)


@pytest.fixture(scope="module")
def client(events_url: str) -> Iterator[Client]:
    client = connect(events_url, Bounds())
    yield client
    client.close()


def test_every_code_point_folds_as_in_the_store(client: Client) -> None:
    sql = f"SELECT number, {folded('letter')} AS low FROM ({EVERY}) WHERE letter != low"
    expected = {point: low for point in range(1, 0x110000) if (low := fold(chr(point))) != chr(point)}
    assert {row[0]: row[1] for row in client.query(sql).result_rows} == expected


# At the end of a word, within it, beside a sigma, between the NULs that part values.
@pytest.mark.parametrize(("before", "after"), [("Α", ""), ("A", "b"), ("Σ", "Σ"), ("\0", "\0")])
def test_what_stands_beside_a_letter_does_not_matter(client: Client, before: str, after: str) -> None:
    whole, alone = folded("concat({b:String}, letter, {a:String})"), folded("letter")
    apart = f"concat({folded('{b:String}')}, {alone}, {folded('{a:String}')})"
    sql = f"SELECT count(), countIf({whole} != {apart}) FROM ({EVERY})"
    assert client.query(sql, parameters={"b": before, "a": after}).result_rows == [(0x10FFFF - 2048, 0)]


def test_texts_fold_as_in_the_store(client: Client) -> None:
    texts = (
        "ΌΣΟΣ ΌΣΟΣ",
        "ΑΣ.",
        "İSTANBUL",
        "Straße STRASSE ẞ",
        "ǅ Ǆ ǆ",
        "K Å Ω",
        "ſ",
        "ＡＢＣ",
        "Ⅷ Ⓐ",
        "Ꭰᏸ",
        "𐐀𞤀",
        "ΑΣ\u0301Α",
    )
    for text in texts:
        assert client.query(f"SELECT {folded('{text:String}')}", parameters={"text": text}).result_rows == [
            (fold(text),)
        ]


@given(st.text(LETTERS), st.text(LETTERS))
def test_folding_goes_letter_by_letter(one: str, other: str) -> None:
    assert fold(one + other) == fold(one) + fold(other)


@given(st.text(LETTERS))
def test_folding_twice_changes_nothing(text: str) -> None:
    assert fold(fold(text)) == fold(text)


def test_final_sigma_is_sigma() -> None:
    assert fold("ΌΣΟΣ") == fold("όσος") == "όσοσ"


def test_accents_and_ligatures_are_not_folded() -> None:
    assert (fold("é"), fold("ﬁ"), fold("ß"), fold("ſ")) == ("é", "ﬁ", "ß", "ſ")
